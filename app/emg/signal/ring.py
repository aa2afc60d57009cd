"""The last seconds of filtered samples, addressed by absolute sample index."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from app.emg.source import UNLABELLED, Labels, Samples
from app.errors import SourceError

Number = TypeVar("Number", int, float)

MAX_FILLED = (
    0.2  # share of a window; what it costs in accuracy is measured in docs/models.md, by benchmarks/gaps.py
)


@dataclass(frozen=True, slots=True)
class Gaps:
    """What has been lost since the source started."""

    number: int = 0
    lost_samples: int = 0


@dataclass(slots=True)
class _Segment:
    """Unbroken samples [start, end); no window reaches beyond one segment."""

    start: int
    end: int


class Ring:
    """One writer, any number of readers; a reader gets copies and never holds the writer up for longer.

    `capacity` samples are kept. A gap of up to `max_fill` samples is filled by holding the last sample
    (labelled UNLABELLED, counted by `missing`); a longer gap, or a chunk that says `restart`, begins a new
    segment. Time is the sample index: lost samples have an index too.
    """

    def __init__(self, capacity: int, channels: int, max_fill: int = 0) -> None:
        self.capacity, self.channels, self.max_fill = capacity, channels, max_fill
        # Every sample is stored twice, `capacity` rows apart, so that any window is one contiguous slice.
        self._samples: Samples = np.zeros((2 * capacity, channels), np.float32)
        self._labels: Labels = np.full(2 * capacity, UNLABELLED, np.int16)
        self._filled = np.zeros(2 * capacity, np.bool_)
        self._acquired_at = np.zeros(2 * capacity, np.float64)
        self._segments: deque[_Segment] = deque()
        self._gaps = Gaps()
        self._closed = False
        self._changed = threading.Condition()

    # --- the writer -------------------------------------------------------------------------------

    def breaks(self, chunk_index: int, restart: bool) -> bool:
        """Whether a chunk at `chunk_index` begins a new segment. Filters start afresh where it does."""
        if restart or not self._segments:
            return True
        last = self._segments[-1]
        to_fill = chunk_index - last.end
        return to_fill > self.max_fill or (to_fill > 0 and last.start == last.end)  # nothing to hold yet

    def write(
        self,
        chunk_index: int,
        samples: Samples,
        labels: Labels | None = None,
        restart: bool = False,
        acquired_at: float = 0.0,
    ) -> None:
        """Append `samples` (n, channels), the first of which has index `chunk_index`; wake all waiters.

        Raises:
            SourceError: the index goes backwards, or the shape is not (n, channels). Nothing is written.
        """
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise SourceError(f"samples must be (n, {self.channels}), got {samples.shape}")
        if labels is not None and labels.shape != samples.shape[:1]:
            raise SourceError(f"{len(samples)} samples cannot carry labels of shape {labels.shape}")
        with self._changed:
            self._follow(chunk_index, restart, acquired_at)
            self._append(samples, labels, False, acquired_at)
            self._changed.notify_all()

    def close(self) -> None:
        """No more samples will come: every waiter returns at once, now and later."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _follow(self, chunk_index: int, restart: bool, acquired_at: float) -> None:
        """Bring the ring to `chunk_index`: fill a short gap, or begin a new segment."""
        if not self._segments:
            self._segments.append(_Segment(chunk_index, chunk_index))
            return
        lost = chunk_index - self.newest
        if lost < 0:
            raise SourceError(f"sample index went backwards, from {self.newest} to {chunk_index}")
        if lost:
            self._gaps = Gaps(self._gaps.number + 1, self._gaps.lost_samples + lost)
        if self.breaks(chunk_index, restart):
            self._segments.append(_Segment(chunk_index, chunk_index))
        elif lost:
            held = self._samples[(self.newest - 1) % self.capacity]
            self._append(np.tile(held, (lost, 1)), None, True, acquired_at)

    def _append(self, samples: Samples, labels: Labels | None, filled: bool, acquired_at: float) -> None:
        kept = min(len(samples), self.capacity)
        self._segments[-1].end += len(samples)
        slots = np.arange(self.newest - kept, self.newest) % self.capacity
        for slot in (slots, slots + self.capacity):
            self._samples[slot] = samples[len(samples) - kept :]
            self._labels[slot] = UNLABELLED if labels is None else labels[len(samples) - kept :]
            self._filled[slot] = filled
            self._acquired_at[slot] = acquired_at
        while self._segments[0].end <= self.oldest and len(self._segments) > 1:
            self._segments.popleft()

    # --- the readers ------------------------------------------------------------------------------

    @property
    def newest(self) -> int:
        """Index after the newest sample; 0 before the first."""
        return self._segments[-1].end if self._segments else 0

    @property
    def oldest(self) -> int:
        """Index of the oldest sample that can still be kept."""
        return max(self.newest - self.capacity, self._segments[0].start) if self._segments else 0

    @property
    def segment_start(self) -> int:
        """Index of the first sample since the last restart or long gap (it may be overwritten by now)."""
        return self._segments[-1].start if self._segments else 0

    @property
    def gaps(self) -> Gaps:
        return self._gaps

    def window(self, end: int, length: int) -> Samples | None:
        """Return a copy of the `length` samples before index `end`, (length, channels).

        None when they are overwritten, not there yet, or not all of one segment.
        """
        with self._changed:
            part = self._slice(end, length)
            return None if part is None else self._samples[part].copy()

    def recent(self, end: int, least: int, most: int) -> Samples | None:
        """Return a copy of the samples before index `end`, as many as their segment has, from `least` to `most`.

        None where `window(end, least)` gives None. Those that are overwritten are missing at the front.
        """
        with self._changed:
            if self._slice(end, least) is None:
                return None
            start = next(one.start for one in reversed(self._segments) if one.start <= end - least)
            there = end - max(start, self.newest - self.capacity)
            part = self._slice(end, min(there, most))
            return None if part is None else self._samples[part].copy()

    def labels(self, end: int, length: int) -> Labels | None:
        """Return the labels (length,) of the same samples; None where `window` gives None."""
        with self._changed:
            part = self._slice(end, length)
            return None if part is None else self._labels[part].copy()

    def missing(self, end: int, length: int) -> int:
        """How many samples of that window were lost and filled; all of them where `window` gives None."""
        with self._changed:
            part = self._slice(end, length)
            return length if part is None else int(self._filled[part].sum())

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
            self._changed.wait_for(lambda: self._closed or self.newest > index, timeout)
            return self.newest > index

    def _at(self, values: npt.NDArray[Any], index: int, kind: Callable[[Any], Number]) -> Number | None:
        with self._changed:
            part = self._slice(index + 1, 1)
            return None if part is None else kind(values[part][0])

    def _slice(self, end: int, length: int) -> slice | None:
        start = end - length
        if length < 1 or start < self.newest - self.capacity:
            return None
        if not any(segment.start <= start and end <= segment.end for segment in self._segments):
            return None
        slot = start % self.capacity
        return slice(slot, slot + length)
