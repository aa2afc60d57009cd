"""Nested lists of a JSON body as an array, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

DEEPEST = 3  # (batch, length, channels)
_OF_NUMBERS = b"0123456789+-.eE,[] \t\r\n"  # all that numbers and lists of them are written with (RFC 8259)


def only_windows(body: bytes) -> bool:
    """Return whether a JSON body holds nothing but numbers beside one key like `emg`.

    Looked at as bytes, in a hundredth of the time that it takes to look at every value.
    """
    return body.translate(None, _OF_NUMBERS) == b'{"mg":}'


def as_array(values: list[Any], numbers_only: bool = False) -> npt.NDArray[Any] | None:
    """Return the array of nested lists of numbers; None where anything in them is no number.

    What the lists hold is looked at before numpy sees it: one text among the numbers, and numpy pads every value to
    the length of the longest text. `numbers_only` says that this has been seen already.

    Raises:
        ValueError: the lists are not equally long.
    """
    if not numbers_only and not _numbers_only(values, DEEPEST):
        return None
    array = np.asarray(values)
    # not "O": whole numbers beyond 64 bits
    return array if array.dtype.kind in "iuf" and array.ndim <= DEEPEST else None


def _numbers_only(values: list[Any], depth: int) -> bool:
    kinds = set(map(type, values))
    if list not in kinds:
        return kinds <= {int, float}
    return depth > 1 and len(kinds) == 1 and all(_numbers_only(inner, depth - 1) for inner in values)
