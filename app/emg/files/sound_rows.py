"""The rows of an imported file that a recording can hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from app.counted import counted, verb
from app.emg.files.imported import ImportedFile
from app.emg.source import Chunk
from app.errors import DataError

PIECE_ROWS = 2**14


class SoundRows:
    """Passes on what a recording can hold: rows of numbers, with an index that only grows."""

    def __init__(self, found: ImportedFile) -> None:
        self._found = found
        self._dropped = self._samples = 0
        self._least, self._most = np.inf, -np.inf

    def checked(self) -> Iterator[Chunk]:
        """Yield the samples, in chunks of up to PIECE_ROWS."""
        shift, end = 0, None
        for chunk in self._found.chunks():
            if end is not None and chunk.index + shift < end:  # it counts anew
                shift = end - chunk.index
            moved = replace(
                chunk,
                index=chunk.index + shift,
                aux=tuple(replace(aux, at=aux.at + shift) for aux in chunk.aux),
            )
            end = moved.index + len(moved.samples)
            for part in _parts(moved):
                yield from self._numbers(part)

    def _numbers(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yield the rows in which all values are numbers; the rest becomes gaps."""
        with np.errstate(over="ignore", invalid="ignore"):
            least, most = chunk.samples.min(initial=np.inf), chunk.samples.max(initial=-np.inf)
        if np.isfinite(least) and np.isfinite(most):
            self._count(len(chunk.samples), float(least), float(most))
            yield chunk
            return
        good = np.isfinite(chunk.samples).all(axis=1)
        self._dropped += int((~good).sum())
        edges = np.flatnonzero(np.diff(np.r_[False, good, False]))
        restart, aux = chunk.restart, chunk.aux
        for begin, stop in edges.reshape(-1, 2).tolist():
            part = _cut(chunk, begin, stop)
            self._count(stop - begin, float(part.samples.min()), float(part.samples.max()))
            yield replace(part, restart=restart, aux=aux)
            restart, aux = False, ()
        if aux and not len(edges):
            yield replace(_cut(chunk, 0, 0), restart=restart, aux=aux)

    def _count(self, samples: int, least: float, most: float) -> None:
        self._samples += samples
        self._least, self._most = min(self._least, least), max(self._most, most)

    def expect_signal(self) -> None:
        """See that there was one.

        Raises:
            DataError: no sample came, or all are one value.
        """
        file = self._found.path.name
        if not self._samples:
            raise DataError(f"{file}: holds no sample of EMG")
        if self._least == self._most:
            said = f"{file}: every value of its {counted(self._found.channels, 'channel')} is {self._least:g}"
            raise DataError(f"{said}; name the columns of the signal with --emg")

    @property
    def lines(self) -> tuple[str, ...]:
        """What was found meanwhile."""
        if not self._dropped:
            return ()
        hold = f"{counted(self._dropped, 'row')} {verb(self._dropped, 'holds', 'hold')}"
        return (f"{hold} values that are no numbers; {verb(self._dropped, 'it is a gap', 'they are gaps')}",)


def _parts(chunk: Chunk) -> Iterator[Chunk]:
    """Yield a chunk in pieces that a record can hold; what came beside it stays with the first."""
    if len(chunk.samples) <= PIECE_ROWS:
        yield chunk
        return
    for begin in range(0, len(chunk.samples), PIECE_ROWS):
        part = _cut(chunk, begin, begin + PIECE_ROWS)
        yield part if begin == 0 else replace(part, restart=False, aux=())


def _cut(chunk: Chunk, begin: int, stop: int) -> Chunk:
    return replace(
        chunk,
        index=chunk.index + begin,
        samples=chunk.samples[begin:stop],
        labels=None if chunk.labels is None else chunk.labels[begin:stop],
        repetitions=None if chunk.repetitions is None else chunk.repetitions[begin:stop],
    )
