"""Counts that processes share: a histogram with few buckets, and rows that each stand beside their own name.

They lie in a worker's slot of the shared memory. Only that worker writes them, with `+=` on one double: CPython changes
threads between calls and loops, never within such a line, so that no lock is needed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

NAME_BYTES = 96
_NAME = NAME_BYTES // 8  # doubles
OTHER = "other"


class BucketHistogram:
    """A histogram in `size(bounds)` doubles: the sum of all values, then one count for each bucket.

    A value belongs to the first bound that it does not exceed; what exceeds all is counted last.
    """

    __slots__ = ("_bounds", "_values")

    def __init__(self, bounds: Sequence[float], values: memoryview[float]) -> None:
        self._bounds, self._values = bounds, values

    @staticmethod
    def size(bounds: Sequence[float]) -> int:
        return len(bounds) + 2

    def add(self, value: float) -> None:
        self._values[0] += value
        self._values[1 + bisect_left(self._bounds, value)] += 1

    @property
    def sum(self) -> float:
        return self._values[0]

    def cumulative(self) -> list[int]:
        """How many values are up to each bound, and last how many there are at all."""
        return [int(count) for count in accumulate(self._values[1 : len(self._bounds) + 2])]


class Table:
    """Rows of `width` doubles, found by a name that is written beside them.

    So a worker that takes a dead one's slot counts on in its rows, and workers need not agree on an order. Where all
    rows are taken, what is new is counted together in the last, which is called OTHER. A name is NAME_BYTES long at
    most: of a longer one, what fits.
    """

    def __init__(self, values: memoryview[float], width: int) -> None:
        self._values, self._stride = values, _NAME + width
        self._last = (len(values) // self._stride - 1) * self._stride
        self._at = {self._name(at): at for at in self._taken() if at < self._last}

    @staticmethod
    def size(rows: int, width: int) -> int:
        """Return the doubles that so many rows take."""
        return rows * (_NAME + width)

    def __iter__(self) -> Iterator[tuple[str, memoryview[float]]]:
        """Yield every row there is, by its name."""
        for at in self._taken():
            yield self._name(at), self._row(at)

    def seen(self) -> Iterator[tuple[str, list[float]]]:
        """Yield what every row says, by its name; nothing of one that its process just now gives to another name."""
        for at in self._taken():
            name, said = self._name(at), list(self._row(at))
            if name and self._name(at) == name:
                yield name, said

    def row(self, name: str) -> memoryview[float]:
        """Return the row of that name, made where there is none; that of OTHER where all are taken."""
        found = self.own_row(name)
        return self._make(OTHER, self._last) if found is None else found

    def own_row(self, name: str) -> memoryview[float] | None:
        """Return the row of that name, made where there is none; None where all are taken, and for OTHER."""
        name = _cut(name)
        if name in self._at:
            return self._row(self._at[name])
        at = next((at for at in range(0, self._last, self._stride) if not self._values[at]), None)
        if at is None or name == OTHER:
            return None
        self._at[name] = at
        return self._make(name, at)

    def free(self, name: str) -> None:
        """Give the row of that name to whoever is next, and forget what it counted."""
        at = self._at.pop(_cut(name))
        self._values[at] = 0.0  # the name's beginning is the first to go: without it, nobody reads the row
        self._values[at + 1 : at + self._stride].cast("B")[:] = bytes(8 * (self._stride - 1))

    def _make(self, name: str, at: int) -> memoryview[float]:
        text = name.encode().ljust(NAME_BYTES, b"\0")
        self._values[at + 1 : at + _NAME].cast("B")[:] = text[8:]
        self._values[at : at + 1].cast("B")[:] = text[:8]  # last: no other process reads half a name
        return self._row(at)

    def _row(self, at: int) -> memoryview[float]:
        return self._values[at + _NAME : at + self._stride]

    def _taken(self) -> list[int]:
        """Return where the rows that have a name begin: no text is the double 0."""
        heads = self._values[: self._last + 1 : self._stride].tolist()
        return [number * self._stride for number, head in enumerate(heads) if head]

    def _name(self, at: int) -> str:
        return _text(self._values[at : at + _NAME].cast("B").tobytes())


def _cut(name: str) -> str:
    """Return of the name what a row holds."""
    return _text(name.encode()[:NAME_BYTES])


def _text(content: bytes) -> str:
    return content.rstrip(b"\0").decode(errors="ignore")


_LOWEST, _STEP = 1e-3, 1.02  # ms: 1 us to 400 s in steps of 2 %
_BUCKETS = 1000


class LogHistogram:
    """Counts in buckets that each are 2 % wider than the one below; a percentile is right to 1 %.

    Of times in ms, kept in the SIZE doubles of `values`: counts are whole in them up to 2**53, and adding two
    histograms is adding their values. The idea is that of Tene's HdrHistogram and of DDSketch (Masson et al. 2019,
    VLDB 12(12)).
    """

    SIZE = 2 + _BUCKETS  # doubles: number, total, buckets

    def __init__(self, values: memoryview[float] | None = None) -> None:
        self._values = memoryview(bytearray(8 * self.SIZE)).cast("d") if values is None else values

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
        below = list(accumulate(self._values[2:]))
        bucket = bisect_left(below, max(math.ceil(below[-1] * percent / 100), 1))
        middle: float = _LOWEST * _STEP ** (bucket + 0.5)
        return middle

    @property
    def total_ms(self) -> float:
        return self._values[1]

    def at_most(self, value_ms: float) -> int:
        """How many there are up to that value; right to the width of a bucket, 2 %."""
        whole = math.floor(math.log(value_ms / _LOWEST, _STEP) + 1e-9) if value_ms > _LOWEST else 0
        return int(sum(self._values[2 : 2 + whole]))
