"""How a text file writes its table: delimiter, decimal mark, columns and what stands above them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from app.counted import counted
from app.emg.files.table.fields import Kind, kind_of
from app.errors import DataError

BLANKS = ""  # the delimiter of columns that any number of blanks parts
COMMA_BLANK = ", "
LOOKED_AT = 200  # lines at the sample's end
DELIMITERS = ("\t", ";", ",", COMMA_BLANK, "|", BLANKS)
SPOKEN = {
    "\t": "tab",
    ";": "semicolon",
    ",": "comma",
    COMMA_BLANK: "comma and blank",
    "|": "bar",
    BLANKS: "blanks",
}
_WORDY = (Kind.TEXT, Kind.EMPTY)
ABOVE = 20  # lines at the beginning among which names are looked for
MIN_LINES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The columns of a text table, and the lines above it."""

    delimiter: str
    decimal: str  # "." or ","
    kinds: tuple[Kind, ...]  # of the columns
    names: tuple[str, ...]  # of the columns; empty where the file does not say
    header: tuple[str, ...]  # lines above the table
    quoted: bool  # fields may stand in quotes
    trailing: bool  # lines end with a delimiter

    @property
    def width(self) -> int:
        return len(self.kinds)

    @property
    def said(self) -> str:
        mark = ", decimal comma" if self.decimal == "," else ""
        return f"{counted(self.width, 'column')} parted by {SPOKEN[self.delimiter]}{mark}"


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read the sample: by a delimiter and a decimal mark."""

    delimiter: str
    decimal: str
    run: int  # lines of one width that end at the sample's end
    kinds: tuple[Kind, ...]
    dots: bool  # some number has a decimal point
    named: bool  # the line above has as many names

    @property
    def numeric(self) -> bool:
        return Kind.TEXT not in self.kinds and Kind.NUMBER in self.kinds

    @property
    def numbers(self) -> int:
        return sum(kind is Kind.NUMBER for kind in self.kinds)


def split(line: str, delimiter: str) -> list[str]:
    """Return the fields of a line without blanks and quotes around."""
    parts = line.split() if delimiter == BLANKS else line.split(delimiter)
    return [_bare(part.strip()) for part in parts]


def _bare(field: str) -> str:
    """Return a field without quotes; one that was cut within quotes keeps its one."""
    return field.strip('"').strip() if field.count('"') % 2 == 0 else field


def find_dialect(name: str, lines: Sequence[str], whole: bool) -> Dialect:
    """Return how the file writes its table, from its first lines; `whole` where these are all.

    For each delimiter and decimal mark the longest run of lines of equal width, with numbers in the same columns, that
    ends at the sample's end. Words in a column are allowed for only where nothing fits without.

    Raises:
        DataError: there are no two lines of numbers.
    """
    filled = [line for line in lines if line.strip()]
    if whole and len(filled) > MIN_LINES:
        filled = filled[:-1] if _is_odd(filled) else filled  # it may be cut short, or a last word
    best = _best([*_readings(filled)])
    if best is None:
        raise DataError(
            f"{name}: holds no table of numbers; two lines or more of equally many numbers are expected, "
            "one sample a line"
        )
    return _described(best, lines)


def _is_odd(filled: Sequence[str]) -> bool:
    """Whether the last line has another number of the usual marks than the one before, or is a word below numbers."""
    marks = [tuple(line.count(mark) for mark in "\t;,|") for line in filled[-2:]]
    worded = [kind_of(re.split(r"[\s;,|]", line.strip())[0], ".") is Kind.TEXT for line in filled[-2:]]
    return marks[0] != marks[1] or worded == [False, True]


def _readings(filled: Sequence[str]) -> Iterator[_Reading]:
    tail = filled[-LOOKED_AT:]
    quoted = any('"' in line for line in tail)
    for delimiter, decimal in product(DELIMITERS, ".,"):
        if delimiter == "," and decimal == "," and not quoted:
            continue
        if delimiter != BLANKS and not any(delimiter in line for line in tail[-3:]):
            continue
        reading = _read_by(filled, tail, delimiter, decimal)
        if reading.run >= MIN_LINES and reading.numbers + sum(k is Kind.EMPTY for k in reading.kinds):
            yield reading


def _read_by(filled: Sequence[str], tail: Sequence[str], delimiter: str, decimal: str) -> _Reading:
    kinds: list[Kind] = []
    dots, run = False, 0
    for line in reversed(tail):
        fields = _fields(line, delimiter, decimal)
        found = [kind_of(field, decimal) for field in fields]
        if run and (len(found) != len(kinds) or not _merge(kinds, found)):
            break
        if not run:
            kinds = found
        run += 1
        dots = dots or any(kind is Kind.NUMBER and "." in f for kind, f in zip(found, fields, strict=True))
    return _Reading(delimiter, decimal, run, tuple(kinds), dots, _is_named(filled, delimiter, len(kinds)))


def _is_named(filled: Sequence[str], delimiter: str, width: int) -> bool:
    """Whether the last line without numbers at the file's beginning has so many fields."""
    rows = [split(line, delimiter) for line in filled[:ABOVE]]
    wordy = [row for row in rows if all(kind_of(one, mark) in _WORDY for one in row for mark in ".,")]
    return bool(wordy) and len(wordy[-1]) == width


