"""The fields of a JSON object on the disk. One that is not of its type is a ValueError with its name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

MAX_DIGITS = 20  # Python 3.10 converts long integers in quadratic time
MOST = 2**63 - 1  # what the log's own counters hold

T = TypeVar("T")
Values = Mapping[str, Any]


def read_object(text: bytes, most: int) -> dict[str, Any]:
    """Return the object that a text of up to `most` bytes holds; NaN, infinities and absurd numbers are refused."""
    if len(text) > most:
        raise ValueError(f"it is longer than {most} bytes")
    try:
        found = json.loads(text, parse_int=_integer, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def expect_object(values: Values, name: str) -> dict[str, Any]:
    """Return the object in that field."""
    return _typed(values, name, dict, "an object")


def text_of(values: Values, name: str) -> str:
    """Return the text in that field."""
    return _typed(values, name, str, "a text")


def flag_of(values: Values, name: str) -> bool:
    """Return true or false in that field."""
    return _typed(values, name, bool, "true or false")


def list_of(values: Values, name: str) -> list[Any]:
    """Return the list in that field."""
    return _typed(values, name, list, "a list")


def texts_of(values: Values, name: str) -> tuple[str, ...]:
    """Return the texts in that field."""
    found = list_of(values, name)
    if not all(isinstance(text, str) for text in found):
        raise ValueError(f"{name} must be a list of texts")
    return tuple(found)


def whole_of(values: Values, name: str, least: int = 0, most: int = MOST) -> int:
    """Return the whole number in that field, which must be from `least` to `most`."""
    found = _typed(values, name, int, "a whole number")
    if isinstance(found, bool) or not least <= found <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}, got {_shown(found)}")
    return found


def real_of(values: Values, name: str, least: float = 0.0, most: float = 1e9) -> float:
    """Return the number in that field, which must be from `least` to `most`."""
    found = _get(values, name)
    right = isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
    if not right or not least <= found <= most:
        raise ValueError(f"{name} must be a number from {least:g} to {most:g}, got {_shown(found)}")
    return float(found)


def maybe(read: Callable[[Values, str], T], values: Values, name: str) -> T | None:
    """Return what `read` finds in that field; None where it is null."""
    return None if _get(values, name) is None else read(values, name)


def _get(values: Values, name: str) -> Any:
    if name not in values:
        raise ValueError(f"{name} is missing")
    return values[name]


def _typed(values: Values, name: str, kind: type[T], called: str) -> T:
    found = _get(values, name)
    if not isinstance(found, kind):
        raise ValueError(f"{name} must be {called}, got {_shown(found)}")
    return found


def _shown(value: object) -> str:
    return repr(value)[:40]


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"it holds a number of {len(digits)} digits")
    return int(digits)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is not JSON")
