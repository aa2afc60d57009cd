"""Counts that processes share: a histogram with few buckets, and rows that each stand beside their own name.

They lie in a worker's slot of the crew's board. Only that worker writes them, with `+=` on one double: CPython changes
threads between calls and loops, never within such a line, so that no lock is needed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

NAME_BYTES = 96
_NAME = NAME_BYTES // 8  # doubles


class Tally:
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
    rows are taken, what is new is counted together in the last.
    """

    def __init__(self, values: memoryview[float], width: int) -> None:
        self._values, self._stride = values, _NAME + width
        self._rows = dict(self)

    @staticmethod
    def size(rows: int, width: int) -> int:
        return rows * (_NAME + width)

    def __iter__(self) -> Iterator[tuple[str, memoryview[float]]]:
        """Every row there is, by its name."""
        for at in range(0, len(self._values), self._stride):
            name = self._values[at : at + _NAME].cast("B").tobytes().rstrip(b"\0").decode(errors="replace")
            if not name:
                return
            yield name, self._values[at + _NAME : at + self._stride]

    def row(self, name: str) -> memoryview[float]:
        """The row of that name, made where there is none."""
        found = self._rows.get(name)
        return self._made(name) if found is None else found

    def _made(self, name: str) -> memoryview[float]:
        at = len(self._rows) * self._stride
        if at + 2 * self._stride > len(self._values):  # the last row
            at, name = len(self._values) // self._stride * self._stride - self._stride, "other"
        text = name.encode()[:NAME_BYTES]
        row = self._values[at + _NAME : at + self._stride]
        self._values[at : at + _NAME].cast("B")[: len(text)] = text
        self._rows[name] = row
        return row
