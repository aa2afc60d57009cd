"""Where samples are missing by the clock: a hole stays, what was late catches up."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

COUNTED_S = 0.25  # by so much a clock must contradict a counter to be believed
BURSTS_S = 0.1  # that packets may be held back by the radio and the system
BEHIND_S, MOST_BEHIND = (
    2.0,
    20_000,
)  # rows on either side that are looked at: seconds of them, and at most so many


@dataclass(slots=True)
class Holes:
    """Finds holes in rows that come with a time (s) and a place (samples, what a counter knows to be missing included).

    A row is late by what its time is behind its place. That a lateness stays, over all rows of the next seconds, makes
    it a hole. `slack_s` is what rows may be late without a loss.
    """

    period_s: float
    slack_s: float
    found: list[tuple[int, int]] = field(default_factory=list)  # row, samples to add before it
    _rows: int = 0  # before those that wait
    _late: Floats = field(default_factory=lambda: np.zeros(0))
    _steps: Floats = field(default_factory=lambda: np.zeros(0))  # samples, by the places
    _past: int = 0  # of those rows, how many are done with
    _level: int = 0  # row at which the last hole ends

    @property
    def behind(self) -> int:
        return int(np.clip(BEHIND_S / self.period_s, 16, MOST_BEHIND))

    def add(self, times: Floats, steps: Whole, places: Whole, last: bool) -> None:
        """Look at the next rows. What they tell is in `found` once the rows behind them are known."""
        added = sum(lost for _, lost in self.found)
        self._late = np.concatenate((self._late, times - (places + added) * self.period_s))
        self._steps = np.concatenate((self._steps, steps.astype(np.float64)))
        ready = len(self._late) if last else max(len(self._late) - self.behind, self._past)
        self._look(ready)
        self._past = ready
        drop = max(self._past - self.behind, 0)
        self._late, self._steps = self._late[drop:], self._steps[drop:]
        self._rows, self._past = self._rows + drop, self._past - drop

    def _look(self, ready: int) -> None:
        begin = max(self._past, 1)
        rise = np.diff(self._late[begin - 1 : ready])
        counted = self._steps[begin:ready] > 1
        suspects = np.flatnonzero((rise > self.slack_s) | (counted & (rise < -self.slack_s))) + begin
        for at in suspects.tolist():
            lost = self._lost(at)
            if lost:
                self.found.append((self._rows + at, lost))
                self._late[at:] -= lost * self.period_s
                self._level = self._rows + at

    def _lost(self, at: int) -> int:
        """Return how many samples are to be added before the row, fewer than 0 where the counter claims too many."""
        since = max(at - self.behind, self._level - self._rows, 0)
        before = float(self._late[since:at].min()) if at > since else float(self._late[at - 1])
        after = float(self._late[at : at + self.behind].min())
        shift = after - before
        if abs(shift) <= self.slack_s:
            return 0
        return max(round(shift / self.period_s), 1 - int(self._steps[at]))
