"""Where windows end, in exact arithmetic, and the synchronous cutter that replays use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from typing import NamedTuple

import numpy as np

from app.emg.signal.filters import Sos
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.source import UNLABELLED, Chunk, Samples
from app.errors import DataError

_BLOCK = 4096  # samples fed to the ring at a time, so that no chunk overruns the windows cut from it


@dataclass(frozen=True, slots=True)
class Grid:
    """Window k (0, 1, ...) ends before sample `start + round((k + 1) * rate / fps)`, half rounded up.

    Integers only: no drift however long the signal, also for rates that `fps` does not divide. A float is
    taken for the decimal it prints as (29.97 is 2997/100). With `repeats` there may be more windows than samples:
    some then end where the one before them did.
    """

    rate: float  # Hz
    fps: float
    start: int = 0
    repeats: bool = False
    _hop: Fraction = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        most = float("inf") if self.repeats else self.rate
        if not (0 < self.fps <= most and self.rate < float("inf")):
            raise DataError(
                f"fps must be above 0 and at most the sampling rate {self.rate:g} Hz, got {self.fps:g}"
            )
        object.__setattr__(self, "_hop", Fraction(str(self.rate)) / Fraction(str(self.fps)))

    def end_of(self, k: int) -> int:
        """Return the index after the last sample of window k."""
        p, q = self._hop.numerator, self._hop.denominator
        return self.start + (2 * (k + 1) * p + q) // (2 * q)

    def first_at_or_after(self, sample: int) -> int:
        """Return the first window (0 at least) that ends at `sample` or later."""
        return self.last_at_or_before(sample - 1) + 1

    def last_at_or_before(self, sample: int) -> int:
        """Return the last window that ends at `sample` or earlier; -1 when window 0 ends later."""
        # (k+1) p/q + 1/2 < d + 1  <=>  k + 1 < (2d + 1) q / 2p  <=>  k + 1 <= ceil((2d + 1) q / 2p) - 1
        p, q = self._hop.numerator, self._hop.denominator
        d = sample - self.start
        return max(-(-(2 * d + 1) * q // (2 * p)) - 2, -1)


class Cut(NamedTuple):
    """One window of a replay."""

    k: int
    end: int
    window: Samples  # (length, channels), filtered; with context in front of it, as much as there is, where asked for
    label: int  # of the last sample; UNLABELLED where unknown


def cut(
    chunks: Iterable[Chunk], sos: Sos, length: int, grid: Grid, max_fill: int = 0, context: int = 0
) -> Iterator[Cut]:
    """Every whole window of `chunks`, by the same filter, ring and grid as the live path.

    The windows depend on the samples alone, not on how they are cut into chunks. A window that would span
    a restart, or a gap of more than `max_fill` samples, does not exist; its k is skipped. `context` samples before
    the window come with it, or as many as there are since the last restart or such gap.
    """
    path: SignalPath | None = None
    for chunk in chunks:
        for piece in _pieces(chunk):
            if path is None:
                ring = Ring(context + length + _BLOCK + max_fill, piece.samples.shape[1], max_fill)
                path = SignalPath(ring, sos)
            before = max(path.ring.newest, piece.index if path.ring.breaks(piece.index, piece.restart) else 0)
            path.process(piece)
            yield from _between(path.ring, before, length, context, grid)


def _between(ring: Ring, before: int, length: int, context: int, grid: Grid) -> Iterator[Cut]:
    """Yield the windows that end after `before` and are complete by now."""
    for k in count(grid.first_at_or_after(before + 1)):
        end = grid.end_of(k)
        if end > ring.newest:
            return
        window = ring.recent(end, length, context + length)
        if window is not None:
            label = ring.label_at(end - 1)
            yield Cut(k, end, window, UNLABELLED if label is None else label)


def _pieces(chunk: Chunk) -> Iterator[Chunk]:
    if len(chunk.samples) <= _BLOCK:
        yield chunk
        return
    for at in np.arange(0, len(chunk.samples), _BLOCK).tolist():
        part = slice(at, at + _BLOCK)
        labels = None if chunk.labels is None else chunk.labels[part]
        restart = chunk.restart and at == 0
        yield Chunk(index=chunk.index + at, samples=chunk.samples[part], labels=labels, restart=restart)
