"""From time stamps to sample indices: jitter is taken away, a jump is a gap."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.emg.signal.segments import Indices
from app.errors import SourceError

JUMP_S = 0.05  # a sample, and all after it, so much late: something is missing; less is jitter
CLOCK_SET_S = 60.0  # a longer jump is a clock that was set, not a loss
BACK_S = 1.0  # so is one backwards
FOLLOW_S = 0.5  # how soon the line follows a clock that runs faster or slower than nominal

Stamps = npt.NDArray[np.float64]


class Placed(NamedTuple):
    """Where samples belong. `restart`: the stamps do not continue those before them."""

    indices: Indices  # (n,)
    restart: bool


class TimestampFit:
    """The line on which sample n is due at `start + n / rate`, fitted to the stamps as they come.

    Samples keep their number, whatever their stamps jitter. Only where a stamp and all that are known after it lie
    more than JUMP_S behind the line, samples are missing, as many as make up for it. A burst after a pause of the
    sender is no gap: its last stamps are on the line again.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next = 0  # index of the next sample
        self._due: float | None = None  # its stamp

    def doubts(self, stamps: Stamps) -> bool:
        """Whether these alone would make a gap that samples just behind them may still explain."""
        return self._due is not None and bool(stamps[-1] - self._expected(len(stamps))[-1] > JUMP_S)

    def place(self, stamps: Stamps) -> Placed:
        """Return the indices of samples with these stamps (n,), in s.

        Raises:
            SourceError: a stamp is not a number.
        """
        if not np.isfinite(stamps).all():
            raise SourceError("the stream's time stamps are not numbers")
        began = self._due is None
        if self._due is None:
            self._due = float(stamps[0])
        late = stamps - self._expected(len(stamps))
        restart = bool(late.min() > CLOCK_SET_S or late.max() < -BACK_S)
        if restart:
            self._due = float(stamps[0])
            late = stamps - self._expected(len(stamps))
        missing = self._missing(late)
        index = self._next + np.arange(len(stamps), dtype=np.int64) + missing
        self._next = int(index[-1]) + 1
        self._follow(stamps, late - missing / self._rate, int(missing[-1]))
        return Placed(index, restart and not began)

    def _expected(self, count: int) -> Stamps:
        assert self._due is not None
        expected: Stamps = self._due + np.arange(count) / self._rate
        return expected

    def _missing(self, late: Stamps) -> Indices:
        """How many samples are missing before each, (n,)."""
        at_least = np.minimum.accumulate(late[::-1])[::-1]  # by what a sample and all after it are late
        missing = np.zeros(len(late), np.int64)
        while len(jumps := np.flatnonzero(at_least - missing / self._rate > JUMP_S)):
            at = int(jumps[0])
            missing[at:] += round((at_least[at] - missing[at] / self._rate) * self._rate)
        return missing

    def _follow(self, stamps: Stamps, late: Stamps, missing: int) -> None:
        assert self._due is not None
        gain = 1.0 - math.exp(-len(stamps) / self._rate / FOLLOW_S)
        self._due += (len(stamps) + missing) / self._rate + gain * float(late.mean())
