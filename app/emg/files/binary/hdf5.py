"""HDF5 through h5py: only what lies in the file itself is looked at, whatever its links say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.files.imported import FileHead
from app.errors import DataError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_OBJECTS = 20_000
MAX_DEPTH = 12
BOMB_BYTES, BOMB_RATIO = 256 * 2**20, 200  # unpacked, and by how much: no signal is packed so well
MAX_BLOCK = 256 * 2**20  # bytes that one compressed block of a dataset may unpack to


def load_h5py() -> Any:
    """Return the package h5py; raise DataError where it is not there."""
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            f"HDF5 (OpenSignals .h5, MATLAB v7.3) needs h5py ({error}): pip install -r requirements-files.txt"
        ) from None
    return h5py


def is_hdf5(head: FileHead) -> bool:
    """Return whether the signature is where HDF5 has it: at byte 0, or behind what another program puts there."""
    return any(head.head[at : at + 8] == SIGNATURE for at in (0, 512, 1024, 2048))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Yield the file, open for reading.

    Raises:
        DataError: it is cut off or damaged, or h5py is not there.
    """
    h5py = load_h5py()
    try:
        file = h5py.File(path, "r", locking=False)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0].split("(", 1)[-1].rstrip(")")
        raise DataError(
            f"{path.name}: is cut off or damaged, or no HDF5 file ({reason}); copy it again"
        ) from None
    with file:
        yield file


def contents(file: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """Yield name and item of all groups and datasets that lie in the file; the file itself has no name.

    Left out are links to other files, and data that lie in one.

    Raises:
        DataError: they are too many, or too deep.
    """
    waiting, seen = [("", file, 0)], 0
    while waiting:
        prefix, group, depth = waiting.pop()
        yield prefix.rstrip("/"), group
        if depth > MAX_DEPTH:
            raise DataError(
                f"{path.name}: nests groups more than {MAX_DEPTH} deep; no signal is looked for there"
            )
        for name, item in members(group):
            seen += 1
            if seen > MAX_OBJECTS:
                raise DataError(f"{path.name}: holds more than {MAX_OBJECTS} objects; it is no recording")
            if hasattr(item, "shape"):
                if own(item):
                    expect_real(path, prefix + name, item)
                    yield prefix + name, item
            elif hasattr(item, "keys") and not name.startswith("#"):  # #refs#, #subsystem# of MATLAB
                waiting.append((f"{prefix}{name}/", item, depth + 1))


def members(group: Any) -> Iterator[tuple[str, Any]]:
    """Yield what lies in the group itself: no soft link, and none to another file."""
    h5py = load_h5py()
    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.HardLink):
            yield str(name), group[name]


def own(dataset: Any) -> bool:
    """Return whether the data lie in the file itself, in blocks that fit into memory."""
    if getattr(dataset, "external", None) or getattr(dataset, "is_virtual", False) or dataset.shape is None:
        return False
    block = np.prod(dataset.chunks, dtype=np.float64) if dataset.chunks else 0
    return bool(block * dataset.dtype.itemsize <= MAX_BLOCK)


def expect_real(path: Path, name: str, dataset: Any) -> None:
    """Raise DataError for a dataset that is nearly all of it not in the file: read, it would fill memory or time."""
    unpacked, stored = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if unpacked > BOMB_BYTES and unpacked > BOMB_RATIO * stored:
        raise DataError(
            f"{path.name}: {name} would unpack from {stored / 2**20:.3g} MiB to {unpacked / 2**30:.3g} GiB, "
            "which no signal does"
        )


def attribute(item: Any, name: str) -> Any:
    """Return an attribute as text, number or array; None where it is not there."""
    value = item.attrs.get(name)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray) and value.size == 1:
        return value.reshape(-1)[0].item()
    return value.item() if isinstance(value, np.generic) else value
