"""OpenBCI's GUI text, versions 1 to 6: lines with %, then a table whose columns the older versions do not name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from app.counted import counted, verb
from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.emg.files.table.assemble import Table, assemble
from app.emg.files.table.fields import Kind
from app.emg.files.table.header import rate_said
from app.emg.files.table.layout import AuxColumns, Layout, chosen_emg, column_of, says_none
from app.emg.files.table.rows import Rows
from app.emg.files.text.csv_text import open_table
from app.emg.files.text.labelled_names import with_name
from app.errors import DataError

NAME = "OpenBCI GUI text"

_FIRST = re.compile(rb"(?:\xef\xbb\xbf)?\s*\"?%\s*OpenBCI", re.IGNORECASE)
_CHANNELS = re.compile(r"number of channels\s*=\s*(\d+)", re.IGNORECASE)
_BOARD = re.compile(r"board\s*=\s*(\S+)", re.IGNORECASE)
_EPOCH_S = 1e8
AXES = 3  # of the accelerometer
_GROUPS = (
    ("accelerometer", "accel", "g"),
    ("analog", "analog", "unknown"),
    ("digital", "digital", "unknown"),
    ("marker", "marker", "unknown"),
)


def matches(head: FileHead) -> bool:
    """Return whether it begins as the GUI's files do."""
    return bool(_FIRST.match(head.head))


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Look through the file once and return what it holds.

    Raises:
        DataError: the columns are not those that the header says.
    """
    table = open_table(path)
    names = [name.lower() for name in table.dialect.names]
    layout = (
        _named(table, names, hints)
        if any(name.startswith("exg") for name in names)
        else _unnamed(table, hints)
    )
    return assemble(table, with_name(layout, path, hints), hints)


def _named(table: Table, names: Sequence[str], hints: ImportHints) -> Layout:
    """Return the layout of versions 5 and 6, which name their columns."""
    emg = tuple(k for k, name in enumerate(names) if name.startswith("exg"))
    stamps = [k for k, name in enumerate(names) if name == "timestamp"]
    formatted = [k for k, name in enumerate(names) if name.startswith("timestamp") and k not in stamps]
    aux = []
    for kind, word, units in _GROUPS:
        columns = tuple(k for k, name in enumerate(names) if word in name)
        if columns:
            aux.append(_aux(table, kind, columns, units))
    counter = names.index("sample index") if "sample index" in names else None
    return _layout(table, hints, emg, counter, next(iter([*stamps, *formatted]), None), tuple(aux), "5 or 6")


def _unnamed(table: Table, hints: ImportHints) -> Layout:
    """Return the layout of versions 1 to 4: sample index, channels, accelerometer, times."""
    header = " ".join(table.dialect.header).lower()
    first = 1 if "second column = sampleindex" in header else 0  # OpenBCI's Python has the time before it
    clocks = _last_clocks(table)
    end = min(clocks, default=table.dialect.width)
    between = range(first + 1, end)
    said = _CHANNELS.search(header)
    count = (
        int(said[1]) if said else len(between) - (AXES if "accel" in header and len(between) > AXES else 0)
    )
    if not 1 <= count <= len(between):
        raise DataError(
            f"{table.file}: its header says {counted(count, 'channel')}, and between sample index and time "
            f"{verb(len(between), 'stands', 'stand')} {counted(len(between), 'column')}"
        )
    emg, rest = tuple(between[:count]), tuple(between[count:])
    aux = [_aux(table, "accelerometer", rest[:AXES], "g")] if len(rest) >= AXES else []
    others = rest[AXES:] if aux else rest
    if others:
        aux.append(_aux(table, "other", others, "unknown"))
    clock = 0 if first else _finest(table, clocks)
    return _layout(table, hints, emg, first, clock, tuple(aux), "1 to 4")


def _layout(
    table: Table,
    hints: ImportHints,
    emg: tuple[int, ...],
    counter: int | None,
    clock: int | None,
    aux: tuple[AuxColumns, ...],
    version: str,
) -> Layout:
    names, width = table.dialect.names, table.dialect.width
    board = next((m[1] for line in table.dialect.header if (m := _BOARD.search(line))), None)
    wanted = column_of(table.file, "--time", hints.time, names, width)
    chosen = chosen_emg(table.file, hints, names, width, emg)
    label = column_of(table.file, "--label", hints.label, names, width)
    beside = tuple(one for one in aux if not {*one.columns} & {*chosen, label})
    return Layout(
        format=NAME,
        emg=chosen,
        channel_names=tuple(f"ch{k + 1}" for k in range(len(chosen))),
        units="uV",
        counter=counter,
        clock=None if says_none(hints.time) else clock if wanted is None else wanted,
        label=label,
        aux=beside,
        rate_hz=rate_said(table.dialect.header),
        found=(f"{table.dialect.said}, as versions {version} write them" + (f"; {board}" if board else ""),),
    )


def _aux(table: Table, name: str, columns: tuple[int, ...], units: str) -> AuxColumns:
    called = [
        table.dialect.names[k] if table.dialect.names else f"{name} {n + 1}" for n, k in enumerate(columns)
    ]
    return AuxColumns(name=name, columns=columns, channel_names=tuple(called), units=units)


def _last_clocks(table: Table) -> list[int]:
    """Return the columns at the end that tell the time: a clock, and since version 3.2 the ms since 1970."""
    block = next(iter(Rows(table.text, table.dialect).blocks()), None)
    found: list[int] = []
    for k in range(table.dialect.width - 1, 1, -1):
        large = block is not None and bool((block.numbers[:, k] > _EPOCH_S).all())
        if table.dialect.kinds[k] not in (Kind.CLOCK, Kind.DATE) and not large:
            break
        found.append(k)
    return found


def _finest(table: Table, clocks: Sequence[int]) -> int | None:
    """Return the clock that is a number, which knows of days, before a time of day."""
    numbers = [k for k in clocks if table.dialect.kinds[k] is Kind.NUMBER]
    return next(iter([*numbers, *clocks]), None)
