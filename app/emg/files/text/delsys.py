"""Delsys EMGworks CSV, and other tables in which signals have time columns of their own, at rates of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from app.counted import counted
from app.emg.description import UNKNOWN_UNITS
from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.emg.files.table.assemble import Table, assemble
from app.emg.files.table.choose import Chooser
from app.emg.files.table.clock import UNITS, unit_of, usual_step
from app.emg.files.table.header import units_said
from app.emg.files.table.layout import AuxColumns, Layout, called, chosen_emg, columns_of, says_none
from app.emg.files.table.names import aux_of, is_emg, is_time, units_of
from app.emg.files.table.rates import alike, nominal
from app.emg.files.table.rows import Numbers, Rows
from app.emg.files.text.csv_text import open_table
from app.emg.files.text.emgworks_header import SignalLine, by_name, is_header, signal_lines
from app.emg.files.text.labelled_names import with_name
from app.errors import DataError

NAME = "Delsys EMGworks CSV"
PAIRED = "text table with a clock for each signal"

_PART = re.compile(
    r"^(?P<before>.*?)\b(?P<kind>acc|gyro|mag|emg|imu|orientation)[. ]?(?P<axis>[xyzw])?\b(?P<after>.*)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Signal:
    """A value column and its time column."""

    column: int
    clock: int
    name: str
    units: str
    rate_hz: float
    begins_s: float
    said: SignalLine | None = None  # by the header

    @property
    def emg(self) -> bool:
        return is_emg(self.name)


def matches(head: FileHead) -> bool:
    """Return whether its header is EMGworks', or a time column stands before each signal."""
    text = head.head.decode("utf-8", "replace")
    return is_header(text[:4096]) or _is_paired(text)


def _is_paired(text: str) -> bool:
    for line in text.splitlines()[:30]:
        for mark in ",;\t":
            names = [name.strip().strip('"') for name in line.split(mark)]
            times = [k for k, name in enumerate(names) if is_time(name) or "time series" in name.lower()]
            if (
                len(times) >= 2
                and times[0] == 0
                and len(names) >= 2 * len(times)
                and times[1] - times[0] >= 2
            ):
                return times[1] - times[0] == 2 or all(b - a >= 2 for a, b in pairwise(times))
    return False


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Look through the file once and return what it holds.

    Raises:
        DataError: no signal is an EMG, or EMG signals have several rates.
    """
    table = open_table(path)
    signals = tuple(_signals(table, hints))
    layout = _layout(table, signals, hints) if signals else _without_clocks(table, hints)
    return assemble(table, with_name(layout, path, hints), hints)


def _signals(table: Table, hints: ImportHints) -> Iterator[_Signal]:
    names = table.dialect.names
    block = next(iter(Rows(table.text, table.dialect).blocks()), None)
    if block is None or not names:
        raise DataError(
            f"{table.file}: no column names stand above its table; each signal's is expected beside its time"
        )
    places = [(k, clock) for k, clock in _clocks(names) if np.isfinite(block.numbers[:, k]).any()]
    said = by_name(signal_lines(table.dialect.header), [names[k] for k, _ in places])
    for (k, clock), line in zip(places, said, strict=True):
        yield _signal(table, k, clock, block.numbers, line, hints)


def _clocks(names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield each signal's column, and that of its clock: the last one before it."""
    clock = None
    for k, name in enumerate(names):
        if is_time(name) or "time series" in name.lower():
            clock = k
        elif clock is not None:
            yield k, clock


def _signal(
    table: Table, column: int, clock: int, head: Numbers, said: SignalLine | None, hints: ImportHints
) -> _Signal:
    name = table.dialect.names[column]
    times = head[np.isfinite(head[:, clock]), clock]
    step = usual_step(times)
    unit = unit_of(step, float(times.max(initial=0.0)), units_of(table.dialect.names[clock])) or "s"
    stated = said.rate_hz if said else None
    if step > 0:
        rate = nominal(1 / (step * UNITS[unit]), stated)
    elif stated or hints.rate_hz:
        rate = stated or hints.rate_hz or 0.0
    else:
        raise DataError(f"{table.file}: the clock of {name} stands still; --rate says the rate in Hz")
    units = (said.units if said else None) or units_of(name) or UNKNOWN_UNITS
    begins = float(times[0]) * UNITS[unit] if len(times) else 0.0
    return _Signal(column, clock, name, units, rate, begins, said)


