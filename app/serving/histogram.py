"""A distribution since the start, in constant memory."""

from __future__ import annotations

import math

import numpy as np

_LOWEST, _STEP = 1e-3, 1.02  # ms: 1 us to 400 s in steps of 2 %
_BUCKETS = 1000


class Histogram:
    """Counts in buckets that each are 2 % wider than the one below; a percentile is right to 1 %.

    Of times in ms. The idea is that of Tene's HdrHistogram and of DDSketch (Masson et al. 2019, VLDB 12(12)).
    """

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, np.int64)
        self.total = 0.0
        self.count = 0

    def add(self, value_ms: float) -> None:
        bucket = 0 if value_ms <= _LOWEST else min(int(math.log(value_ms / _LOWEST, _STEP)), _BUCKETS - 1)
        self._counts[bucket] += 1
        self.total += value_ms
        self.count += 1

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    def percentile(self, percent: float) -> float | None:
        """None before the first value."""
        if not self.count:
            return None
        below = np.cumsum(self._counts)
        bucket = int(np.searchsorted(below, max(math.ceil(below[-1] * percent / 100), 1)))
        middle: float = _LOWEST * _STEP ** (bucket + 0.5)
        return middle
