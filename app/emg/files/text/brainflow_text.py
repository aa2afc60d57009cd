"""Files that BrainFlow writes: no header, a row of the board's data for a column; the board says what each is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.counted import counted
from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.emg.files.table.assemble import Table, assemble
from app.emg.files.table.dialect import Dialect, find_dialect
from app.emg.files.table.layout import AuxColumns, Layout, chosen_emg, column_of, says_none
from app.emg.files.table.lines import encoding_of
from app.emg.files.text.csv_text import open_table
from app.emg.files.text.csv_text import read as read_any
from app.emg.files.text.labelled_names import with_name
from app.errors import ConfigError, DataError

NAME = "BrainFlow text"

EPOCH_S = (1.0e9, 4.0e9)  # of the column that tells the time
FEWEST_COLUMNS = 5  # a board's rows have a package number, a channel, a time and a marker at least
LOOKED_AT = 50  # lines
_AUX = {
    "accel_channels": ("accelerometer", "g"),
    "gyro_channels": ("gyroscope", "deg/s"),
    "magnetometer_channels": ("magnetometer", "unknown"),
    "analog_channels": ("analog", "unknown"),
    "temperature_channels": ("temperature", "unknown"),
    "ppg_channels": ("ppg", "unknown"),
    "eda_channels": ("eda", "unknown"),
    "resistance_channels": ("resistance", "unknown"),
    "battery_channel": ("battery", "unknown"),
    "marker_channel": ("marker", "unknown"),
}


def matches(head: FileHead) -> bool:
    """Return whether it has no names, whole numbers first, and the seconds since 1970 near its end."""
    encoding = encoding_of(head.head)
    if encoding is None or head.path.is_dir():
        return False
    lines = head.head.decode(encoding, "replace").splitlines()[:LOOKED_AT]
    if len(lines) < 3:
        return False
    try:
        dialect = find_dialect(head.path.name, lines[:-1], False)
    except DataError:
        return False
    return not dialect.names and not dialect.header and _is_board(dialect, lines[:-1])


def _is_board(dialect: Dialect, lines: list[str]) -> bool:
    if dialect.delimiter not in ("\t", ",", ", ") or dialect.width < FEWEST_COLUMNS:
        return False
    try:
        rows = np.loadtxt(lines, comments=None, delimiter=dialect.delimiter.strip(" "), ndmin=2)
    except ValueError:
        return False
    stamps = ((rows > EPOCH_S[0]) & (rows < EPOCH_S[1]) & (rows != np.rint(rows))).all(axis=0)
    place = np.flatnonzero(stamps)
    return (
        len(place) == 1 and place[0] >= dialect.width - 4 and bool((rows[:, 0] == np.rint(rows[:, 0])).all())
    )


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Look through the file once and return what it holds.

    Raises:
        DataError: nobody says of which board it is, or its columns are not those of the board.
    """
    table = open_table(path)
    if hints.board is None and hints.emg is not None:
        return read_any(path, hints)
    if hints.board is None:
        raise DataError(
            f"{path.name}: looks like a file that BrainFlow wrote ({counted(table.dialect.width, 'column')} "
            "without names, the time in seconds "
            "since 1970 among the last); --board says of which board, such as --board cyton, or "
            "--emg which columns are EMG"
        )
    said = describe(path.name, hints.board)
    if said["num_rows"] != table.dialect.width:
        raise DataError(
            f"{path.name}: has {counted(table.dialect.width, 'column')}, and --board {hints.board} "
            f"({said['name']}) writes {said['num_rows']}; "
            "--board says of which board it is"
        )
    return assemble(table, with_name(_layout(table, said, hints), path, hints), hints)


def describe(file: str, board: str) -> Mapping[str, Any]:
    """Return BrainFlow's own description of a board.

    Raises:
        DataError: BrainFlow is not installed, or knows no such board with EMG.
    """
    from app.emg.brainflow import boards
    from app.emg.brainflow.board_names import board_id
    from app.emg.brainflow.sdk import load_brainflow

    try:
        sdk = load_brainflow()
        number = board_id(board, sdk.boards, f"--board {board}", sdk.title)
        boards.describe(sdk, number, {}, f"--board {board}")  # refuses what has no EMG
        said = sdk.describe(number) or {}
    except ConfigError as error:
        raise DataError(f"{file}: {error}; without --board, --emg says which columns are EMG") from None
    return said


def _layout(table: Table, said: Mapping[str, Any], hints: ImportHints) -> Layout:
    width = table.dialect.width
    emg = chosen_emg(table.file, hints, (), width, tuple(said["emg_channels"]))
    wanted = column_of(table.file, "--time", hints.time, (), width)
    label = column_of(table.file, "--label", hints.label, (), width)
    taken = {*emg, label}
    aux = []
    for key, (name, units) in _AUX.items():
        rows = said.get(key, ())
        columns = tuple(k for k in ([rows] if isinstance(rows, int) else rows) if k not in taken)
        taken |= {*columns}
        if columns:
            names = tuple(f"{name} {n + 1}" if len(columns) > 1 else name for n in range(len(columns)))
            aux.append(AuxColumns(name=name, columns=columns, channel_names=names, units=units))
    stamp = said.get("timestamp_channel")
    return Layout(
        format=NAME,
        emg=emg,
        channel_names=tuple(f"ch{k + 1}" for k in range(len(emg))),
        units="uV",
        counter=said.get("package_num_channel"),
        clock=None if says_none(hints.time) else stamp if wanted is None else wanted,
        label=label,
        aux=tuple(aux),
        rate_hz=float(said["sampling_rate"]),
        rate_said_by=f"BrainFlow's description of {said['name']}",
        found=(f"{table.dialect.said}: those of BrainFlow's {said['name']}",),
    )
