"""Chunks on their way from the acquisition to the disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from app.emg.recording.log_format import Entry
from app.emg.source import Chunk


def chunks_of(entries: Iterable[Entry]) -> Iterator[Chunk]:
    """Yield those of the entries that are samples."""
    return (entry for entry in entries if isinstance(entry, Chunk))


def copied(chunk: Chunk) -> Chunk:
    """Return a copy that stays what it is where the source uses its buffer again."""
    return replace(
        chunk,
        samples=np.array(chunk.samples),
        labels=None if chunk.labels is None else np.array(chunk.labels),
        repetitions=None if chunk.repetitions is None else np.array(chunk.repetitions),
        aux=tuple(replace(aux, samples=np.array(aux.samples)) for aux in chunk.aux),
    )
