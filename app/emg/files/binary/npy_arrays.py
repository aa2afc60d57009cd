"""Any `.npy` and `.npz`: what is what is said by a person or found by looking."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from app.emg.files.arrays import MAX_BYTES
from app.emg.files.binary.array_info import ArrayInfo
from app.emg.files.binary.damage import in_one_line
from app.emg.files.binary.mapped import imported
from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.errors import DataError

NAME = "NumPy"
NPY, ZIP = b"\x93NUMPY", b"PK\x03\x04"
MAX_MEMBERS = 4096
BOMB_BYTES, BOMB_RATIO = 256 * 2**20, 200  # unpacked, and by how much: no signal is packed so well

Load = Callable[[], npt.NDArray[Any]]


def matches(head: FileHead) -> bool:
    """Return whether it is an array, or a zip of them."""
    return head.head.startswith(NPY) or is_npz(head)


def is_npz(head: FileHead) -> bool:
    """Return whether it is a zip whose first member is an array."""
    name = int.from_bytes(head.head[26:28], "little")
    return head.head.startswith(ZIP) and head.head[30 : 30 + name].endswith(b".npy")


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Return what the file holds. `hints.emg`, `label` and `time` name arrays, such as `raw` or `raw:1-8`.

    Raises:
        DataError: it is damaged, its rate cannot be found, or which array is the EMG cannot be told.
    """
    kind = "a sound .npy or .npz file"
    with in_one_line(path, kind):
        with path.open("rb") as file:
            single = file.read(len(NPY)) == NPY
        arrays = [_single(path)] if single else list(_members(path))
        return imported(path, "NumPy .npy" if single else "NumPy .npz", kind, arrays, hints)


def _single(path: Path) -> ArrayInfo:
    def load() -> npt.NDArray[Any]:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))

    with path.open("rb") as file:
        shape, dtype = _described(path, "it", file)
    if dtype.kind not in "biuf":
        raise DataError(f"{path.name}: holds {dtype}, no numbers")
    return _info("emg", shape, dtype, load)


def _members(path: Path) -> Iterator[ArrayInfo]:
    with zipfile.ZipFile(path) as members:
        listed = members.infolist()
        if len(listed) > MAX_MEMBERS:
            raise DataError(f"{path.name}: holds {len(listed)} members; a recording has a few")
        for member in listed:
            name = member.filename.removesuffix(".npy")
            with members.open(member) as file:
                if file.read(len(NPY)) != NPY:
                    continue
            _expect_size(path, name, member)
            with members.open(member) as file:
                shape, dtype = _described(path, name, file)
            if dtype.kind in "biufU":
                yield _info(name, shape, dtype, _loader(path, name))


def _expect_size(path: Path, name: str, member: zipfile.ZipInfo) -> None:
    bomb = member.file_size > BOMB_BYTES and member.file_size > BOMB_RATIO * member.compress_size
    if member.file_size > MAX_BYTES or bomb:
        raise DataError(
            f"{path.name}: {name} would unpack from {member.compress_size / 2**20:.3g} MiB to "
            f"{member.file_size / 2**30:.3g} GiB, which no signal does"
        )


def _loader(path: Path, name: str) -> Load:
    @lru_cache(maxsize=1)
    def load() -> npt.NDArray[Any]:
        with np.load(path, allow_pickle=False) as file:
            return np.asarray(file[name])

    return load


def _described(path: Path, name: str, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of an array without reading it."""
    version = npy_format.read_magic(file)
    reader = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}.get(version)
    if reader is None:
        raise DataError(f"{path.name}: {name} is an array of version {version}, which is not read")
    shape, _, dtype = reader(file)
    return shape, dtype


def _info(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], load: Load) -> ArrayInfo:
    sides = tuple(side for side in shape if side != 1)

    def rows(begin: int, end: int, axis: int) -> npt.NDArray[Any]:
        values = load().reshape(sides)[(slice(None),) * axis + (slice(begin, end),)]
        return values.astype(np.int8) if values.dtype.kind == "b" else values

    def value() -> Any:
        return [str(text) for text in load().reshape(-1)] if dtype.kind == "U" else load()

    return ArrayInfo(name=name, shape=sides, text=dtype.kind == "U", value=value, rows=rows)
