"""The first look through a table: its rows go to the disk, and what must be known of whole columns is noted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.counted import counted, verb
from app.emg.files.table.dialect import Dialect
from app.emg.files.table.labels import MOST_VALUES
from app.emg.files.table.layout import Layout, picked
from app.emg.files.table.lines import TextFile
from app.emg.files.table.rows import Block, Oddities, Rows
from app.emg.files.table.spool import RowSpool
from app.errors import DataError

LARGEST = float(np.finfo(np.float32).max)
ONE_AND_THE_SAME = 0.3  # of the rows that differ from the one before
LOOKED_AT = 2000  # of those
MOST_BROKEN = 0.01  # of the lines; beyond, this is no table with some accidents


class ColumnNotes:
    """What all rows of a column tell."""

    def __init__(self) -> None:
        self.lowest, self.highest = np.inf, -np.inf  # until they differ
        self.known = 0  # rows with a number
        self.values: set[float] | None = set()  # None: too many
        self.changes = 0
        self._last = np.nan

    @property
    def constant(self) -> bool:
        return self.lowest >= self.highest

    @property
    def whole(self) -> bool:
        return self.values is not None and all(value == round(value) for value in self.values)

    def see(self, column: npt.NDArray[np.float64]) -> None:
        """Count the numbers of the next rows, and take in their extremes."""
        finite = column[np.isfinite(column)]
        self.known += len(finite)
        if len(finite):
            self.lowest, self.highest = min(self.lowest, finite.min()), max(self.highest, finite.max())

    def look(self, column: npt.NDArray[np.float64]) -> None:
        """Note the different values of the next rows, and how often they change."""
        finite = column[np.isfinite(column)]
        if self.values is None or not len(finite):
            return
        moved = np.flatnonzero(np.diff(finite, prepend=self._last) != 0)
        self.changes += len(moved)
        self._last = float(finite[-1])
        self.values.update(
            finite[moved].tolist() if len(moved) <= MOST_VALUES else np.unique(finite).tolist()
        )
        if len(self.values) > MOST_VALUES:
            self.values = None


def _see(numbers: npt.NDArray[np.float64], notes: dict[int, ColumnNotes]) -> None:
    """Take the next rows into the notes of their columns; of a signal that moves, all is known but its gaps."""
    complete = bool(np.isfinite(numbers).all())
    for column, note in notes.items():
        if complete and not note.constant:
            note.known += len(numbers)
        else:
            note.see(numbers[:, column])


@dataclass(eq=False, slots=True)
class Survey:
    """A table that was looked through."""

    samples: RowSpool  # float32 (n, kept)
    numbering: RowSpool  # float64 (n, counter and clock)
    kept: tuple[int, ...]  # columns of `samples`
    notes: dict[int, ColumnNotes]
    words: dict[int, list[str]]  # of columns of words: the word of each code in `samples`
    changed: int  # rows that differ from the one before in their EMG
    varied: bool  # those rows are not mostly one and the same, as those of a quiet signal of few bits
    oddities: Oddities

    @property
    def rows(self) -> int:
        return len(self.samples)

    def places(self, columns: tuple[int, ...]) -> list[int]:
        """Return where these columns lie in `samples`."""
        return [self.kept.index(column) for column in columns]


def look_through(text: TextFile, dialect: Dialect, layout: Layout) -> Survey:
    """Read the whole table once.

    Raises:
        DataError: it has no rows, or too many lines are none.
    """
    aux = {column for one in layout.aux for column in one.columns}
    labels = {column for column in (layout.label, layout.repetition) if column is not None}
    kept = tuple(sorted({*layout.emg, *aux, *labels}))
    numbering = [column for column in (layout.counter, layout.clock) if column is not None]
    distinct = {*labels, *layout.perhaps_labels}
    signal = [column for column in layout.emg if column not in layout.perhaps_labels] or list(layout.emg)
    rows = Rows(text, dialect)
    survey = Survey(
        RowSpool(len(kept), np.float32),
        RowSpool(len(numbering), np.float64),
        kept,
        {},
        {},
        0,
        True,
        rows.oddities,
    )
    survey.notes = {column: ColumnNotes() for column in kept}
    codes: dict[int, dict[str, int]] = {}
    changes = _Changes()
    for block in rows.blocks():
        numbers = _coded(block, labels, codes)
        samples = _single(numbers, picked(kept))
        _see(numbers, survey.notes)
        for column in distinct:
            survey.notes[column].look(numbers[:, column])
        survey.samples.append(samples)
        if numbering:
            survey.numbering.append(numbers[:, picked(numbering)])
        survey.changed += changes.count(numbers[:, picked(signal)])
    survey.oddities, survey.varied = rows.oddities, changes.varied
    survey.words = {column: list(known) for column, known in codes.items()}
    _expect_a_table(text, dialect, survey)
    return survey


def _coded(block: Block, labels: set[int], codes: dict[int, dict[str, int]]) -> npt.NDArray[np.float64]:
    """Return the numbers of a block, with a number for each word of a label column."""
    for column in labels & block.words.keys():
        known = codes.setdefault(column, {})
        block.numbers[:, column] = [known.setdefault(word, len(known)) for word in block.words[column]]
    return block.numbers


def _single(numbers: npt.NDArray[np.float64], columns: slice | list[int]) -> npt.NDArray[np.float32]:
    """Return the columns in float32. A number beyond that is none, and NaN in `numbers` as well."""
    try:
        with np.errstate(over="raise"):
            return numbers[:, columns].astype(np.float32)
    except FloatingPointError:
        numbers[np.abs(numbers) > LARGEST] = np.nan
        return numbers[:, columns].astype(np.float32)


class _Changes:
    """Counts the rows that differ from the one before them."""

    def __init__(self) -> None:
        self._last: npt.NDArray[np.float64] | None = None
        self._seen: Counter[bytes] = Counter()  # some of those rows

    @property
    def varied(self) -> bool:
        most = self._seen.most_common(1)
        return not most or most[0][1] <= ONE_AND_THE_SAME * self._seen.total()

    def count(self, signal: npt.NDArray[np.float64]) -> int:
        first = 1 if self._last is None else int((signal[0] != self._last).any())
        same = np.flatnonzero(signal[1:, 0] == signal[:-1, 0])  # few of a signal: the others need no look
        repeated = same[(signal[same + 1] == signal[same]).all(axis=1)] + 1
        self._last = signal[-1].copy()
        if self._seen.total() < LOOKED_AT and len(repeated):
            changed = np.delete(signal, repeated, axis=0)[:LOOKED_AT]
            self._seen.update(row.tobytes() for row in changed)
        return first + len(signal) - 1 - len(repeated)


def _expect_a_table(text: TextFile, dialect: Dialect, survey: Survey) -> None:
    odd = survey.oddities
    if survey.rows < 2:
        raise DataError(
            f"{text.path.name}: has a header and no samples; a table of numbers is expected, one sample a line"
        )
    if odd.broken > max(MOST_BROKEN * survey.rows, 3):
        raise DataError(
            f"{text.path.name}: {odd.broken} of {survey.rows} lines are no rows of the table ({odd.first_broken}); "
            f"{dialect.said} are expected in each"
        )


def told_oddities(odd: Oddities) -> Iterator[str]:
    """Say what lines were no rows, and what was made of them."""
    if odd.broken:
        are = verb(odd.broken, "is no row", "are no rows")
        yield f"{counted(odd.broken, 'line')} {are} of the table ({odd.first_broken}): a lost sample each"
    if odd.comments:
        hold, are = verb(odd.comments, "holds", "hold"), verb(odd.comments, "is", "are")
        yield f"{counted(odd.comments, 'line')} within the table {hold} no numbers, and {are} left out"
    if odd.cut:
        yield "the last line is cut short, and left out"