def _without_clocks(table: Table, hints: ImportHints) -> Layout:
    """Return what the columns are for where none tells the time: the rate is that of the header's EMG."""
    layout = Chooser(table, hints).layout(NAME)
    rates = {line.rate_hz for line in signal_lines(table.dialect.header) if is_emg(line.label)}
    return replace(layout, rate_hz=rates.pop()) if len(rates) == 1 else layout


def _layout(table: Table, signals: tuple[_Signal, ...], hints: ImportHints) -> Layout:
    emgworks = any(signal.said is not None for signal in signals)
    named = [signal for signal in signals if signal.emg]
    fastest = max((signal.rate_hz for signal in signals), default=0.0)
    proposed = tuple(
        s.column
        for s in named or [s for s in signals if alike(s.rate_hz, fastest) and aux_of(s.name) is None]
    )
    columns = chosen_emg(table.file, hints, table.dialect.names, table.dialect.width, proposed)
    by_column = {signal.column: signal for signal in signals}
    emg = [by_column[k] for k in columns if k in by_column]
    if len(emg) != len(columns) or not emg:
        raise DataError(
            f"{table.file}: no signal of it is an EMG ({', '.join(s.name for s in signals)[:200]}); "
            "--emg says which columns are"
        )
    rates = sorted({signal.rate_hz for signal in emg})
    if not alike(rates[0], rates[-1]):
        raise DataError(
            f"{table.file}: its EMG signals have rates of "
            f"{' and '.join(f'{rate:g}' for rate in rates)} Hz; --emg names those of one rate"
        )
    units = {signal.units for signal in emg} - {UNKNOWN_UNITS}
    said = units_said(table.dialect.header) or UNKNOWN_UNITS
    clock = emg[0].clock
    if hints.time is not None and not says_none(hints.time):
        clock = columns_of(table.file, "--time", hints.time, table.dialect.names, table.dialect.width)[0]
    return Layout(
        format=NAME if emgworks else PAIRED,
        emg=columns,
        channel_names=tuple(signal.name for signal in emg),
        units=units.pop() if len(units) == 1 else UNKNOWN_UNITS if units else said,
        clock=None if says_none(hints.time) else clock,
        aux=tuple(_beside([s for s in signals if s.column not in columns], emg[0])),
        rate_hz=emg[0].rate_hz,
        rate_said_by="the header" if emgworks else "its time column",
        found=(table.dialect.said, *_told(signals, emg)),
        assumed=()
        if named or hints.emg
        else (
            f"{called(table.dialect, columns[0])} and those at its rate are taken as EMG; --emg says which are",
        ),
    )


def _beside(signals: list[_Signal], emg: _Signal) -> Iterator[AuxColumns]:
    """Yield the signals beside EMG, those of one sensor and kind together."""
    groups: dict[tuple[str, float, str, float], list[_Signal]] = {}
    for signal in signals:
        part = _PART.match(signal.name)
        sensor = (part["before"].strip(" :.-_") or part["after"].strip(" :.-_")) if part else ""
        kind = aux_of(signal.name) or (part["kind"].lower() if part else signal.name)
        title = f"{kind} {sensor}".strip()
        groups.setdefault((title, signal.rate_hz, signal.units, signal.begins_s), []).append(signal)
    for (title, rate, units, begins), members in groups.items():
        yield AuxColumns(
            name=title,
            columns=tuple(signal.column for signal in members),
            channel_names=tuple(signal.name for signal in members),
            units=units,
            rate_hz=rate,
            begins_s=begins - emg.begins_s,
        )


def _told(signals: tuple[_Signal, ...], emg: list[_Signal]) -> Iterator[str]:
    others = sorted({signal.rate_hz for signal in signals} - {signal.rate_hz for signal in emg})
    yield f"{counted(len(emg), 'EMG signal')} at {emg[0].rate_hz:g} Hz" + (
        f"; {counted(len(signals) - len(emg), 'other')} at {', '.join(f'{rate:g}' for rate in others)} Hz, "
        "aligned by their own times"
        if others
        else ""
    )
    said = emg[0].said
    if said is not None and said.points is not None:
        yield f"the header speaks of {counted(said.points, 'point')}; the file's own rows are counted"
