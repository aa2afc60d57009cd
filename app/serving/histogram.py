"""A distribution since the start, in constant memory, which processes may share."""

from __future__ import annotations

import math

import numpy as np

_LOWEST, _STEP = 1e-3, 1.02  # ms: 1 us to 400 s in steps of 2 %
_BUCKETS = 1000
SIZE = 2 + _BUCKETS  # doubles: number, total, buckets


class Histogram:
    """Counts in buckets that each are 2 % wider than the one below; a percentile is right to 1 %.

    Of times in ms, kept in the SIZE doubles of `values`: counts are whole in them up to 2**53, and adding two
    histograms is adding their values. The idea is that of Tene's HdrHistogram and of DDSketch (Masson et al. 2019,
    VLDB 12(12)).
    """

    def __init__(self, values: memoryview[float] | None = None) -> None:
        self._values = memoryview(bytearray(8 * SIZE)).cast("d") if values is None else values

    def add(self, value_ms: float) -> None:
        bucket = 0 if value_ms <= _LOWEST else min(int(math.log(value_ms / _LOWEST, _STEP)), _BUCKETS - 1)
        values = self._values
        values[0] += 1
        values[1] += value_ms
        values[2 + bucket] += 1

    @property
    def count(self) -> int:
        return int(self._values[0])

    @property
    def mean(self) -> float | None:
        return self._values[1] / self._values[0] if self._values[0] else None

    def percentile(self, percent: float) -> float | None:
        """None before the first value."""
        if not self.count:
            return None
        below = np.cumsum(np.asarray(self._values)[2:])
        bucket = int(np.searchsorted(below, max(math.ceil(below[-1] * percent / 100), 1)))
        middle: float = _LOWEST * _STEP ** (bucket + 0.5)
        return middle

    @property
    def total_ms(self) -> float:
        return self._values[1]

    def at_most(self, value_ms: float) -> int:
        """How many there are up to that value; right to the width of a bucket, 2 %."""
        whole = math.floor(math.log(value_ms / _LOWEST, _STEP) + 1e-9) if value_ms > _LOWEST else 0
        return int(np.asarray(self._values)[2 : 2 + whole].sum())
