"""Columns beside EMG whose every value stands in so many rows: a slower signal in a faster table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.emg.files.table.numbering import Numbered
from app.emg.files.table.survey import Survey

PIECE = 2**15  # rows at a time
FEWEST = 20  # changes from which it is no chance that all lie on one grid: of changes anywhere 1 in 2^20 do
USUAL = 0.5  # of the runs are of that length; longer ones are values that came twice


@dataclass(frozen=True, slots=True)
class Held:
    """Values stand in `rows` rows each; a new one comes at the samples `phase`, `phase + rows`, ..."""

    rows: int
    phase: int

    def numbers(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the number of the value that stands at each sample."""
        return (index - self.phase) // self.rows


def held(survey: Survey, numbered: Numbered, columns: tuple[int, ...]) -> Held | None:
    """Return how these columns are held; None where it is not sure that all their changes lie on one grid."""
    changes = _Changes()
    places = survey.places(columns)
    for begin in range(0, survey.rows, PIECE):
        rows = survey.samples.read(begin, PIECE)[:, places]
        if not np.isfinite(rows).all():
            return None
        changes.add(rows, numbered.index.read(begin, PIECE)[:, 0])
        if changes.step == 1:
            return None
    return changes.held()


class _Changes:
    """Where values change, as far as that can be seen: not over a gap."""

    def __init__(self) -> None:
        self.step = 0  # the largest that leads from each change to each other
        self._first: int | None = None
        self._last: int | None = None
        self._runs: Counter[int] = Counter()
        self._row: npt.NDArray[np.float32] | None = None
        self._index = 0

    def add(self, rows: npt.NDArray[np.float32], index: npt.NDArray[np.int64]) -> None:
        """Take in the next rows, and which samples they are."""
        before = np.concatenate((rows[:1] if self._row is None else self._row[None], rows[:-1]))
        steps = np.diff(index, prepend=index[0] - 1 if self._row is None else self._index)
        at = index[(rows != before).any(axis=1) & (steps == 1)]
        self._row, self._index = rows[-1].copy(), int(index[-1])
        if not len(at):
            return
        self._first = int(at[0]) if self._first is None else self._first
        runs = np.diff(at, prepend=at[0] if self._last is None else self._last)
        self._runs.update(runs[runs > 0].tolist())
        self._last = int(at[-1])
        self.step = int(np.gcd(self.step, np.gcd.reduce(at - self._first)))

    def held(self) -> Held | None:
        """Return how the values are held."""
        total = self._runs.total()
        if self._first is None or self.step < 2 or total < FEWEST or self._runs[self.step] < USUAL * total:
            return None
        return Held(self.step, self._first % self.step)
