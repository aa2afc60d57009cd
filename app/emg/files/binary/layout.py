"""Where the samples of a file lie: its continuous segments, what else it has beside them, and all of it as chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.counted import counted, verb
from app.emg.auxiliary import AuxChunk
from app.emg.source import Chunk, Labels, Samples
from app.errors import DataError

CHUNK_VALUES = 2**18  # that are read at a time: 1 MiB in float32
MAX_AUX_ROWS = 256  # in one AuxChunk, so that its place is exact where the clocks of the two run apart

Rows = Callable[[int, int], Samples]  # rows of the file from the first to before the second
RowLabels = Callable[
    [int, int, int], Labels
]  # of `count` samples from a row of the file, which has that index


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive samples: `rows` of them from row `first` of the file on, the first with sample index `index`."""

    first: int
    rows: int
    index: int
    restart: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class AuxTrack:
    """One continuous part of an auxiliary stream. `place` gives a row's place on the EMG's axis, in its samples."""

    stream: int
    first: int
    rows: int
    place: Callable[[int], float]
    read: Rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """A file's signal by row: what turns into chunks."""

    channels: int
    segments: tuple[Segment, ...]
    read: Rows
    labels: RowLabels | None = None
    repetitions: RowLabels | None = None
    aux: tuple[AuxTrack, ...] = ()

    @property
    def samples(self) -> int:
        return sum(segment.rows for segment in self.segments)

    def chunks(self) -> Iterator[Chunk]:
        """Yield all samples in order; rows with a value that is no number are left out, as a gap."""
        beside = AuxCursor(self.aux)
        rows = chunk_rows(self.channels)
        parts = [(segment, at) for segment in self.segments for at in range(0, segment.rows, rows)]
        for number, (segment, at) in enumerate(parts):
            count = min(rows, segment.rows - at)
            index = segment.index + at
            last = number == len(parts) - 1
            aux = beside.until(np.inf if last else float(index + count))
            yield from self._usable(segment.first + at, index, count, segment.restart and at == 0, aux)

    def _usable(
        self, row: int, index: int, count: int, restart: bool, aux: tuple[AuxChunk, ...]
    ) -> Iterator[Chunk]:
        samples = self.read(row, row + count)
        for begin, end in _runs(np.asarray(np.isfinite(samples).all(axis=1))):
            yield Chunk(
                index=index + begin,
                samples=samples[begin:end],
                labels=self.labels and self.labels(row + begin, index + begin, end - begin),
                repetitions=self.repetitions and self.repetitions(row + begin, index + begin, end - begin),
                restart=restart,
                aux=aux,
            )
            restart, aux = False, ()


class AuxCursor:
    """Yields the auxiliary samples in the order of time."""

    def __init__(self, tracks: Sequence[AuxTrack]) -> None:
        self._tracks = tracks
        self._done = [0 for _ in tracks]

    def until(self, index: float) -> tuple[AuxChunk, ...]:
        """Return what lies before that sample index and has not been returned yet."""
        return tuple(
            chunk for number, track in enumerate(self._tracks) for chunk in self._next(number, track, index)
        )

    def _next(self, number: int, track: AuxTrack, index: float) -> Iterator[AuxChunk]:
        while (begin := self._done[number]) < track.rows:
            end = self._end(track, begin, index)
            if end == begin:
                return
            self._done[number] = end
            yield AuxChunk(
                stream=track.stream,
                at=track.place(track.first + begin),
                samples=track.read(track.first + begin, track.first + end),
            )

    @staticmethod
    def _end(track: AuxTrack, begin: int, index: float) -> int:
        """Return up to which row of the track its samples lie before `index`; places only grow."""
        low, high = begin, min(begin + MAX_AUX_ROWS, track.rows)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if track.place(track.first + middle) < index else (low, middle)
        return low


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look at all samples has shown."""

    lines: tuple[str, ...]
    largest: float  # magnitude


def chunk_rows(channels: int) -> int:
    """Return how many rows are read at a time."""
    return max(1, CHUNK_VALUES // max(1, channels))


def survey(path: Path, layout: Layout, names: Sequence[str]) -> Survey:
    """Look at all samples once; return one line each of what a person should know.

    Raises:
        DataError: there are no samples, or no channel ever changes.
    """
    low, high = np.full(layout.channels, np.inf), np.full(layout.channels, -np.inf)
    seen = 0
    for segment in layout.segments:
        for samples in _read(layout, segment):
            usable = samples[np.isfinite(samples).all(axis=1)]
            seen += len(usable)
            low = np.minimum(low, usable.min(axis=0, initial=np.inf))
            high = np.maximum(high, usable.max(axis=0, initial=-np.inf))
    if not seen:
        raise DataError(f"{path.name}: holds no samples that are numbers")
    still = [name for name, same in zip(names, low == high, strict=True) if same]
    if len(still) == layout.channels:
        raise DataError(f"{path.name}: holds no signal: no channel has two different values ({_few(still)})")
    lines = [f"never change, and stay as they are: {_few(still)}"] if still else []
    if seen < layout.samples:
        gone = layout.samples - seen
        are = verb(gone, "is a gap", "are gaps")
        lines.append(f"{counted(gone, 'row')} with values that are not numbers {are}")
    return Survey(tuple(lines), float(max(np.abs(low).max(), np.abs(high).max())))


def _read(layout: Layout, segment: Segment) -> Iterator[Samples]:
    rows = chunk_rows(layout.channels)
    for at in range(segment.first, segment.first + segment.rows, rows):
        yield layout.read(at, min(at + rows, segment.first + segment.rows))


def gap_lines(segments: Sequence[Segment], rate: float) -> tuple[str, ...]:
    """Return what to say of the holes between segments: the first three, and how many more there are."""
    holes = [
        (before.index + before.rows, after.index - before.index - before.rows)
        for before, after in pairwise(segments)
        if after.index > before.index + before.rows
    ]
    lines = [
        f"no samples for {lost / rate:.4g} s at {at / rate:.4g} s: a gap of {counted(lost, 'sample')}"
        for at, lost in holes[:3]
    ]
    if len(holes) > 3:
        rest = sum(lost for _, lost in holes[3:])
        lines.append(
            f"{counted(len(holes) - 3, 'more gap')}, of {counted(rest, 'sample')} ({rest / rate:.4g} s) together"
        )
    return tuple(lines)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _runs(good: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return begin and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], good, [False])).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]
