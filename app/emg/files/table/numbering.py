"""The sample index of every row, and the rate: from a counter, a clock, or both where they disagree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.counted import counted, verb
from app.emg.files.table.clock import EVERY, Unwrapped, even_period, period_of, unit_of, usual_step
from app.emg.files.table.counter import CounterColumn, counting_step
from app.emg.files.table.holes import BURSTS_S, COUNTED_S, Holes
from app.emg.files.table.spool import RowSpool
from app.errors import DataError

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

PIECE = 2**15  # rows at a time
HEAD = 2**16  # rows from which the way of a column is learned
EARLY = 0.5  # of a period: a row that comes so soon after the last one makes up for a late one


@dataclass(frozen=True, slots=True)
class Column:
    """A column that numbers the rows: where it lies in the spool, what it is called, and the unit that it says."""

    at: int
    name: str
    unit: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Numbered:
    """The rows' places. `index` (n, 1) rises; it jumps by what is missing."""

    index: RowSpool
    restarts: tuple[int, ...]  # rows at which another recording begins
    rate_hz: float | None  # by the clock
    gaps: int
    lost: int
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Some rows: how many samples each lies after the one before by the counter, and when it was taken."""

    steps: Whole
    times: Floats  # s; empty without a clock
    begun: Whole  # places in the piece at which another recording begins


@dataclass(frozen=True, slots=True)
class _Pace:
    """How the clock runs beside the rows."""

    period_s: float
    even: bool  # most rows come one period after the last
    early: bool  # some make up for late ones


class Numbering:
    """Finds the places of all rows in some passes over their counter and clock, in bounded memory."""

    def __init__(self, spool: RowSpool, counter: Column | None, clock: Column | None) -> None:
        self._spool, self._counter_column, self._clock_column = spool, counter, clock
        self._counter: CounterColumn | None = None
        self._step, self._unit = 0.0, ""  # of the clock
        self._found: list[str] = []

    def numbered(self, file: str, said_hz: float | None) -> Numbered:
        """Return the places of all rows; `said_hz` is the rate by the header or a person.

        Raises:
            DataError: the clock is no clock at any rate of EMG.
        """
        if self._counter_column is not None:
            self._learn_counter(self._counter_column)
        if self._clock_column is not None:
            self._learn_clock(file, self._clock_column, said_hz)
        pace = self._pace() if self._unit else None
        corrections = self._corrections(pace) if pace else []
        return self._placed(pace, corrections)

    def _learn_counter(self, column: Column) -> None:
        step = counting_step(self._spool.read(0, HEAD)[:, column.at])
        if step is None:
            self._found.append(f"{column.name} does not count, and is left out")
            return
        self._counter = CounterColumn(step)
        for begin in range(0, len(self._spool), PIECE):
            self._counter.look(self._spool.read(begin, PIECE)[:, column.at])
        turns = f", and wraps after {self._counter.highest:g}" if self._counter.falls else ""
        self._found.append(f"{column.name} counts the samples{turns}")

    def _learn_clock(self, file: str, column: Column, said_hz: float | None) -> None:
        times = self._spool.read(0, HEAD)[:, column.at]
        times = times[np.isfinite(times)]
        self._step = usual_step(times)
        unit = unit_of(self._step, float(times.max(initial=0.0)), column.unit)
        if unit is None and said_hz:
            self._found.append(f"{column.name} is no clock at a rate of EMG, and is left out")
            return
        if unit is None:
            raise DataError(
                f"{file}: {column.name} is no clock of EMG (in no unit do its steps of {self._step:g} give 40 Hz to "
                "12 kHz); --time says which column is one, or --time none and --rate HZ"
            )
        self._unit = unit

    def _pieces(self) -> Iterator[_Piece]:
        self._clock = clock = Unwrapped(self._step, self._unit or "s")
        number, time = np.nan, np.nan
        for begin in range(0, len(self._spool), PIECE):
            rows = self._spool.read(begin, PIECE)
            steps, times, begun = np.ones(len(rows), np.int64), np.zeros(0), np.zeros(0, np.int64)
            if self._counter is not None and self._counter_column is not None:
                steps, number = _counted(self._counter, rows[:, self._counter_column.at], number)
            if self._unit and self._clock_column is not None:
                filled = _filled(rows[:, self._clock_column.at], time, self._step)
                time = float(filled[-1])
                times, begun = clock.straight(filled)
                steps[begun] = 1
            if begin == 0:
                steps[0] = 1
            yield _Piece(steps, times, begun)

    def _pace(self) -> _Pace:
        """Return how the clock runs, from some rows of the whole file.

        Raises:
            DataError: it stands still.
        """
        times, places, at = [], [], 0
        first: _Piece | None = None
        for piece in self._pieces():
            first = first or piece
            where = at + np.cumsum(piece.steps)
            at = int(where[-1])
            times.append(piece.times[:: EVERY if len(self._spool) > 64 * EVERY else 1].copy())
            places.append(where[:: EVERY if len(self._spool) > 64 * EVERY else 1].astype(np.float64))
        assert first is not None
        period = period_of(np.concatenate(times), np.concatenate(places))
        even = even_period(first.times) if self._counter is None else even_period(_per_sample(first))
        if even is not None and self._counter is None and abs(period - even) > 0.002 * even:
            period = even  # samples are missing all along
        if period <= 0:
            raise DataError("the clock stands still; --time none and --rate HZ say how fast the samples came")
        early = np.diff(first.times) < EARLY * period
        return _Pace(period, even is not None, bool(early.any()))

    def _corrections(self, pace: _Pace) -> list[tuple[int, int]]:
        """Return by the clock: rows, and how many samples to add to what the counter says before each."""
        if self._counter is None and pace.even and not pace.early:
            return []  # each step by itself says what is missing
        holes = Holes(pace.period_s, self._slack(pace))
        at, row = -1, 0
        for piece in self._pieces():
            places = at + np.cumsum(piece.steps)
            at, row = int(places[-1]), row + len(places)
            holes.add(piece.times, piece.steps, places, row == len(self._spool))
        return holes.found

    def _slack(self, pace: _Pace) -> float:
        """Return by how many seconds rows may be late without a loss."""
        if pace.even:
            return (0.6 if self._counter is None else 1.5) * pace.period_s
        if self._counter is not None:
            return max(COUNTED_S, 4 * pace.period_s)
        return max(BURSTS_S, 4 * pace.period_s)

    def _placed(self, pace: _Pace | None, corrections: list[tuple[int, int]]) -> Numbered:
        index, restarts = RowSpool(1, np.int64), []
        told = _Gaps(self._counter is not None)
        by_row = np.array(corrections, np.int64).reshape(-1, 2)
        direct = pace is not None and self._counter is None and pace.even and not pace.early
        at, row, time = -1, 0, None
        for piece in self._pieces():
            steps = piece.steps
            if direct and pace is not None:
                steps = _by_clock(piece, time, pace.period_s)
            here = by_row[(by_row[:, 0] >= row) & (by_row[:, 0] < row + len(steps))]
            by_counter = steps.copy()
            steps[here[:, 0] - row] = np.maximum(steps[here[:, 0] - row] + here[:, 1], 1)
            told.add(row, steps, by_counter)
            places = at + np.cumsum(steps)
            index.append(places[:, None])
            restarts += (row + piece.begun).tolist()
            at, row = int(places[-1]), row + len(steps)
            time = float(piece.times[-1]) if len(piece.times) else None
        rate = None if pace is None else 1 / pace.period_s
        found = [*self._found, *self._told_clock(), *told.said(rate)]
        if restarts:
            found.append(
                f"the clock begins anew {counted(len(restarts), 'time')}: each is another piece of the recording"
            )
        return Numbered(index, tuple(restarts), rate, told.gaps, told.lost, tuple(found))

    def _told_clock(self) -> Iterator[str]:
        if self._unit and self._clock_column is not None:
            over = (
                f", and goes on over {counted(self._clock.wraps, 'wrap')} (such as midnight)"
                if self._clock.wraps
                else ""
            )
            yield f"{self._clock_column.name} is a clock in {self._unit} (steps of {self._step:.6g}){over}"


class _Gaps:
    """Counts what is missing, for the words that a person reads."""

    def __init__(self, counter: bool) -> None:
        self.gaps = self.lost = self._against = 0
        self._longest, self._longest_row = 0, 0
        self._counter = counter

    def add(self, row: int, steps: Whole, by_counter: Whole) -> None:
        lost = steps - 1
        self.gaps, self.lost = self.gaps + int((lost > 0).sum()), self.lost + int(lost.sum())
        self._against += int((steps != by_counter).sum())
        if len(lost) and lost.max() > self._longest:
            self._longest, self._longest_row = int(lost.max()), row + int(lost.argmax()) + 1

    def said(self, rate: float | None) -> Iterator[str]:
        if not self.gaps:
            return
        long = counted(self._longest, "sample") + (f" ({self._longest / rate:.3g} s)" if rate else "")
        gaps = "1 gap of" if self.gaps == 1 else f"{self.gaps} gaps, the longest of"
        are = verb(self.lost, "is", "are")
        yield (
            f"{counted(self.lost, 'sample')} {are} missing in {gaps} {long}, before row {self._longest_row}"
        )
        if self._counter and self._against:
            yield (
                f"counter and clock disagree in {counted(self._against, 'place')}, by more than packets are "
                "late: the clock is believed"
            )


def _counted(counter: CounterColumn, numbers: Floats, last: float) -> tuple[Whole, float]:
    """Return the steps of a piece's rows, those without a number one each, and the last number."""
    steps = np.ones(len(numbers), np.int64)
    known = np.flatnonzero(np.isfinite(numbers))
    if not len(known):
        return steps, last
    first = int(not np.isfinite(last))
    values = numbers[known]
    before = np.concatenate(([last], values[:-1]))[first:]
    rows = np.diff(np.concatenate(([-1], known)))[first:]
    steps[known[first:]] = np.maximum(counter.steps(before, values[first:]) - (rows - 1), 1)
    return steps, float(values[-1])


