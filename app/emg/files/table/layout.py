"""What the columns of a table are for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.emg.files.imported import ImportHints
from app.emg.files.table.dialect import Dialect
from app.errors import DataError

MAX_CHANNELS = 256
NONE = "none"  # what a person says where there is no such column


@dataclass(frozen=True, slots=True, kw_only=True)
class AuxColumns:
    """Columns of an auxiliary stream: a value a row, or an axis of their own (`rate_hz`, from `begins_s` on)."""

    name: str
    columns: tuple[int, ...]
    channel_names: tuple[str, ...]
    units: str = "unknown"
    rate_hz: float | None = None  # None: that of the rows
    begins_s: float = 0.0  # after the first EMG sample; of an axis of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedLabel:
    """What one whole file is of, by its name."""

    gesture_names: tuple[str, ...]
    gesture: int  # id into those
    repetition: int
    rest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the columns are for, counted from 0, and what the file says beside them."""

    format: str
    emg: tuple[int, ...]
    channel_names: tuple[str, ...]
    units: str = "unknown"
    scale: float = 1.0
    offsets: tuple[float, ...] = ()  # taken from each channel before it is scaled; empty: nothing
    counter: int | None = None
    clock: int | None = None
    label: int | None = None
    repetition: int | None = None
    aux: tuple[AuxColumns, ...] = ()
    perhaps_labels: tuple[int, ...] = ()  # among the EMG: whether they are, all rows tell
    fixed: FixedLabel | None = None
    rate_hz: float | None = None  # as the file says
    rate_said_by: str = "the header"
    subject: str | None = None
    found: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()


def called(dialect: Dialect, column: int) -> str:
    """Return how a person finds a column: by its number from 1, and its name where it has one."""
    name = dialect.names[column] if column < len(dialect.names) else ""
    return f"column {column + 1} ({name})" if name else f"column {column + 1}"


def columns_of(file: str, option: str, said: str, names: Sequence[str], width: int) -> tuple[int, ...]:
    """Return the columns that a person names: `1-8`, `3,1,2`, `emg1,emg2`.

    Raises:
        DataError: there is no such column; says what there is.
    """
    found: list[int] = []
    exact = [name.strip().lower() for name in names]
    for part in (said,) if said.strip().lower() in exact else said.split(","):
        word = part.strip()
        span = re.fullmatch(r"(\d+)(?:\s*-\s*(\d+))?", word)
        if word.lower() in exact:
            found.append(exact.index(word.lower()))
        elif span and 1 <= int(span[1]) <= int(span[2] or span[1]) <= width:
            found += range(int(span[1]) - 1, int(span[2] or span[1]))
        else:
            there = f"1 to {width}" + (
                f", called {', '.join(filter(None, names))[:300]}" if any(names) else ""
            )
            raise DataError(f"{file}: {option} {said}: there is no column {word!r}; the columns are {there}")
    if len(set(found)) != len(found):
        raise DataError(f"{file}: {option} {said}: a column is named twice")
    return tuple(found)


def column_of(file: str, option: str, said: str | None, names: Sequence[str], width: int) -> int | None:
    """Return the one column that a person names; None where nothing or `none` is said.

    Raises:
        DataError: there is no such column, or more than one is named.
    """
    if said is None or said.strip().lower() == NONE:
        return None
    found = columns_of(file, option, said, names, width)
    if len(found) != 1:
        raise DataError(f"{file}: {option} {said}: one column is expected")
    return found[0]


def says_none(said: str | None) -> bool:
    """Return whether a person says that there is no such column."""
    return said is not None and said.strip().lower() == NONE


def chosen_emg(
    file: str, hints: ImportHints, names: Sequence[str], width: int, proposed: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the EMG columns: what a person says before what was found."""
    return proposed if hints.emg is None else columns_of(file, "--emg", hints.emg, names, width)


def picked(columns: Sequence[int]) -> slice | list[int]:
    """Return what picks these columns of an array: a slice, which copies nothing, where they stand side by side."""
    first = columns[0] if columns else 0
    side_by_side = list(columns) == list(range(first, first + len(columns)))
    return slice(first, first + len(columns)) if side_by_side else list(columns)
