"""What each worker says of its sources: one row a source, and those of ended ones are used again."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, NamedTuple

from app.serving.counters.histograms import OTHER, Table

if TYPE_CHECKING:  # gunicorn's master imports this file, and needs nothing of what this imports
    from app.emg.source import SourceState

SOURCE_STATES = ("starting", "running", "stalled", "disconnected", "ended")
SOURCE_WIDTH = 6  # doubles
ENDED = SOURCE_STATES.index("ended")
WORST_FIRST = ("disconnected", "stalled", "starting", "running", "ended")


class SourceRow(NamedTuple):
    """One source, as it was within the last second."""

    state: str
    samples: float
    gaps: float
    lost_samples: float
    stalls: float
    age_s: float  # of the last sample; nan before the first

    @classmethod
    def read(cls, said: Sequence[float]) -> SourceRow:
        """Return what a row says."""
        state, *counts = said
        return cls(SOURCE_STATES[int(state)], *counts)

    @classmethod
    def of(cls, state: SourceState, stalls: int) -> SourceRow:
        """Return what is to be said of that source."""
        age_s = math.nan if state.last_sample_age_ms is None else state.last_sample_age_ms / 1e3
        return cls(state.state, state.samples, state.gaps, state.lost_samples, stalls, age_s)

    def write(self, row: memoryview[float]) -> None:
        """Say it in a row."""
        row[:] = memoryview(array("d", [SOURCE_STATES.index(self.state), *self[1:]]))

    def merged(self, other: SourceRow) -> SourceRow:
        """Return what another worker says of the same source, taken together with this; one that ended says nothing."""
        if (self.state == "ended") != (other.state == "ended"):
            return other if self.state == "ended" else self
        newest = max(self, other, key=lambda row: row.samples)
        return newest._replace(
            gaps=max(self.gaps, other.gaps),
            lost_samples=max(self.lost_samples, other.lost_samples),
            stalls=max(self.stalls, other.stalls),
        )

    @property
    def counts(self) -> tuple[float, ...]:
        """Return all that only grows while a source is open."""
        return self[1:5]

    def plus(self, other: SourceRow) -> SourceRow:
        """Return two sources as one: the counts of both, and the state and age of the one that does worse."""
        state = min(self.state, other.state, key=WORST_FIRST.index)
        ages_s = [age_s for age_s in (self.age_s, other.age_s) if not math.isnan(age_s)]
        return SourceRow._make((state, *map(add, self.counts, other.counts), max(ages_s, default=math.nan)))


NOTHING = SourceRow("ended", 0.0, 0.0, 0.0, 0.0, math.nan)


class SourceTable:
    """The rows of one worker's sources; one thread writes them.

    Clients may think out any number of names. The row of a source that has ended stays until another needs it; where
    as many run as there are rows, those beyond are counted together as OTHER, whose counts never fall.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._running: dict[str, memoryview[float]] = {}
        self._ended: dict[str, None] = {}  # have a row still; in the order in which they ended
        self._others: dict[str, SourceRow] = {}  # run and have none
        self._past = NOTHING  # what others have counted that ended, or began anew

    def note(self, state: SourceState, stalls: int) -> None:
        """Say how a source is doing."""
        name, now = state.name, SourceRow.of(state, stalls)
        row = self._running.get(name)
        if row is None and name not in self._others:
            row = self._row(name)
        if row is None:
            self._note_other(name, now)
        else:
            now.write(row)

    def ended(self, name: str) -> None:
        """Say that it is not there any more."""
        row = self._running.pop(name, None)
        if row is not None:
            row[0] = ENDED
            self._ended[name] = None
        elif name in self._others:
            self._note_other(name, NOTHING)
            del self._others[name]

    def _row(self, name: str) -> memoryview[float] | None:
        """Return a row for what has begun, if need be that of the source that ended first."""
        self._ended.pop(name, None)
        row = self._table.own_row(name)
        if row is None and self._ended and name != OTHER:
            oldest = next(iter(self._ended))
            del self._ended[oldest]
            self._table.free(oldest)
            row = self._table.own_row(name)
        if row is not None:
            self._running[name] = row
        return row

    def _note_other(self, name: str, now: SourceRow) -> None:
        before = self._others.get(name, NOTHING)
        fell = [was if now_is < was else 0.0 for was, now_is in zip(before.counts, now.counts, strict=True)]
        self._past = self._past.plus(SourceRow._make(("ended", *fell, math.nan)))
        self._others[name] = now
        reduce(SourceRow.plus, self._others.values(), self._past).write(self._table.row(OTHER))
