"""What each worker counts of its models: one row a model, and those of closed ones are used again.

A model is whatever version of that name; its counts go on when it is opened again. Where another needs the row of one
that is closed, what it has counted goes on as OTHER's, whose counts never fall.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from operator import add

from app.serving.counters.histograms import OTHER, BucketHistogram, Table

MODEL_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1)
MODEL_WIDTH = 4 + BucketHistogram.size(MODEL_S)  # doubles
MODEL_ROWS = 33  # as many as EMG_MAX_MODELS by default, and OTHER
NOW = 2  # of these doubles, those that say how it is now; all behind them only grow


class ModelRow:
    """One model's counts."""

    def __init__(self, values: memoryview[float]) -> None:
        self.values = values  # open, memory, calls that raised, windows, and the calls' times
        self.latency_s = BucketHistogram(MODEL_S, values[4:])

    @property
    def open(self) -> int:
        """How many of that name are open: of all workers together, in how many of them it is."""
        return int(self.values[0])

    @property
    def memory(self) -> int:
        """By how many bytes the worker grew while it was opened; of all workers together, the sum."""
        return int(self.values[1])

    @property
    def failed(self) -> int:
        return int(self.values[2])

    @property
    def windows(self) -> int:
        return int(self.values[3])


def forget_open(table: Table) -> None:
    """Say that no model is open: their worker is dead, or new."""
    for _, values in table:
        values[0] = values[1] = 0.0


class ModelTable:
    """The rows of one worker's models."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows: dict[str, ModelRow] = {}
        self._closed: dict[str, None] = {  # have a row still; in the order in which they closed
            name: None for name, _ in table if name != OTHER
        }
        self._said: Mapping[str, float] = {}
        self._lock = threading.Lock()
        forget_open(table)

    def served(self, name: str, windows: int, latency_s: float) -> None:
        """One call that so many windows of that model took part in."""
        row = self._rows.get(name) or self._row(name)
        row.values[3] += windows
        row.latency_s.add(latency_s)

    def failed(self, name: str) -> None:
        self._row(name).values[2] += 1

    def note(self, there: Mapping[str, float]) -> None:
        """Say which models are open now, each with the bytes that it took."""
        if there == self._said:
            return
        for name in self._rows.keys() - there.keys() - self._closed.keys():
            self._close(name)
        without = []
        for name, size in there.items():
            row = self._row(name)
            if name in self._rows:
                row.values[0], row.values[1] = 1.0, size
            else:
                without.append(size)
        if without or self._has_other():
            other = self._table.row(OTHER)
            other[0], other[1] = len(without), sum(without)
        self._said = dict(there)

    def _has_other(self) -> bool:
        return any(name == OTHER for name, _ in self._table)

    def _row(self, name: str) -> ModelRow:
        """Return a row for that model, if need be that of the one that closed first; without one, OTHER's."""
        with self._lock:
            if name in self._rows:
                self._closed.pop(name, None)
                return self._rows[name]
            self._closed.pop(name, None)
            values = self._table.own_row(name)
            if values is None and self._closed and name != OTHER:
                self._give_up(next(iter(self._closed)))
                values = self._table.own_row(name)
            if values is None:
                return ModelRow(self._table.row(OTHER))
            return self._rows.setdefault(name, ModelRow(values))

    def _close(self, name: str) -> None:
        with self._lock:
            row = self._rows.get(name)
            if row is not None:
                row.values[0] = row.values[1] = 0.0
                self._closed[name] = None

    def _give_up(self, name: str) -> None:
        """Have the counts of a closed model go on as OTHER's."""
        del self._closed[name]
        counts = self._table.own_row(name)
        assert counts is not None  # it has a row
        other = self._table.row(OTHER)
        for at, total in enumerate(map(add, counts[NOW:], other[NOW:]), start=NOW):
            other[at] = total
        self._rows.pop(name, None)
        self._table.free(name)


class ModelMeter:
    """What an engine says of each call of its model."""

    def __init__(self, table: ModelTable, name: str) -> None:
        self._table, self._name = table, name

    def served(self, windows: int, latency_s: float) -> None:
        self._table.served(self._name, windows, latency_s)

    def failed(self) -> None:
        self._table.failed(self._name)
