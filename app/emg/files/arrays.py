"""The arrays of a `.mat` or `.npz` file. The file is not trusted: no pickles, no absurd sizes."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.files import mat_structure
from app.errors import DataError

Arrays = dict[str, npt.NDArray[Any]]

SUFFIXES = (".mat", ".npz")
BOMB_BYTES, BOMB_RATIO = 256 * 2**20, 200  # unpacked, and by how much: no signal is packed so well
MAX_BYTES = 4 * 2**30  # unpacked; an hour of 64 channels at 2 kHz in float64 is 3.4 GiB

# Only these are read: Ninapro files also hold gloves, accelerometers and more, which can be large.
_OURS = {"emg", "label", "label_refined", "repetition", "repetition_refined", "session", "recording", "fs"}
_NINAPRO = {"stimulus", "restimulus", "rerepetition", "frequency", "exercise"}
KEYS = _OURS | _NINAPRO | {"gesture_names", "subject", "units"}

_MAGIC = b"\x93NUMPY"  # numpy.lib.format
_MAT_BYTES = {
    "int8": 1,
    "uint8": 1,
    "logical": 1,
    "int16": 2,
    "uint16": 2,
    "int32": 4,
    "uint32": 4,
    "single": 4,
    "char": 4,
    "int64": 8,
    "uint64": 8,
    "double": 8,
}


def read_arrays(path: Path, matlab: bool | None = None) -> Arrays:
    """Return the arrays we know, by key; those of a `.mat` have two dimensions at least.

    `matlab` says whether the file is a `.mat`, whatever its suffix; None: the suffix says it.

    Raises:
        DataError: no such file, another kind of file, damaged, too large, or with objects inside.
    """
    if not path.is_file():
        seen = (
            "is a folder, not a recording"
            if path.is_dir()
            else "is no file"
            if path.exists()
            else "no such file"
        )
        raise DataError(f"{path}: {seen}")
    if matlab is None and path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path.name}: is not a recording; it must be a .mat or .npz file")
    matlab = path.suffix.lower() == ".mat" if matlab is None else matlab
    if matlab:  # which is read whole; of an .npz, only what we know
        _expect_size(path, "the file", path.stat().st_size)
    try:
        return _read_mat(path) if matlab else _read_npz(path)
    except DataError:
        raise
    except NotImplementedError:
        raise DataError(f"{path.name}: is a MATLAB v7.3 (HDF5) file; save it again with -v7") from None
    except Exception as error:  # the parsers raise nearly anything on a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path.name}: is damaged or not a {'.mat' if matlab else '.npz'} file ({reason})"
        ) from None


def _read_mat(path: Path) -> Arrays:
    from scipy import io  # a third of a second, for MATLAB's files alone

    mat_structure.check(path, KEYS, MAX_BYTES)
    listed = [(key, shape, kind) for key, shape, kind in io.whosmat(str(path)) if key in KEYS]
    for key, shape, kind in listed:
        if kind not in _MAT_BYTES:
            raise DataError(f"{path.name}: {key} is a MATLAB {kind}; it must be a plain array")
        _expect_size(path, key, math.prod(shape) * _MAT_BYTES[kind])
    keys = [key for key, _, _ in listed]
    found = io.loadmat(str(path), variable_names=keys) if keys else {}  # an empty list would read them all
    return _plain(path, ((key, found[key]) for key in keys))


def _read_npz(path: Path) -> Arrays:
    with zipfile.ZipFile(path) as members:
        for member in members.infolist():
            if member.filename.removesuffix(".npy") in KEYS:
                _expect_size(path, member.filename.removesuffix(".npy"), member.file_size)
                _expect_array(path, members, member)
                expect_signal(path, member)
    with np.load(path, allow_pickle=False) as file:
        return _plain(path, ((key, _member(path, file, key)) for key in file.files if key in KEYS))


def expect_signal(path: Path, member: zipfile.ZipInfo) -> None:
    """See that an array is not packed as no signal can be.

    Raises:
        DataError: it is: a few MB would take GB of memory.
    """
    if member.file_size > BOMB_BYTES and member.file_size > BOMB_RATIO * max(member.compress_size, 1):
        key, size = member.filename.removesuffix(".npy"), member.file_size / 2**30
        raise DataError(
            f"{path.name}: {key} unpacks to {size:.1f} GiB from {member.compress_size} bytes: no signal does"
        )


def _member(path: Path, file: Any, key: str) -> Any:
    try:
        return file[key]
    except ValueError as error:
        if "pickle" in str(error):
            raise DataError(f"{path.name}: {key} holds pickled objects, which are not read") from None
        raise


def _plain(path: Path, found: Iterable[tuple[str, Any]]) -> Arrays:
    arrays: Arrays = {}
    for key, array in found:
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufcU":
            raise DataError(f"{path.name}: {key} is not a plain array of numbers or text")
        arrays[key] = array
    return arrays


def _expect_array(path: Path, members: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Anything else numpy would unpack whole, and hand over as bytes."""
    with members.open(member) as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise DataError(f"{path.name}: {member.filename} is no array")


def _expect_size(path: Path, key: str, size: int) -> None:
    if size > MAX_BYTES:
        limit = f"at most {MAX_BYTES / 2**30:g} GiB are read"
        raise DataError(f"{path.name}: {key} would unpack to {size / 2**30:.1f} GiB; {limit}")
