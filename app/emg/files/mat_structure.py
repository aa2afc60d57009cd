"""Looks over a MATLAB 5 file before scipy reads it.

scipy's compiled reader trusts type codes and sizes in the file: one wrong byte can end the process with a
segmentation fault (scipy 1.17; found by the fuzz test in tests/emg/files/test_recordings.py). So what it will
read is walked through here first. Format: "MAT-File Format", The MathWorks, chapter 1, Level 5.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

from app.errors import DataError

# Data type codes and their bytes a value (table 1-1 of the format).
INT8, INT32, _UINT32, MATRIX, COMPRESSED, _UTF8 = 1, 5, 6, 14, 15, 16
_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}
CHAR, NUMERIC = 4, range(6, 16)  # array classes: double, single and all integers (table 1-3)
_COMPLEX = 0x0800
HEADER = 128
HEAD = 4096  # enough of a variable for its class, shape and name


def check(path: Path, keys: Collection[str], max_bytes: int) -> None:
    """See that the variables `keys` of the file are sound, plain arrays of at most `max_bytes`.

    Other versions than 5 pass: scipy reads version 4 in Python and refuses 7.3 by itself.

    Raises:
        DataError: says which variable is damaged, too large, or not a plain array.
    """
    content = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None or content[124:126] not in (b"\x00\x01", b"\x01\x00"):
        return
    for code, data in elements(path.name, content[HEADER:], order):
        if code == COMPRESSED:
            _check_compressed(path.name, data, order, keys, max_bytes)
        elif code == MATRIX:
            _check_matrix(path.name, data, order, keys, max_bytes)
        else:
            raise DataError(f"{path.name}: is damaged (element of type {code} where a variable should be)")


def _check_compressed(name: str, data: bytes, order: str, keys: Collection[str], max_bytes: int) -> None:
    head = zlib.decompressobj().decompress(data, HEAD)
    if len(head) < 8 or struct.unpack(order + "I", head[:4])[0] != MATRIX:
        raise DataError(f"{name}: is damaged (a compressed element is not a variable)")
    size = struct.unpack(order + "I", head[4:8])[0]
    variable, flags, shape, at = describe(name, head[8:], order)
    if variable not in keys:
        return
    if size > max_bytes:
        raise too_large(name, variable, size, max_bytes)
    parts = 2 if flags & _COMPLEX else 1
    plain = flags & 0xFF in (CHAR, *NUMERIC)  # the rest is refused for what it is
    if plain and size > at + parts * (16 + 8 * math.prod(shape)):  # no value takes more than 8 bytes
        raise DataError(f"{name}: {variable} is damaged (shape {shape} in {size} bytes)")
    stream = zlib.decompressobj()
    whole = stream.decompress(data, size + 8)
    if len(whole) != size + 8 or stream.decompress(stream.unconsumed_tail, 1) or not stream.eof:
        raise DataError(f"{name}: {variable} is damaged (its size and its content disagree)")
    _check_matrix(name, whole[8:], order, keys, max_bytes)


def _check_matrix(name: str, data: bytes, order: str, keys: Collection[str], max_bytes: int) -> None:
    variable, flags, shape, at = describe(name, data, order)
    kind = flags & 0xFF
    if variable not in keys:
        return
    if kind not in (CHAR, *NUMERIC):
        raise DataError(f"{name}: {variable} is a MATLAB cell, struct or object; it must be a plain array")
    check_values(name, variable, flags, shape, data[at:], order, max_bytes)


def check_values(
    name: str, variable: str, flags: int, shape: tuple[int, ...], data: bytes, order: str, max_bytes: int
) -> None:
    """See that `data` are the values of an array of numbers or text of that shape.

    Raises:
        DataError: they are too many, or not as many as the shape says.
    """
    kind, count = flags & 0xFF, math.prod(shape)
    if count > max_bytes:
        raise too_large(name, variable, count, max_bytes)
    parts = list(elements(name, data, order))
    if len(parts) != (2 if flags & _COMPLEX else 1):
        raise DataError(f"{name}: {variable} is damaged (it has {len(parts)} parts)")
    for code, values in parts:
        fits = code in _BYTES and len(values) == count * _BYTES[code]
        if not fits and not (kind == CHAR and code == _UTF8):  # one letter may take several bytes in UTF-8
            raise DataError(f"{name}: {variable} is damaged (shape {shape} with {len(values)} bytes)")


def describe(name: str, data: bytes, order: str) -> tuple[str, int, tuple[int, ...], int]:
    """Return name, flags and shape of a variable, and where its values begin."""
    at, found = 0, []
    for expected in (_UINT32, INT32, INT8):
        code, start, size, following = _tag(name, data, at, order)
        if code != expected or start + size > len(data):
            raise DataError(f"{name}: is damaged (a variable's header cannot be read)")
        found.append(data[start : start + size])
        at = following
    flags, shape, label = found
    if len(flags) != 8 or len(shape) % 4 or len(shape) < 8:
        raise DataError(f"{name}: is damaged (a variable's header cannot be read)")
    dims = struct.unpack(f"{order}{len(shape) // 4}i", shape)
    if min(dims) < 0:
        raise DataError(f"{name}: is damaged (a variable has the shape {dims})")
    return label.decode("latin-1"), struct.unpack(order + "I", flags[:4])[0], dims, at


def elements(name: str, data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield type code and content of each element; raise DataError where one does not end."""
    at = 0
    while at < len(data):
        code, start, size, following = _tag(name, data, at, order)
        if start + size > len(data):
            raise DataError(f"{name}: is damaged (it ends inside an element)")
        yield code, data[start : start + size]
        at = following


def _tag(name: str, data: bytes, at: int, order: str) -> tuple[int, int, int, int]:
    """Type code, first byte, size, and where the next element begins."""
    if at + 8 > len(data):
        raise DataError(f"{name}: is damaged (it ends inside an element)")
    code, size = struct.unpack(order + "II", data[at : at + 8])
    if code >> 16:  # up to four bytes are packed into the tag itself
        if code >> 16 > 4:
            raise DataError(f"{name}: is damaged (a small element of {code >> 16} bytes)")
        return code & 0xFFFF, at + 4, code >> 16, at + 8
    padding = 0 if code == COMPRESSED else -size % 8
    return code, at + 8, size, at + 8 + size + padding


def too_large(name: str, variable: str, size: int, max_bytes: int) -> DataError:
    """Return what to raise for a variable that would fill the memory."""
    limit = f"at most {max_bytes / 2**30:g} GiB are read"
    return DataError(f"{name}: {variable} would unpack to {size / 2**30:.1f} GiB; {limit}")
