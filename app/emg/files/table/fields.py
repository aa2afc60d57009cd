"""What a field of a text table can be: a number, a time of day, a date with it, nothing, or words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

import numpy as np
import numpy.typing as npt

MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "-", "--", "#n/a", "?", "."})
DAY_S = 86400.0


class Kind(Enum):
    """Of a field, and of a column."""

    NUMBER = "number"
    CLOCK = "clock"  # 11:01:26.155, or 01:26.1 as spreadsheets write it
    DATE = "date"  # 2021-03-31 14:55:49.412
    EMPTY = "empty"
    TEXT = "text"


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?(?:\d+(?:,\d+)?|,\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_CLOCK = re.compile(r"\d{1,2}:\d{1,2}:\d{1,2}(?:[.,]\d*)?|\d{1,3}:\d{1,2}[.,]\d+")
_DATE = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})[T ]+(\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?).*"
)
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?")


def kind_of(field: str, decimal: str) -> Kind:
    """Return what a field is, without blanks around."""
    if not field:
        return Kind.EMPTY
    if (_COMMA if decimal == "," else _NUMBER).fullmatch(field):
        return Kind.NUMBER
    if _CLOCK.fullmatch(field):
        return Kind.CLOCK
    if _DATE.fullmatch(field):
        return Kind.DATE
    return Kind.EMPTY if field.lower() in MISSING else Kind.TEXT


def number(field: str) -> float | None:
    """Return the number of a field with a decimal point, NaN of one that is missing; None: it is no number."""
    if _NUMBER.fullmatch(field):
        return float(field)
    return float("nan") if field.lower() in MISSING else None


def clock_s(field: str) -> float:
    """Return a time of day in seconds; NaN where it is none."""
    if not _CLOCK.fullmatch(field):
        return float("nan")
    seconds = 0.0
    for part in field.replace(",", ".").split(":"):
        seconds = 60 * seconds + float(part or 0)
    return seconds


def date_s(fields: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return dates with a time as seconds: since 1970 where any is ISO's, else of the day; NaN where it is none."""
    found = [_ISO.match(field) for field in fields]
    if any(found):  # a bad line among them has no time, and the others keep theirs
        plain = [f"{m[1]}T{m[2]}.{(m[3] or '0')[:6]}" if m else "NaT" for m in found]
        try:
            stamps = np.array(plain, "M8[us]")
        except ValueError:  # such as the 31st of February
            return np.full(len(fields), np.nan)
        return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 1e6)
    clocks = [match[1] if (match := _DATE.fullmatch(field.strip())) else "" for field in fields]
    return np.array([clock_s(clock) for clock in clocks])