def _filled(times: Floats, last: float, step: float) -> Floats:
    """Return times in which those that are missing go on from the one before."""
    if np.isfinite(times).all():
        return times
    known = np.isfinite(times)
    if not known.any():
        first = 0.0 if np.isnan(last) else last
        return np.asarray(first + step * np.arange(1, len(times) + 1), np.float64)
    where = np.where(known, np.arange(len(times)), -1)
    behind = np.maximum.accumulate(where)
    start = last if np.isfinite(last) else times[known][0] - step * (np.flatnonzero(known)[0] + 1)
    base: Floats = np.where(behind >= 0, times[behind], start)
    return np.asarray(base + step * (np.arange(len(times)) - behind), np.float64)


def _per_sample(piece: _Piece) -> Floats:
    """Return times without what the counter knows to be missing: the time per sample, summed."""
    moved: Floats = np.diff(piece.times) / piece.steps[1:]
    return np.concatenate((np.zeros(1), np.cumsum(moved, dtype=np.float64)))


def _by_clock(piece: _Piece, last: float | None, period: float) -> Whole:
    before = piece.times[:1] - period if last is None else np.array([last])
    moved = np.diff(np.concatenate((before, piece.times)))
    return np.maximum(np.rint(moved / period).astype(np.int64), 1)
