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
BACK_S = 1.0  # so is one backwards; the signal begins anew with those
LEAD_S = 10.0  # how soon stamps that come later and later are expected to
LONGEST_CHUNK_S = 0.5  # what comes at once of a sender, not of a network that was away
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
    sender is no gap: its last stamps are on the line again. Nor is one chunk of many that is stamped late: a jump that
    a chunk more explains is believed once the next chunk is as late. And stamps that run ahead of the time in which
    they arrive are those of a clock that was set.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._jump_s = max(JUMP_S, 1.5 / rate)  # of slow streams less than a sample is jitter, too
        self._next = 0  # index of the next sample
        self._due: float | None = None  # its stamp
        self._chunk = 0  # samples that came last
        self._doubted = 0  # samples that were late, and of which the next ones will tell
        self._lead: float | None = None  # s by which stamps are before their arrival, at most

    @property
    def next(self) -> int:
        """The index of the next sample."""
        return self._next

    def index_at(self, stamp: float) -> float:
        """Return where on the line a stamp lies, in samples with a fraction. Only once samples were placed."""
        assert self._due is not None
        return self._next + (stamp - self._due) * self._rate

    def stamp_of(self, index: int) -> float:
        """Return the stamp of a sample by the line. Only once samples were placed."""
        assert self._due is not None
        return self._due + (index - self._next) / self._rate

    def doubts(self, stamps: Stamps) -> bool:
        """Whether these alone would make a gap that samples just behind them may still explain."""
        return self._due is not None and bool(stamps[-1] - self._expected(len(stamps))[-1] > self._jump_s)

    def place(self, stamps: Stamps, arrived: float | None = None) -> Placed:
        """Return the indices of samples with these stamps (n,), in s, that came at `arrived` of any steady clock.

        Raises:
            SourceError: a stamp is not a number.
        """
        if not np.isfinite(stamps).all():
            raise SourceError("the stream's time stamps are not numbers")
        began = self._due is None
        if self._due is None:
            self._due = float(stamps[0])
        late = stamps - self._expected(len(stamps))
        missing = self._missing(late)
        jump = float(late.min()) if late.min() > CLOCK_SET_S else float(late.max())
        clock_set = self._clock_set(jump, int(missing[-1]), stamps, arrived)
        if clock_set:
            self._due, self._doubted = float(stamps[-1]) - (len(stamps) - 1) / self._rate, 0
            late, missing = np.zeros(len(stamps)), np.zeros(len(stamps), np.int64)
        index = self._next + np.arange(len(stamps), dtype=np.int64) + missing
        self._next = int(index[-1]) + 1
        self._follow(late - missing / self._rate, int(missing[-1]))
        return Placed(index, clock_set and abs(jump) > BACK_S and not began)

    def _expected(self, count: int) -> Stamps:
        assert self._due is not None
        expected: Stamps = self._due + np.arange(count) / self._rate
        return expected

    def _clock_set(self, jump: float, missing: int, stamps: Stamps, arrived: float | None) -> bool:
        """Whether these stamps are of another clock than those before: too far from them, or ahead of time.

        What was taken later arrives later. Samples whose stamps jump ahead, and that come without a pause, tell of a
        clock. How far stamps are before their arrival is followed at once upwards, slowly down: arrival may be late.
        """
        ahead_s = 0.0
        if arrived is not None:
            lead = float(stamps[-1]) - arrived
            ahead_s = 0.0 if self._lead is None else lead - self._lead
            slowly = min(len(stamps) / self._rate / LEAD_S, 1.0)
            self._lead = lead - min(ahead_s, 0.0) * (1.0 - slowly)
        return jump > CLOCK_SET_S or jump < -BACK_S or (missing > 0 and ahead_s > self._jump_s)

    def _missing(self, late: Stamps) -> Indices:
        """How many samples are missing before each, (n,)."""
        at_least = np.minimum.accumulate(late[::-1])[::-1]  # by what a sample and all after it are late
        missing = np.zeros(len(late), np.int64)
        chunk, self._chunk = max(len(late), self._chunk), len(late)
        one_more_s = 0.0 if self._doubted >= chunk else min(chunk / self._rate, LONGEST_CHUNK_S)
        while len(jumps := np.flatnonzero(at_least - missing / self._rate > self._jump_s + one_more_s)):
            at = int(jumps[0])
            missing[at:] += round((at_least[at] - missing[at] / self._rate) * self._rate)
        late_now = bool(late[-1] - missing[-1] / self._rate > self._jump_s)
        self._doubted = self._doubted + len(late) if late_now else 0
        return missing

    def _follow(self, late: Stamps, missing: int) -> None:
        assert self._due is not None
        gain = 0.0 if self._doubted else 1.0 - math.exp(-len(late) / self._rate / FOLLOW_S)
        self._due += (len(late) + missing) / self._rate + gain * float(late.mean())
