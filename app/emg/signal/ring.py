"""The last seconds of filtered samples, addressed by absolute sample index."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from app.emg.source import UNLABELLED, Labels, Samples
from app.errors import SourceError

Number = TypeVar("Number", int, float)
Kind = TypeVar("Kind", bound=np.generic)

MAX_FILLED = (
    0.2  # share of a window; what it costs in accuracy is measured in docs/models.md, by benchmarks/gaps.py
)


@dataclass(frozen=True, slots=True)
class Gaps:
    """What has been lost since the source started."""

    number: int = 0
    lost_samples: int = 0


class Ring:
    """One writer, any number of readers; a reader gets copies, and nobody waits for anybody else.

    `capacity` samples are kept. A gap of up to `max_fill` samples is filled by holding the last sample
    (labelled UNLABELLED, counted by `missing`); a longer gap, or a chunk that says `restart`, begins a new
    segment, and no window reaches beyond one. Time is the sample index: lost samples have an index too.
    """

    def __init__(self, capacity: int, channels: int, max_fill: int = 0) -> None:
        self.capacity, self.channels, self.max_fill = capacity, channels, max_fill
        # Sample n lies in row n % capacity. A reader takes no lock (which would be a dozen of them for each frame): it
        # copies, and looks then whether the writer had come so far meanwhile, who says beforehand how far it goes.
        self._samples: Samples = np.zeros((capacity, channels), np.float32)
        self._labels: Labels = np.full(capacity, UNLABELLED, np.int16)
        self._filled = np.zeros(capacity, np.bool_)
        self._acquired_at = np.zeros(capacity, np.float64)
        self._begun = False
        self._start = self._newest = 0  # of the segment that is being written
        self._before: tuple[tuple[int, int], ...] = ()  # segments before it, each from and to
        self._overwritten_to = 0  # what lies before may be overwritten at any moment
        self._filled_to = 0  # no sample after it was lost and filled
        self._labelled = self._marked = False  # whether any sample was labelled, or filled
        self._gaps = Gaps()
        self._closed = False
        self._changed, self._waiting = threading.Condition(), 0
        self._watchers: tuple[Callable[[], None], ...] = ()

    # --- the writer -------------------------------------------------------------------------------

    def breaks(self, chunk_index: int, restart: bool) -> bool:
        """Whether a chunk at `chunk_index` begins a new segment. Filters start afresh where it does."""
        if restart or not self._begun:
            return True
        to_fill = chunk_index - self._newest
        return to_fill > self.max_fill or (to_fill > 0 and self._start == self._newest)  # nothing to hold yet

    def write(
        self,
        chunk_index: int,
        samples: Samples,
        labels: Labels | None = None,
        restart: bool = False,
        acquired_at: float = 0.0,
    ) -> None:
        """Append `samples` (n, channels), the first of which has index `chunk_index`; tell all who watch or wait.

        Raises:
            SourceError: the index goes backwards, or the shape is not (n, channels). Nothing is written.
        """
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise SourceError(f"samples must be (n, {self.channels}), got {samples.shape}")
        if labels is not None and labels.shape != samples.shape[:1]:
            raise SourceError(f"{len(samples)} samples cannot carry labels of shape {labels.shape}")
        filled_to = self._follow(chunk_index, restart, acquired_at)
        self._append(filled_to, samples, labels, False, acquired_at)
        self._newest = filled_to + len(samples)  # last: from now on it is there
        if self._before:
            oldest = self._newest - self.capacity
            self._before = tuple(one for one in self._before if one[1] > max(oldest, one[0]))
        self._tell()

    def close(self) -> None:
        """No more samples will come: every waiter returns at once, now and later."""
        self._closed = True
        self._tell()

    def _tell(self) -> None:
        if self._waiting:
            with self._changed:
                self._changed.notify_all()
        for watcher in self._watchers:
            watcher()

    def _follow(self, chunk_index: int, restart: bool, acquired_at: float) -> int:
        """Bring the ring to `chunk_index`, which it returns: fill a short gap, or begin a new segment."""
        if not self._begun:
            self._start = self._newest = chunk_index
            self._begun = True
            return chunk_index
        lost = chunk_index - self._newest
        if lost < 0:
            raise SourceError(f"sample index went backwards, from {self._newest} to {chunk_index}")
        if lost:
            self._gaps = Gaps(self._gaps.number + 1, self._gaps.lost_samples + lost)
        if self.breaks(chunk_index, restart):
            self._before = (*self._before, (self._start, self._newest))
            self._start = chunk_index  # before the end: else it would seem to reach so far
            self._newest = chunk_index
        elif lost:
            held = self._samples[(self._newest - 1) % self.capacity]
            self._append(self._newest, np.tile(held, (lost, 1)), None, True, acquired_at)
            self._filled_to = chunk_index
        return chunk_index

    def _append(
        self, index: int, samples: Samples, labels: Labels | None, filled: bool, acquired_at: float
    ) -> None:
        """Lay samples down from that index on, or the last of them that there is room for."""
        kept, end = min(len(samples), self.capacity), index + len(samples)
        self._overwritten_to = end - self.capacity
        skipped, first = len(samples) - kept, (end - kept) % self.capacity
        # rows are as they were at first where nothing else has been written to them
        self._labelled = self._labelled or labels is not None
        self._marked = self._marked or filled
        whole = min(kept, self.capacity - first)  # up to the last row; what is more begins at the first
        for row, at, count in ((first, skipped, whole), (0, skipped + whole, kept - whole)):
            if count:
                rows = slice(row, row + count)
                self._samples[rows] = samples[at : at + count]
                if self._labelled:
                    self._labels[rows] = UNLABELLED if labels is None else labels[at : at + count]
                if self._marked:
                    self._filled[rows] = filled
                self._acquired_at[rows] = acquired_at

    # --- the readers ------------------------------------------------------------------------------

    @property
    def newest(self) -> int:
        """Index after the newest sample; 0 before the first."""
        return self._newest

    @property
    def oldest(self) -> int:
        """Index of the oldest sample that can still be kept."""
        before = self._before
        return max(self._newest - self.capacity, before[0][0] if before else self._start)

    @property
    def segment_start(self) -> int:
        """Index of the first sample since the last restart or long gap (it may be overwritten by now)."""
        return self._start

    @property
    def gaps(self) -> Gaps:
        return self._gaps

    @property
    def closed(self) -> bool:
        """Whether no more samples will come."""
        return self._closed

    @property
    def awaited(self) -> bool:
        """Whether somebody watches it, or waits for a sample."""
        return bool(self._watchers) or self._waiting > 0

    def watch(self, watcher: Callable[[], None]) -> None:
        """Have `watcher` called after each write, and when it is closed, by whoever does that; it must not wait."""
        with self._changed:  # others may come and go just now
            self._watchers = (*self._watchers, watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Have it called no more. Safe to call twice."""
        with self._changed:
            self._watchers = tuple(one for one in self._watchers if one != watcher)

    def window(self, end: int, length: int) -> Samples | None:
        """Return a copy of the `length` samples before index `end`, (length, channels).

        None when they are overwritten, not there yet, or not all of one segment.
        """
        return self._copy(self._samples, end, length)

    def recent(self, end: int, least: int, most: int) -> Samples | None:
        """Return a copy of the samples before index `end`, as many as their segment has, from `least` to `most`.

        None where `window(end, least)` gives None. Those that are overwritten are missing at the front.
        """
        while (start := self._segment_of(end - least, end)) is not None:
            there = end - max(start, self._overwritten_to)
            found = self._copy(self._samples, end, min(there, most))
            if found is not None:  # else the writer has come on meanwhile: fewer are left
                return found
        return None

    def labels(self, end: int, length: int) -> Labels | None:
        """Return the labels (length,) of the same samples; None where `window` gives None."""
        return self._copy(self._labels, end, length)

    def missing(self, end: int, length: int) -> int:
        """How many samples of that window were lost and filled; all of them where `window` gives None."""
        if self._segment_of(end - length, end) is None:
            return length
        if end - length >= self._filled_to:  # nearly always
            return 0
        filled = self._copy(self._filled, end, length)
        return length if filled is None else int(np.count_nonzero(filled))

    def usable(self, end: int, length: int) -> bool:
        """Return whether that window is there, and at most MAX_FILLED of its samples were lost and filled."""
        return self.missing(end, length) <= MAX_FILLED * length

    def label_at(self, index: int) -> int | None:
        """Return the label of one sample: UNLABELLED where unknown, None where the sample is not kept."""
        return self._at(self._labels, index, int)

    def acquired_at(self, index: int) -> float | None:
        """Return the monotonic time at which the chunk with this sample arrived; None where it is not kept."""
        return self._at(self._acquired_at, index, float)

    def wait_beyond(self, index: int, timeout: float | None = None) -> bool:
        """Wait until the sample `index` is there (`newest > index`). False on timeout or once closed."""
        with self._changed:
            self._waiting += 1  # before the look: a writer that does not see it has written before the look
            try:
                self._changed.wait_for(lambda: self._closed or self._newest > index, timeout)
            finally:
                self._waiting -= 1
            return self._newest > index

    def _at(self, values: npt.NDArray[Any], index: int, kind: Callable[[Any], Number]) -> Number | None:
        if self._segment_of(index, index + 1) is None:
            return None
        found = kind(values.item(index % self.capacity))
        return found if index >= self._overwritten_to else None

    def _copy(self, values: npt.NDArray[Kind], end: int, length: int) -> npt.NDArray[Kind] | None:
        start = end - length
        if self._segment_of(start, end) is None:
            return None
        row = start % self.capacity
        beyond = row + length - self.capacity  # the last row
        parts = (values[row : row + length],) if beyond <= 0 else (values[row:], values[:beyond])
        copied = np.concatenate(parts)
        return copied if start >= self._overwritten_to else None

    def _segment_of(self, start: int, end: int) -> int | None:
        """Return where the segment begins that these samples are of; None where they are not there, or not of one."""
        if start >= end or start < self._overwritten_to:
            return None
        if self._start <= start and end <= self._newest:
            return self._start
        return next((one[0] for one in self._before if one[0] <= start and end <= one[1]), None)
