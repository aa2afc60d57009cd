"""The rows of a text table as arrays, block by block: by numpy where lines are as they should be, else line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.emg.files.table.dialect import BLANKS, COMMA_BLANK, Dialect, split
from app.emg.files.table.fields import Kind, clock_s, date_s, number
from app.emg.files.table.lines import TextFile

Numbers = npt.NDArray[np.float64]

TEXT_CHARS = 64  # of a word that are kept
_QUOTED = re.compile(r'"([^"\n]*)"')


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some rows: numbers (n, columns), NaN where there is none, and the words of columns that hold words."""

    numbers: Numbers
    words: dict[int, list[str]]


@dataclass(slots=True)
class Oddities:
    """Lines that are no rows, counted while a table is read."""

    broken: int = 0  # with another number of fields, or something else where a number should be
    first_broken: str = ""  # said in words
    comments: int = 0  # without any number: a header once more, say
    cut: bool = False  # the last line has no end, and too few fields
    rows: int = 0


class Rows:
    """Reads the rows of a table; each `blocks` reads the file anew."""

    def __init__(self, text: TextFile, dialect: Dialect) -> None:
        self.text, self.dialect = text, dialect
        self.oddities = Oddities()
        self._lines = 0  # before the block that is being read
        self._comma = dialect.decimal == ","
        self._delimiter = (
            ";" if dialect.delimiter == COMMA_BLANK and self._comma else dialect.delimiter.strip(" ")
        )
        self._words = tuple(k for k, kind in enumerate(dialect.kinds) if kind in (Kind.TEXT, Kind.DATE))
        self._clocks = () if self._words else _of_kind(dialect, Kind.CLOCK)
        self._mixed = (*self._words, *_of_kind(dialect, Kind.CLOCK)) if self._words else ()

    def blocks(self) -> Iterator[Block]:
        """Yield all rows in order. A line that is no row gives a row of NaN: a sample was lost there."""
        self.oddities, self._lines = Oddities(), 0
        above = len(self.dialect.header)
        for text in self.text.blocks():
            table, above = self._below(text, above)
            if not table.strip():
                self._lines += table.count("\n")
                continue
            block, lines = self._block(self._plain(table), text.endswith("\n"))
            self._lines += lines
            self.oddities.rows += len(block.numbers)
            if len(block.numbers):
                yield block

    def _below(self, text: str, above: int) -> tuple[str, int]:
        """Return what is of the table, and how many lines above it are still to come."""
        while above and text:
            _, _, text = text.partition("\n")
            above, self._lines = above - 1, self._lines + 1
        return text, above

    def _plain(self, text: str) -> str:
        """Return the text with decimal points, and without quotes."""
        if self.dialect.quoted and '"' in text:
            text = _QUOTED.sub(self._unquoted, text)
        if self._comma and self.dialect.delimiter != ",":
            if self.dialect.delimiter == COMMA_BLANK:
                text = text.replace(", ", ";")
            text = text.replace(",", ".")
        return text

    def _unquoted(self, found: re.Match[str]) -> str:
        return (
            found[1].replace(",", ".")
            if self._comma
            else found[1].replace(self._delimiter or " ", " ").strip()
        )

    def _block(self, text: str, whole: bool) -> tuple[Block, int]:
        """Return the rows of a block, and how many lines it has."""
        read = self._read_mixed if self._words else self._read_numbers
        for prepare in (str, self._filled):
            try:
                lines = _lines(prepare(text))
                return read(lines), len(lines)
            except ValueError:  # numpy's, or our own
                continue
        lines = _lines(text)
        return self._line_by_line(lines, whole), len(lines)

    def _filled(self, text: str) -> str:
        """Return the text with nan where a field is empty.

        Raises:
            ValueError: no field can be, for blanks part the columns or there are words.
        """
        mark = self._delimiter
        if not mark or self._words:
            raise ValueError("no field can be empty")
        for _ in range(2):
            text = text.replace(mark + mark, f"{mark}nan{mark}")
        text = text.replace("\n" + mark, f"\nnan{mark}")
        if text.startswith(mark):
            text = "nan" + text
        return text if self.dialect.trailing else text.replace(mark + "\n", f"{mark}nan\n")

    def _read_numbers(self, lines: list[str]) -> Block:
        """Read a block in which every field is a number or a time of day.

        Raises:
            ValueError: it is not so.
        """
        mark, parts = self._delimiter or None, self._parts()
        if self._clocks:
            _expect(lines, ":", sum(parts) - len(parts))
            lines = [line.replace(":", mark or " ") for line in lines]
        if self.dialect.trailing and mark:  # numpy counts the fields only where it reads all
            _expect(lines, mark, sum(parts))
        read = np.loadtxt(
            lines,
            np.float64,
            comments=None,
            delimiter=mark,
            ndmin=2,
            usecols=range(sum(parts)) if self.dialect.trailing else None,
        )
        if read.shape[1] != sum(parts):
            raise ValueError("rows of another width")
        return Block(_joined(read, parts) if self._clocks else read, {})

    def _parts(self) -> list[int]:
        """Return of how many numbers each column is made: a time of day of hours, minutes and seconds."""
        return [3 if k in self._clocks else 1 for k in range(self.dialect.width)]

    def _read_mixed(self, lines: list[str]) -> Block:
        """Read a block in which some columns hold words.

        Raises:
            ValueError: some field is no number where one should be.
        """
        width = self.dialect.width
        kinds = [(f"f{k}", f"U{TEXT_CHARS}" if k in self._mixed else "f8") for k in range(width)]
        mark = self._delimiter
        if not mark:
            raise ValueError("words may hold blanks")
        _expect(lines, mark, width - 1 + self.dialect.trailing)
        read = np.loadtxt(lines, kinds, comments=None, delimiter=mark, ndmin=1, usecols=range(width))
        columns = [
            [word.strip() for word in read[f"f{k}"].tolist()] if k in self._mixed else read[f"f{k}"]
            for k in range(width)
        ]
        return self._assembled(columns, len(read))

    def _assembled(self, columns: Sequence[Sequence[str] | Numbers], rows: int) -> Block:
        numbers = np.full((rows, self.dialect.width), np.nan)
        words: dict[int, list[str]] = {}
        for k, (kind, column) in enumerate(zip(self.dialect.kinds, columns, strict=True)):
            if kind is Kind.TEXT:
                words[k] = list(map(str, column))
            elif kind is Kind.DATE:
                numbers[:, k] = date_s([str(one) for one in column])
            elif kind is Kind.CLOCK and k in self._mixed:
                numbers[:, k] = [clock_s(str(one)) for one in column]
            else:
                numbers[:, k] = column
        return Block(numbers, words)

    def _line_by_line(self, lines: list[str], whole: bool) -> Block:
        """Read what numpy does not: rows with empty fields, words for missing numbers, lines that are no rows."""
        rows: list[list[str | float]] = []
        width = self.dialect.width
        for at, line in enumerate(lines):
            if not line.strip():
                continue
            row = self._row(split(line, self._delimiter or BLANKS))
            if row is not None:
                rows.append(row)
            elif at == len(lines) - 1 and not whole:
                self.oddities.cut = True
            elif not any(character.isdigit() for character in line):
                self.oddities.comments += 1
            else:
                self._count_broken(self._lines + at + 1, line)
                rows.append(["" if k in self._mixed else np.nan for k in range(width)])
        columns: list[Sequence[str] | Numbers] = [
            [str(row[k]) for row in rows]
            if k in self._mixed
            else np.array([row[k] for row in rows], np.float64)
            for k in range(width)
        ]
        return self._assembled(columns, len(rows))

    def _row(self, fields: list[str]) -> list[str | float] | None:
        """Return the values of a line; None where it is no row of this table."""
        width = self.dialect.width
        if self.dialect.trailing and len(fields) == width + 1 and not fields[-1]:
            fields.pop()
        if len(fields) != width:
            return None
        row: list[str | float] = []
        for k, one in enumerate(fields):
            if k in self._mixed:
                row.append(one)
                continue
            value = clock_s(one) if k in self._clocks else number(one)
            if value is None:
                return None
            row.append(value)
        return row

    def _count_broken(self, line: int, text: str) -> None:
        self.oddities.broken += 1
        if not self.oddities.first_broken:
            fields = len(split(text, self._delimiter or BLANKS))
            seen = f"{fields} fields" if fields != self.dialect.width else "something that is no number"
            self.oddities.first_broken = f"line {line} has {seen}"


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _expect(lines: list[str], mark: str, count: int) -> None:
    """Raise ValueError where lines do not hold so many of a mark each."""
    if any(line.count(mark) != count for line in lines):
        raise ValueError("rows of unequal width")


def _of_kind(dialect: Dialect, kind: Kind) -> tuple[int, ...]:
    return tuple(k for k, one in enumerate(dialect.kinds) if one is kind)


def _joined(read: Numbers, parts: Sequence[int]) -> Numbers:
    """Return the columns with hours, minutes and seconds as one, in seconds."""
    joined = np.empty((len(read), len(parts)))
    at = 0
    for k, count in enumerate(parts):
        joined[:, k] = read[:, at] if count == 1 else read[:, at : at + 3] @ (3600.0, 60.0, 1.0)
        at += count
    return joined
