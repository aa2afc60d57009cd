"""A time in front of each line (millis(), micros(), seconds): told by its steps, and used to find what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
FOLLOW = 0.05  # of what a line is late; the period follows critically damped
NOMINAL = 0.02  # a period that is off its nominal one by less may be just that
MOST_ACROSS = 50  # samples that may be missing where the time wraps, for a wrap that is not known yet
SPANS = tuple(
    sorted(
        {
            *(2.0**bits for bits in (8, 16, 24, 32)),
            *(s * k for s in (1, 60, 3600, 86400) for k in (1, 1e3, 1e6)),
        }
    )
)


class TimeColumn:
    """The line on which the time of each sample lies, from how it goes on in the first lines.

    A sample is due one period after the last. What is late by half a period and more, with all that is known after it,
    has others missing before it, as many as make up for it; a sketch that is late and catches up loses nothing.
    """

    def __init__(self, times: Sequence[float], rate: float | None = None) -> None:
        steps = [after - before for before, after in pairwise(times)]
        self._resolution = _resolution(times)
        usual = [step for step in steps if 0 <= step <= 1.5 * (median(steps) + self._resolution)]
        self.period = sum(usual) / len(usual) if usual else 0.0
        if usual:
            self._resolution = min(self._resolution, max(usual) - min(usual))
        even = [step for step in steps if abs(step - self.period) <= self._slack]
        self.regular = self.period > 0 and 2 * len(even) > len(steps)
        if self.regular and rate is not None:
            self._believe(rate, len(usual))
        self._first_period = self.period
        self._last = times[0]
        self._due = times[0] + self.period
        self._turned = 0.0  # what the wraps so far add
        self._wrap: float | None = None
        self._fell_by: float | None = None

    def _believe(self, rate: float, steps: int) -> None:
        """Take the period of this rate, where so few steps of a coarse time allow for it."""
        unit = self.unit(rate)
        nominal = self.period if unit is None else 1.0 / (rate * UNITS[unit])
        if abs(self.period - nominal) <= NOMINAL * nominal + self._resolution / steps:
            self.period = nominal

    def unit(self, rate: float) -> str | None:
        """Return in which unit the lines come at about `rate` Hz; None: in none, it is a number that rises so fast."""
        best = min(UNITS, key=lambda unit: abs(math.log(self.period * UNITS[unit] * rate)))
        return best if 0.5 < self.period * UNITS[best] * rate < 2.0 else None

    @property
    def _slack(self) -> float:
        return 0.5 * self.period + self._resolution

    def straight(self, time: float) -> float | None:
        """Return the time without its wraps; None: it fell, and did not wrap."""
        if time >= self._last:
            return time + self._turned
        wrap = self._wrapped(self._last + self.period - time)
        return None if wrap is None else time + self._turned + wrap

    def missing(self, straight: float, later: Iterable[float]) -> int:
        """Return how many samples are missing before the one at that time, of which those after it are at `later`."""
        late = straight - self._due
        if late <= self._slack:
            return 0
        for lines, time in enumerate(later, start=1):
            late = min(late, time + self._turned - self._due - lines * self.period)
        return max(round(late / self.period), 0) if late > self._slack else 0

    def take(self, time: float, straight: float, missing: int) -> None:
        """Go on behind this sample; the line follows it a little."""
        self._turned = straight - time
        self._last = time
        rest = min(max(straight - self._due - missing * self.period, -self._slack), self._slack)
        self._due += (1 + missing) * self.period + FOLLOW * rest
        period = self.period + FOLLOW * FOLLOW / 4 * rest
        self.period = min(max(period, self._first_period / 2), self._first_period * 2)

    def follows(self, time: float, before: float) -> bool:
        """Whether the two are of lines that follow one another."""
        return abs(time - before - self.period) <= self._slack

    def begin(self, time: float) -> None:
        """Go on from here: the device began anew."""
        self._last, self._turned, self._due = time, 0.0, time + self.period

    def _wrapped(self, fell_by: float) -> float | None:
        """Return the span after which the time began again, where it fell by so much."""
        spans = SPANS if self._wrap is None else (self._wrap,)
        for span in spans:
            if -self._slack <= span - fell_by <= MOST_ACROSS * self.period:
                self._wrap = span
                return span
        again = self._fell_by is not None and abs(self._fell_by - fell_by) <= self._slack
        self._fell_by = fell_by
        if again:
            self._wrap = fell_by
        return self._wrap if again else None


def _resolution(times: Sequence[float]) -> float:
    """Return the smallest step that these can show."""
    for decimals in range(9):
        if all(math.isclose(round(time, decimals), time, abs_tol=1e-10) for time in times):
            return float(10.0**-decimals)
    return 0.0
