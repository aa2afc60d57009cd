"""MATLAB files, version 5 and 7.3, and any other HDF5: what is what is said by a person or found by looking."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.files.binary import mat_variables
from app.emg.files.binary.array_info import ArrayInfo
from app.emg.files.binary.damage import in_one_line
from app.emg.files.binary.hdf5 import (
    MAX_OBJECTS,
    attribute,
    contents,
    expect_real,
    is_hdf5,
    load_h5py,
    opened,
    own,
)
from app.emg.files.binary.mapped import imported
from app.emg.files.binary.mat_variables import Leaf, is_mat5
from app.emg.files.imported import FileHead, ImportedFile, ImportHints

NAME = "MATLAB"
MAX_TEXTS = 4096
MAX_ATTRIBUTES = 64


def matches(head: FileHead) -> bool:
    """Return whether it begins as MATLAB's version 5 does, or is HDF5."""
    return is_mat5(head.head) or is_hdf5(head)


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Return what the file holds. `hints.emg`, `label` and `time` name arrays, such as `raw` or `data.emg:1-8`.

    Raises:
        DataError: it is damaged, its rate cannot be found, or which array is the EMG cannot be told; or h5py is not
            there and the file is HDF5.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    if is_mat5(head) and not is_hdf5(FileHead(path=path, size=len(head), head=head)):
        with in_one_line(path, "a sound MATLAB file"):
            leaves, unread = mat_variables.variables(path)
            return imported(
                path, "MATLAB 5", "a sound MATLAB file", list(_of_mat5(path, leaves)), hints, unread
            )
    form = "MATLAB 7.3" if head.startswith(b"MATLAB 7.3") else "HDF5"
    with in_one_line(path, "a sound HDF5 file"):
        with opened(path) as file:
            arrays = list(_of_hdf5(path, file))
        return imported(path, form, "a sound HDF5 file", arrays, hints)


def _of_mat5(path: Path, leaves: tuple[Leaf, ...]) -> Iterator[ArrayInfo]:
    variable = lru_cache(maxsize=2)(partial(mat_variables.load, path))  # the EMG's, and what is beside it

    def load(leaf: Leaf) -> npt.NDArray[Any]:
        return mat_variables.part(variable(leaf.variable), leaf)

    for name, parts in _cells(leaves).items():
        first = parts[0]
        yield ArrayInfo(
            name=name,
            shape=_sides(first.shape) if len(parts) == 1 else (len(parts),),
            text=first.text,
            value=_mat5_value(load, parts),
            rows=_mat5_rows(load, first),
        )


def _cells(leaves: Sequence[Leaf]) -> dict[str, list[Leaf]]:
    """Return the arrays by name; texts that are the parts of one cell together."""
    made: dict[str, list[Leaf]] = {}
    for leaf in leaves:
        name = re.sub(r"\(\d+\)$", "", leaf.name) if leaf.text else leaf.name
        made.setdefault(name, []).append(leaf)
    return made


def _mat5_value(load: Callable[[Leaf], npt.NDArray[Any]], parts: Sequence[Leaf]) -> Callable[[], Any]:
    def value() -> Any:
        if not parts[0].text:
            return _numbers(load(parts[0]))
        return [str(text) for part in parts[:MAX_TEXTS] for text in load(part).reshape(-1)[:MAX_TEXTS]]

    return value


def _mat5_rows(
    load: Callable[[Leaf], npt.NDArray[Any]], leaf: Leaf
) -> Callable[[int, int, int], npt.NDArray[Any]]:
    def rows(begin: int, end: int, axis: int) -> npt.NDArray[Any]:
        table = _numbers(load(leaf)).reshape(_sides(leaf.shape))
        return table[(slice(None),) * axis + (slice(begin, end),)]

    return rows


def _of_hdf5(path: Path, file: Any) -> Iterator[ArrayInfo]:
    """Yield what lies in the file; MATLAB writes its arrays turned, and texts as numbers of letters."""
    for name, item in contents(file, path):
        yield from _attributes(name, item)
        kind = attribute(item, "MATLAB_class")
        if item.attrs.get("MATLAB_empty") or not hasattr(item, "shape"):
            continue
        parts = _referred(path, file, name, item)
        if parts:
            yield from parts
        elif kind == "char" or item.dtype.kind in "OS":
            yield _texts(path, name, item)
        elif item.dtype.kind in "biuf":
            yield _numeric(path, name.replace("/", "."), item)


