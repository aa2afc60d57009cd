"""From samples with indices to chunks: what is missing between them stays missing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from app.emg.source import Chunk, Samples

Indices = npt.NDArray[np.int64]


def runs(index: Indices) -> Iterator[slice]:
    """Return the parts of a rising `index` (n,) in which each is one more than the one before."""
    breaks = np.flatnonzero(np.diff(index) > 1) + 1
    ends = [0, *breaks.tolist(), len(index)]
    return (slice(begin, end) for begin, end in pairwise(ends) if end > begin)


def never_numbers(samples: Samples) -> str:
    """Return which channels of `samples` (n, channels) are never a number, counted from 1; else that none is whole."""
    never = np.flatnonzero(~np.isfinite(samples).any(axis=0)) + 1
    if not len(never):
        return "no sample of it has a number for every channel"
    names = ", ".join(map(str, never.tolist()))
    return f"channel {names} is never a number" if len(never) == 1 else f"channels {names} are never numbers"


def pieces(index: Indices, samples: Samples, restart: bool = False) -> list[Chunk]:
    """Return a chunk for every run of consecutive indices; `index` (n,) rises, `samples` is (n, channels).

    A sample with a value that is not finite counts as lost: it would stay in a filter for ever. `restart` is
    said by the first chunk.
    """
    whole = np.isfinite(samples).all(axis=1)
    index, samples = index[whole], samples[whole]
    chunks = []
    for run in runs(index):
        chunks.append(Chunk(index=int(index[run.start]), samples=samples[run], restart=restart))
        restart = False
    return chunks
