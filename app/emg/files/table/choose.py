"""What the columns of a table without a known format are for, by their names and by what they do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from app.emg.description import UNKNOWN_UNITS
from app.emg.files.imported import ImportHints
from app.emg.files.table.assemble import Table, names_of
from app.emg.files.table.clock import unit_of, usual_step
from app.emg.files.table.counter import counting_step
from app.emg.files.table.fields import Kind
from app.emg.files.table.header import rate_said, units_said
from app.emg.files.table.labels import MOST
from app.emg.files.table.layout import AuxColumns, Layout, called, column_of, columns_of, says_none
from app.emg.files.table.names import (
    aux_of,
    is_counter,
    is_emg,
    is_label,
    is_person,
    is_repetition,
    is_time,
    units_of,
)
from app.emg.files.table.rows import Rows

HEAD_ROWS = 50_000
MOVING = 0.01  # of its steps do something: packets of a hundred samples share a time
RISING_NAMED = 0.75  # where its name says that it is one: stamps of a busy computer jitter
RISING = 0.98  # of a clock's steps do not fall


@dataclass(eq=False, slots=True)
class _Choice:
    """Columns that were given a meaning, one after the other."""

    counter: int | None = None
    clock: int | None = None
    label: int | None = None
    repetition: int | None = None
    taken: set[int] = field(default_factory=set)
    found: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)


class Chooser:
    """Gives each column a meaning: a person's word first, then its name, then its behaviour in the first rows."""

    def __init__(self, table: Table, hints: ImportHints) -> None:
        self._table, self._dialect, self._hints = table, table.dialect, hints
        self._names = [*table.dialect.names, *[""] * (table.dialect.width - len(table.dialect.names))]
        block = next(iter(Rows(table.text, table.dialect).blocks()), None)
        self._head = np.zeros((0, table.dialect.width)) if block is None else block.numbers[:HEAD_ROWS]
        self._words = {} if block is None else {k: set(words[:HEAD_ROWS]) for k, words in block.words.items()}
        self._emg = (
            None
            if hints.emg is None
            else columns_of(table.file, "--emg", hints.emg, self._names, table.dialect.width)
        )

    def layout(self, format_name: str) -> Layout:
        """Return what the columns are for.

        Raises:
            DataError: a person names a column that there is not.
        """
        choice = _Choice(taken=set(self._emg or ()))
        self._choose_label(choice)
        self._choose_clock(choice)
        self._choose_counter(choice)
        self._leave_out(choice)
        rest = [k for k in range(self._dialect.width) if k not in choice.taken]
        emg, aux = self._signals(rest, choice)
        said = rate_said(self._above(), self._dialect.header[-1] if self._dialect.names else "")
        return Layout(
            format=format_name,
            emg=emg,
            channel_names=names_of(self._dialect, emg),
            units=self._units(emg),
            counter=choice.counter,
            clock=choice.clock,
            label=choice.label,
            repetition=choice.repetition,
            aux=aux,
            perhaps_labels=tuple(k for k in emg if self._emg is None and self._perhaps_label(k)),
            rate_hz=said,
            found=(self._dialect.said, *choice.found),
            assumed=tuple(choice.assumed),
        )

    def _choose_label(self, choice: _Choice) -> None:
        file, width = self._table.file, self._dialect.width
        choice.label = column_of(file, "--label", self._hints.label, self._names, width)
        if self._hints.label is None:
            named = [k for k, name in enumerate(self._names) if k not in choice.taken and is_label(name)]
            worded = [
                k for k, words in self._words.items() if k not in choice.taken and 1 <= len(words) <= MOST
            ]
            label = next(iter([*named, *(k for k in worded if not is_person(self._names[k]))]), None)
            if label is not None:
                choice.label = label
                choice.assumed.append(
                    f"{self._called(label)} is taken as the label; --label says another column, or none"
                )
        for k, name in enumerate(self._names):
            if (
                k not in choice.taken
                and k != choice.label
                and is_repetition(name)
                and choice.label is not None
            ):
                choice.repetition = k
        choice.taken |= {k for k in (choice.label, choice.repetition) if k is not None}

    def _choose_clock(self, choice: _Choice) -> None:
        width = self._dialect.width
        choice.clock = column_of(self._table.file, "--time", self._hints.time, self._names, width)
        if choice.clock is None and not says_none(self._hints.time):
            clocks = [k for k in range(width) if k not in choice.taken and self._is_clock(k)]
            if clocks:
                choice.clock = max(clocks, key=self._finest)
                others = [self._called(k) for k in clocks if k != choice.clock]
                if others:
                    choice.found.append(f"{', '.join(others)} tells the time as well, and is left out")
                choice.taken |= set(clocks)
        choice.taken |= {k for k in range(width) if self._dialect.kinds[k] in (Kind.CLOCK, Kind.DATE)}
        if choice.clock is not None:
            choice.taken.add(choice.clock)

    def _is_clock(self, k: int) -> bool:
        column, name = self._known(k), self._names[k]
        if len(column) < 3 or (is_emg(name) and not is_time(name)):
            return False
        steps = np.diff(column)
        if not ((steps >= 0).mean() >= (RISING_NAMED if is_time(name) else RISING) and (steps > 0).any()):
            return False
        if self._dialect.kinds[k] in (Kind.CLOCK, Kind.DATE):
            return True
        unit = unit_of(usual_step(column), float(column.max()), units_of(name))
        if is_time(name):
            return True
        moves = (steps > 0).mean() >= MOVING and len(np.unique(column)) > min(MOST, len(column) // 3)
        if is_counter(name) or (name and not _nameless(name)) or unit is None or not moves:
            return False
        counts = counting_step(column)
        return counts is None or (counts > 1 and bool((steps >= 0).all()))

    def _finest(self, k: int) -> tuple[bool, int, bool]:
        """Order clocks: those that are named so, then those that tell more times apart, then plain numbers."""
        column = self._known(k)
        return is_time(self._names[k]), len(np.unique(column)), self._dialect.kinds[k] is Kind.NUMBER

    def _choose_counter(self, choice: _Choice) -> None:
        counting = [k for k in range(self._dialect.width) if k not in choice.taken and self._counts(k)]
        if not counting:
            return
        choice.counter = max(counting, key=lambda k: (is_counter(self._names[k]), -k))
        others = [self._called(k) for k in counting if k != choice.counter]
        if others:
            choice.found.append(f"{', '.join(others)} counts as well, and is left out")
        choice.taken |= set(counting)

    def _counts(self, k: int) -> bool:
        column, name = self._known(k), self._names[k]
        if not is_counter(name) and (is_emg(name) or aux_of(name) or len(column) < 0.9 * len(self._head)):
            return False
        return counting_step(column) is not None

    def _leave_out(self, choice: _Choice) -> None:
        left = []
        for k, name in enumerate(self._names):
            if k in choice.taken:
                continue
            words = self._dialect.kinds[k] is Kind.TEXT
            stands = (
                name
                and (is_counter(name) or is_time(name) or is_person(name) or is_label(name))
                and self._few(k)
            )
            if words or stands:
                left.append(self._called(k))
                choice.taken.add(k)
        if left:
            choice.found.append(
                f"{', '.join(left)} {'is' if len(left) == 1 else 'are'} no signal, and left out"
            )

    def _few(self, k: int) -> bool:
        column = self._known(k)
        return len(np.unique(column)) <= MOST or counting_step(column) is not None or is_time(self._names[k])

    def _signals(self, rest: list[int], choice: _Choice) -> tuple[tuple[int, ...], tuple[AuxColumns, ...]]:
        """Return the EMG columns, and those beside them by what they deliver."""
        rest = [k for k in rest if self._dialect.kinds[k] is Kind.NUMBER]
        empty = [k for k in rest if not len(self._known(k))]
        if empty:
            choice.found.append(f"{', '.join(map(self._called, empty))} holds no numbers, and is left out")
        rest = [k for k in rest if k not in empty]
        if self._emg is not None:
            return self._emg, tuple(self._grouped((k, aux_of(self._names[k]) or "other") for k in rest))
        named = [k for k in rest if is_emg(self._names[k])]
        emg = named or [k for k in rest if aux_of(self._names[k]) is None]
        beside = [(k, aux_of(self._names[k]) or "other") for k in rest if k not in emg]
        if beside:
            choice.assumed.append(
                f"{', '.join(self._called(k) for k, _ in beside)} "
                f"{'is' if len(beside) == 1 else 'are'} taken as no EMG, by name; --emg says which columns are"
            )
        if emg and not named:
            choice.assumed.append(f"{self._span(emg)} taken as EMG; --emg says which columns are")
        return tuple(emg), tuple(self._grouped(iter(beside)))

    def _grouped(self, columns: Iterator[tuple[int, str]]) -> Iterator[AuxColumns]:
        groups: dict[str, list[int]] = {}
        for k, kind in columns:
            groups.setdefault(kind, []).append(k)
        for kind, members in groups.items():
            units = {units_of(self._names[k]) for k in members}
            said = units.pop() if len(units) == 1 else None
            yield AuxColumns(
                name=kind,
                columns=tuple(members),
                channel_names=names_of(self._dialect, tuple(members)),
                units=said or "unknown",
            )

    def _perhaps_label(self, k: int) -> bool:
        """Whether a column without a telling name holds few whole numbers, each for long, as far as is seen."""
        column = self._known(k)
        if (
            is_emg(self._names[k])
            or (self._names[k] and _nameless(self._names[k]))
            or self._hints.label is not None
        ):
            return False
        if not len(column) or (column != np.rint(column)).any() or len(np.unique(column)) > MOST:
            return False
        return bool(np.count_nonzero(np.diff(column)) * 20 <= len(column))

    def _units(self, emg: Sequence[int]) -> str:
        said = {units_of(self._names[k]) for k in emg}
        if len(said) == 1 and (one := said.pop()):
            return one
        return units_said(self._above()) or UNKNOWN_UNITS

    def _above(self) -> Sequence[str]:
        """Return the lines above the table, without the row of names."""
        header = self._dialect.header
        return header[:-1] if self._dialect.names else header

    def _known(self, k: int) -> npt.NDArray[np.float64]:
        column = self._head[:, k]
        return column[np.isfinite(column)]

    def _span(self, emg: Sequence[int]) -> str:
        if len(emg) == 1:
            return f"{self._called(emg[0])} is"
        return f"{len(emg)} columns ({self._called(emg[0])} to {self._called(emg[-1])}) are"

    def _called(self, k: int) -> str:
        return called(self._dialect, k)


def _nameless(name: str) -> bool:
    """Whether a name only counts columns or channels: 3, column 3, ch3, Unnamed: 0."""
    return bool(
        re.fullmatch(
            r"(ch(annel)?|col(umn)?|sensor|electrode|unnamed:|x|v|e|c)?[ _.-]?\d+",
            name.strip(),
            re.IGNORECASE,
        )
    )
