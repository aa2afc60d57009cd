"""Nested lists of a JSON body as an array, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

DEEPEST = 3  # (batch, length, channels)


def as_array(values: list[Any]) -> npt.NDArray[Any] | None:
    """Return the array of nested lists of numbers; None where anything in them is no number.

    What the lists hold is looked at before numpy sees it: one text among the numbers, and numpy pads every value to
    the length of the longest text.

    Raises:
        ValueError: the lists are not equally long.
    """
    if not _numbers_only(values, DEEPEST):
        return None
    array = np.asarray(values)
    return array if array.dtype.kind in "iuf" else None  # not "O": whole numbers beyond 64 bits


def _numbers_only(values: list[Any], depth: int) -> bool:
    kinds = set(map(type, values))
    if list not in kinds:
        return kinds <= {int, float}
    return depth > 1 and len(kinds) == 1 and all(_numbers_only(inner, depth - 1) for inner in values)
