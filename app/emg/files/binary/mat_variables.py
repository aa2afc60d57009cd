"""The variables of a MATLAB 5 file with what lies in their structs and cells, walked through before scipy reads them.

scipy's compiled reader trusts the file (see mat_structure.py), so that a struct is looked over to its last field.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.files import mat_structure as mat
from app.emg.files.arrays import MAX_BYTES
from app.errors import DataError

MAX_DEPTH = 8
MAX_LEAVES = 20_000
BOMB_BYTES, BOMB_RATIO = 256 * 2**20, 200  # unpacked, and by how much: no signal is packed so well
_CELL, _STRUCT = 1, 2
_ORDERS = {b"IM": "<", b"MI": ">"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """An array of numbers or a text: `name` is such as `data.emg`, and `steps` lead there from its variable.

    A step is the place in a struct array or cell, in MATLAB's order from 0, and a struct's field.
    """

    variable: str
    name: str
    steps: tuple[tuple[int, str], ...]
    shape: tuple[int, ...]
    text: bool


@dataclass(slots=True)
class _Walk:
    name: str
    order: str
    variable: str
    leaves: list[Leaf]


class UnreadableError(Exception):
    """A variable is sound and of a kind that is not read: an object, a table, a function."""


def is_mat5(head: bytes) -> bool:
    """Return whether a file begins as MATLAB's version 5 does."""
    return head[126:128] in _ORDERS and head[124:126] in (b"\x00\x01", b"\x01\x00")


def names(path: Path) -> set[str]:
    """Return what the variables of a file are called, by their heads alone.

    Raises:
        DataError: the file is cut off or damaged.
    """
    order, elements = _elements(path)
    found = set()
    for code, data in elements:
        head = data[: mat.HEAD]
        if code == mat.COMPRESSED:
            try:
                head = zlib.decompressobj().decompress(data, mat.HEAD)[8:]
            except zlib.error:
                raise DataError(f"{path.name}: is damaged (a packed variable cannot be unpacked)") from None
        found.add(mat.describe(path.name, head, order)[0])
    return found


def variables(path: Path) -> tuple[tuple[Leaf, ...], tuple[str, ...]]:
    """Return what arrays and texts there are, and the names of variables that are not read.

    Raises:
        DataError: the file is cut off, damaged, or would unpack to more than fits.
    """
    order, elements = _elements(path)
    leaves: list[Leaf] = []
    unread: list[str] = []
    for code, data in elements:
        if code not in (mat.COMPRESSED, mat.MATRIX):
            raise DataError(f"{path.name}: is damaged (element of type {code} where a variable should be)")
        content = _unpacked(path.name, data, order) if code == mat.COMPRESSED else data
        walk = _Walk(path.name, order, mat.describe(path.name, content, order)[0], [])
        try:
            _look_over(walk, content, walk.variable, ())
            leaves.extend(walk.leaves)
        except UnreadableError:
            unread.append(walk.variable)
    return tuple(leaves), tuple(name for name in unread if name)  # those without a name are MATLAB's own


def _elements(path: Path) -> tuple[str, Iterator[tuple[int, bytes]]]:
    """Return the order of bytes, and the variables one by one."""
    content = path.read_bytes()
    if len(content) < mat.HEADER or not is_mat5(content):
        raise DataError(f"{path.name}: is cut off: a MATLAB file has a header of {mat.HEADER} bytes")
    order = _ORDERS[content[126:128]]
    return order, mat.elements(path.name, content[mat.HEADER :], order)


def load(path: Path, variable: str) -> npt.NDArray[Any]:
    """Return a variable that has been looked over, with all that lies in it."""
    from scipy import io  # a third of a second, for MATLAB's files alone

    return np.asarray(io.loadmat(str(path), variable_names=[variable])[variable])


def part(value: npt.NDArray[Any], leaf: Leaf) -> npt.NDArray[Any]:
    """Return an array within its variable; a text as an array of texts, one a row."""
    for place, field in leaf.steps:
        value = value.reshape(-1, order="F")[place]
        value = value[field] if field else value
    return np.asarray(value)


def _unpacked(name: str, data: bytes, order: str) -> bytes:
    """Return the content of a packed variable, behind its tag."""
    try:
        head = zlib.decompressobj().decompress(data, mat.HEAD)
        code, size = struct.unpack(order + "II", head[:8])
        if size > MAX_BYTES or (size > BOMB_BYTES and size > BOMB_RATIO * len(data)):
            raise mat.too_large(name, "a variable", size, min(MAX_BYTES, BOMB_BYTES))
        stream = zlib.decompressobj()
        whole = stream.decompress(data, size + 8)
        more = stream.decompress(stream.unconsumed_tail, 1)
    except (zlib.error, struct.error):
        raise DataError(f"{name}: is damaged (a packed variable cannot be unpacked)") from None
    if code != mat.MATRIX or len(whole) != size + 8 or more or not stream.eof:
        raise DataError(f"{name}: is damaged (a packed variable's size and its content disagree)")
    return whole[8:]


def _look_over(walk: _Walk, data: bytes, path: str, steps: tuple[tuple[int, str], ...]) -> None:
    if not data:  # an empty cell
        return
    _, flags, shape, at = mat.describe(walk.name, data, walk.order)
    kind = flags & 0xFF
    if len(steps) > MAX_DEPTH or len(walk.leaves) > MAX_LEAVES:
        raise DataError(
            f"{walk.name}: {walk.variable} is nested too deep, or holds too many parts, for a recording"
        )
    if kind in (mat.CHAR, *mat.NUMERIC):
        mat.check_values(walk.name, path, flags, shape, data[at:], walk.order, MAX_BYTES)
        walk.leaves.append(Leaf(walk.variable, path, steps, shape, kind == mat.CHAR))
    elif kind in (_CELL, _STRUCT):
        parts = list(mat.elements(walk.name, data[at:], walk.order))
        fields = _fields(walk, parts) if kind == _STRUCT else [""]
        inside = parts[2:] if kind == _STRUCT else parts
        if len(inside) != math.prod(shape) * len(fields) or any(code != mat.MATRIX for code, _ in inside):
            raise DataError(f"{walk.name}: {path} is damaged (shape {shape} with {len(inside)} parts)")
        for k, (_, part) in enumerate(inside):
            step = (k // len(fields), fields[k % len(fields)])
            _look_over(walk, part, path + _said(step, math.prod(shape)), (*steps, step))
    else:
        raise UnreadableError


def _fields(walk: _Walk, parts: list[tuple[int, bytes]]) -> list[str]:
    """Return the names of a struct's fields."""
    if len(parts) < 2 or parts[0][0] != mat.INT32 or len(parts[0][1]) != 4 or parts[1][0] != mat.INT8:
        raise DataError(f"{walk.name}: {walk.variable} is damaged (a struct names no fields)")
    wide, names = struct.unpack(walk.order + "i", parts[0][1])[0], parts[1][1]
    if not 1 <= wide <= 256 or len(names) % wide:
        raise DataError(f"{walk.name}: {walk.variable} is damaged (the names of a struct's fields)")
    return [names[k : k + wide].split(b"\x00", 1)[0].decode("latin-1") for k in range(0, len(names), wide)]


def _said(step: tuple[int, str], count: int) -> str:
    """Return a step as MATLAB would write it."""
    place, field = step
    number = f"({place + 1})" if count > 1 or not field else ""
    return f"{number}.{field}" if field else number