def _referred(path: Path, file: Any, name: str, item: Any) -> list[ArrayInfo]:
    """Return the arrays of numbers in a cell array, or in a field of a struct array: `trial.emg(1)`, ..."""
    h5py = load_h5py()
    if h5py.check_ref_dtype(item.dtype) is not h5py.Reference or not 0 < item.size <= MAX_OBJECTS:
        return []
    found = []
    for k, reference in enumerate(np.asarray(item).reshape(-1), 1):
        target = file[reference] if reference else None
        if _is_numeric(target) and own(target):
            expect_real(path, name, target)
            found.append(_numeric(path, f"{name.replace('/', '.')}({k})", target))
    return found


def _is_numeric(item: Any) -> bool:
    if not hasattr(item, "shape") or item.attrs.get("MATLAB_empty"):
        return False
    return bool(item.dtype.kind in "biuf" and attribute(item, "MATLAB_class") != "char")


def _numeric(path: Path, name: str, item: Any) -> ArrayInfo:
    """Return an array of numbers under a name that may be another than it has in the file."""
    turned = attribute(item, "MATLAB_class") is not None
    return ArrayInfo(
        name=name,
        shape=_sides(item.shape[::-1] if turned else item.shape),
        text=False,
        value=_hdf5_value(path, item.name),
        rows=_hdf5_rows(path, item.name, turned=turned, shape=item.shape),
    )


def _attributes(name: str, item: Any) -> Iterator[ArrayInfo]:
    """Yield single numbers and texts that are attributes, such as a sampling rate."""
    for key in list(item.attrs)[:MAX_ATTRIBUTES]:
        if key.startswith(("MATLAB", "H5PATH", "DIMENSION", "CLASS")):
            continue
        value = attribute(item, key)
        if isinstance(value, (int, float, str)):
            yield _single(f"{name}@{key}", value)


def _single(name: str, value: float | str) -> ArrayInfo:
    text = isinstance(value, str)
    return ArrayInfo(
        name=name,
        shape=(),
        text=text,
        value=lambda: [value] if text else np.asarray(value),
        rows=lambda *_: np.empty(0),
    )


def _texts(path: Path, name: str, item: Any) -> ArrayInfo:
    return ArrayInfo(
        name=name.replace("/", "."),
        shape=_sides(item.shape),
        text=True,
        value=lambda: _read_texts(path, name),
        rows=lambda *_: np.empty(0),
    )


def _read_texts(path: Path, name: str) -> list[str]:
    h5py = load_h5py()
    with opened(path) as file:
        item = file[name]
        if item.dtype.kind == "u":
            return _letters(item)
        values = np.asarray(item).reshape(-1)[:MAX_TEXTS]
        found = []
        for value in values:
            if isinstance(value, h5py.Reference):
                target = file[value] if value else None
                found.extend(_letters(target) if attribute(target, "MATLAB_class") == "char" else [""])
            else:
                found.append(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))
        return found


def _letters(item: Any) -> list[str]:
    """Return MATLAB's text, one a row: letters are numbers, and lie turned."""
    codes = np.atleast_2d(np.asarray(item)[:MAX_TEXTS]).T[:MAX_TEXTS]
    return ["".join(chr(code) for code in row if 0 < code < 0x110000).strip() for row in codes.tolist()]


def _hdf5_value(path: Path, name: str) -> Callable[[], Any]:
    def value() -> Any:
        with opened(path) as file:
            return np.asarray(file[name])

    return value


def _hdf5_rows(
    path: Path, name: str, *, turned: bool, shape: tuple[int, ...]
) -> Callable[[int, int, int], npt.NDArray[Any]]:
    """Return what reads rows; `axis` counts the sides that are not 1, as MATLAB shows them."""
    sides = [k for k, side in enumerate(shape) if side != 1] or [0]
    sides = sides[::-1] if turned else sides

    def rows(begin: int, end: int, axis: int) -> npt.NDArray[Any]:
        where = [slice(0, 1)] * len(shape)
        for k in sides:
            where[k] = slice(None)
        where[sides[axis]] = slice(begin, end)
        with opened(path) as file:
            part = np.asarray(file[name][tuple(where)])
        part = part.T if turned else part
        return part.reshape([end - begin if k == axis else shape[side] for k, side in enumerate(sides)])

    return rows


def _numbers(found: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if found.dtype.kind == "b":
        return found.astype(np.int8)
    return found if found.dtype.kind in "iuf" else found.real.astype(np.float64)


def _sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without the sides of 1, of which MATLAB has always two."""
    return tuple(side for side in shape if side != 1)