def _fields(line: str, delimiter: str, decimal: str) -> list[str]:
    if delimiter == decimal:  # only with quotes: "0,1","0,2"
        return [a or b for a, b in re.findall(r'"([^"]*)"|([^",]+)', line)]
    return split(line, delimiter)


def _merge(kinds: list[Kind], found: Sequence[Kind]) -> bool:
    """Add a line's kinds to those of the lines below it; False: it is of another table."""
    for kind, other in zip(kinds, found, strict=True):
        if kind is not other and Kind.EMPTY not in (kind, other):
            return False
    for column, other in enumerate(found):
        if kinds[column] is Kind.EMPTY:
            kinds[column] = other
    return True


def _best(readings: Sequence[_Reading]) -> _Reading | None:
    numeric = [reading for reading in readings if reading.numeric]
    allowed = numeric or [reading for reading in readings if reading.numbers]
    if not allowed:
        return None
    longest = max(reading.run for reading in allowed)
    tied = [reading for reading in allowed if reading.run == longest]
    dots = any(reading.dots for reading in tied if reading.decimal == ".")

    def order(reading: _Reading) -> tuple[bool, ...] | tuple[object, ...]:
        european = reading.delimiter == COMMA_BLANK and reading.decimal == "," and not dots
        return (european, reading.named, reading.numbers, len(reading.kinds), reading.decimal == ".")

    return max(tied, key=order)  # of equal ones the first


def _described(best: _Reading, lines: Sequence[str]) -> Dialect:
    first = _first_line(best, lines)
    header = tuple(lines[:first])
    trailing = best.kinds[-1] is Kind.EMPTY and len(best.kinds) > 1 and best.delimiter != BLANKS
    names = _names(header, best)
    if trailing and names and names[-1] and len(names) == len(best.kinds):
        trailing = False  # a column that has a name, and nothing in it
    width = len(best.kinds) - trailing
    return Dialect(
        delimiter=best.delimiter,
        decimal=best.decimal,
        kinds=tuple(Kind.NUMBER if kind is Kind.EMPTY else kind for kind in best.kinds[:width]),
        names=names[:width],
        header=header,
        quoted=any('"' in line for line in lines[first:]),
        trailing=trailing,
    )


def _first_line(best: _Reading, lines: Sequence[str]) -> int:
    """Return which is the first line of the table."""
    for at, line in enumerate(lines):
        if not line.strip():
            continue
        fields = _fields(line, best.delimiter, best.decimal)
        found = [kind_of(field, best.decimal) for field in fields]
        if (
            len(found) == len(best.kinds)
            and _merge(list(best.kinds), found)
            and not _counts_columns(lines, at, fields)
        ):
            return at
    return len(lines)


def _counts_columns(lines: Sequence[str], at: int, fields: Sequence[str]) -> bool:
    """Whether the first line is a header of numbers, as pandas writes it: 0,1,2,3 above numbers with fractions."""
    named = [field for field in fields if field]
    columns = [str(k) for k in range(len(named))]
    below = " ".join(lines[at + 1 : at + 20])
    return at == 0 and len(named) > 2 and named == columns and ("." in below or len(named) < len(fields))


def _names(header: Sequence[str], best: _Reading) -> tuple[str, ...]:
    """Return the columns' names: of the last line above the table that has as many fields."""
    for line in reversed([line for line in header if line.strip()][-3:]):
        text = line.strip().lstrip("#%").strip() if best.delimiter != "\t" else line.lstrip("#%")
        for delimiter in (best.delimiter, "\t", ";", ",", BLANKS):
            fields = split(text, delimiter)
            if (
                len(fields) == len(best.kinds) - 1
                and fields[-1]
                and best.delimiter != BLANKS
                and len(fields) > 1
            ):
                short = ("", *fields)  # R names no column of row names; and some lines end with a delimiter
                return (*fields, "") if best.kinds[-1] is Kind.EMPTY else short
            if len(fields) == len(best.kinds) and any(kind_of(f, ".") is Kind.TEXT for f in fields):
                return tuple(fields)
            if len(fields) == len(best.kinds) and _counts_columns((line, "0.1"), 0, fields):
                return tuple(f"column {field}" if field else "" for field in fields)
    return ()
