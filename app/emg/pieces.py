"""From samples with indices to chunks: what is missing between them stays missing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.emg.source import Chunk, Samples

Indices = npt.NDArray[np.int64]


def pieces(index: Indices, samples: Samples, restart: bool = False) -> list[Chunk]:
    """A chunk for every run of consecutive indices; `index` (n,) rises, `samples` is (n, channels).

    A sample with a value that is not finite counts as lost: it would stay in a filter for ever. `restart` is
    said by the first chunk.
    """
    whole = np.isfinite(samples).all(axis=1)
    index, samples = index[whole], samples[whole]
    chunks = []
    for run in np.split(np.arange(len(index)), np.flatnonzero(np.diff(index) > 1) + 1):
        if len(run):
            part = slice(int(run[0]), int(run[-1]) + 1)
            chunks.append(Chunk(index=int(index[run[0]]), samples=samples[part], restart=restart))
            restart = False
    return chunks
