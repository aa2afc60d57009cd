"""Arrays that are the parts of one: a recording's trials in the cells of a cell array, or in a struct array."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.files.binary.array_info import ArrayInfo

_PLACE = re.compile(r"\(\d+\)")


def with_trials(arrays: Sequence[ArrayInfo]) -> list[ArrayInfo]:
    """Return the arrays, and what numbered ones such as `emg(1)`, `emg(2)` make one behind the other.

    Single numbers, or texts, one a trial, make an array of them. The parts stay, to be named, and are not proposed.
    """
    groups: dict[str, list[ArrayInfo]] = {}
    for array in arrays:
        if _PLACE.search(array.name):
            groups.setdefault(_PLACE.sub("", array.name), []).append(array)
    parts = {array.name for group in groups.values() for array in group if len(group) > 1}
    made = [_joined(name, group) for name, group in groups.items() if len(group) > 1]
    kept = [replace(array, part=True) if array.name in parts else array for array in arrays]
    return [*kept, *(array for array in made if array is not None)]


def _joined(name: str, parts: Sequence[ArrayInfo]) -> ArrayInfo | None:
    if any(part.text for part in parts):
        return _texts(name, parts) if all(part.text for part in parts) else None
    if all(part.size == 1 for part in parts):
        return _array(
            name, (len(parts),), (), lambda: np.array([np.asarray(p.value()).reshape(-1)[0] for p in parts])
        )
    sides = {len(part.shape) for part in parts}
    other: tuple[int, ...] = ()
    if sides == {1}:
        axis = 0
    elif sides == {2}:
        fitting = [k for k in (0, 1) if len({part.shape[1 - k] for part in parts}) == 1]
        if not fitting:
            return None
        axis = max(fitting, key=lambda k: sum(part.shape[k] for part in parts))
        other = (parts[0].shape[1 - axis],)
    else:
        return None
    counts = tuple(part.shape[axis] for part in parts)
    value = partial(_concatenated, parts, axis)
    joined = _array(name, (sum(counts), *other), counts, value)
    return replace(joined, rows=partial(_rows, parts, counts, axis))


def _texts(name: str, parts: Sequence[ArrayInfo]) -> ArrayInfo:
    """Return the first text of each trial; an empty one where it has none."""
    joined = _array(name, (len(parts),), (), lambda: [next(iter(part.value()), "") for part in parts])
    return replace(joined, text=True)


def _array(name: str, shape: tuple[int, ...], parts: tuple[int, ...], value: Callable[[], Any]) -> ArrayInfo:
    return ArrayInfo(
        name=name, shape=shape, text=False, value=value, rows=lambda a, b, _axis: value()[a:b], parts=parts
    )


def _concatenated(parts: Sequence[ArrayInfo], axis: int) -> npt.NDArray[Any]:
    tables = [np.asarray(part.value()).reshape(part.shape) for part in parts]
    return np.concatenate([np.moveaxis(table, axis, 0) for table in tables])


def _rows(
    parts: Sequence[ArrayInfo], counts: Sequence[int], axis: int, begin: int, end: int, _axis: int
) -> npt.NDArray[Any]:
    """Return rows of the whole, which may lie in several parts; time comes first."""
    found, at = [], 0
    for part, count in zip(parts, counts, strict=True):
        first, last = max(begin - at, 0), min(end - at, count)
        if first < last:
            found.append(np.moveaxis(part.rows(first, last, axis), axis, 0))
        at += count
    return np.concatenate(found)
