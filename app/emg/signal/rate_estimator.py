"""How fast a device really samples: its sample count against this machine's monotonic clock."""

from __future__ import annotations

from collections import deque

import numpy as np

TOLERANCE = 0.05  # of the nominal rate; a crystal is off by 0.01 %, a wrong setting by far more
BIN_S = 1.0  # one point is kept of each
BASELINE_S = 60.0  # the estimate looks back so far
SETTLED_S = 5.0  # a shorter baseline says nothing: USB delivers in bursts of up to 16 ms and sometimes late
SILENCE_S = 1.0  # whoever was silent for longer may have stopped counting, so counting starts anew


class RateEstimator:
    """The true sampling rate of the last minute, for any source whose sample index counts lost samples too.

    Samples can arrive late, never early. So of every second the least delayed arrival is kept, and the rate is the
    median of the slopes between all pairs of them (Theil-Sen: a third of the points may be anywhere). What
    `at` counts from does not matter; it is in s and must not run backwards.
    """

    def __init__(self, nominal_hz: float) -> None:
        if not 0 < nominal_hz < float("inf"):
            raise ValueError(f"the nominal rate must be above 0 Hz, got {nominal_hz}")
        self.nominal_hz = nominal_hz
        self._points: deque[tuple[float, int]] = deque(maxlen=round(BASELINE_S / BIN_S))  # (at, total)
        self.reset()

    def reset(self) -> None:
        """Forget: what comes next does not continue what came before (a reconnect, another device)."""
        self._points.clear()
        self._best: tuple[float, int] | None = None  # of the second that is running
        self._bin_ends = 0.0
        self._last: tuple[float, int] | None = None
        self._rate: float | None = None

    def update(self, total_samples: int, at: float) -> None:
        """`total_samples` of the source had arrived by `at`."""
        if self._last is not None and (at - self._last[0] > SILENCE_S or total_samples < self._last[1]):
            self.reset()
        self._last = (at, total_samples)
        if self._best is not None and at >= self._bin_ends:
            self._points.append(self._best)
            self._rate = self._slope()
            self._best = None
        if self._best is None:
            self._best, self._bin_ends = (at, total_samples), at + BIN_S
        elif self._delay(at, total_samples) < self._delay(*self._best):
            self._best = (at, total_samples)

    @property
    def rate_hz(self) -> float | None:
        """Samples per second; None while the baseline is too short to tell."""
        return self._rate

    @property
    def off_nominal(self) -> bool:
        """More than 5 % away from the nominal rate. False while the rate is not known."""
        return self._rate is not None and abs(self._rate / self.nominal_hz - 1.0) > TOLERANCE

    def _delay(self, at: float, total_samples: int) -> float:
        return at - total_samples / self.nominal_hz

    def _slope(self) -> float | None:
        at, total = np.array(self._points).T
        if at[-1] - at[0] < SETTLED_S:
            return None
        first, second = np.triu_indices(len(at), k=1)
        return float(np.median((total[second] - total[first]) / (at[second] - at[first])))
