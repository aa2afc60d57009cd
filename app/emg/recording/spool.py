"""Rows that may be too many for the memory: on the disk beyond a MiB, in a file without a name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

IN_MEMORY = 2**20  # bytes
WAITING = 2**16  # bytes that are written together
PIECE_ROWS = 2**14


class Spool:
    """Rows of one type, appended and then read; gone when it is closed."""

    def __init__(self, folder: Path, dtype: npt.DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(folder))  # noqa: SIM115  closed in `close`
        self._waiting = bytearray()
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: Any) -> None:
        """Add rows at the end: an array, or what numpy makes one of.

        Raises:
            OSError: the disk is full.
        """
        added = np.asarray(rows, self.dtype)
        self._rows += added.size
        self._waiting += added.tobytes()
        if len(self._waiting) >= WAITING:
            self._write()

    def read(self, begin: int, count: int) -> npt.NDArray[Any]:
        """Return `count` rows from `begin` on, fewer at the end."""
        self._write()
        size = self.dtype.itemsize
        self._file.seek(begin * size)
        return np.frombuffer(self._file.read(min(count, self._rows - begin) * size), self.dtype)

    def pieces(self) -> Iterator[npt.NDArray[Any]]:
        """Yield all rows in order, up to PIECE_ROWS at a time."""
        for begin in range(0, self._rows, PIECE_ROWS):
            yield self.read(begin, PIECE_ROWS)

    def close(self) -> None:
        """Free the disk. Safe to call twice."""
        self._file.close()

    def _write(self) -> None:
        if self._waiting:
            self._file.seek(0, os.SEEK_END)
            self._file.write(self._waiting)
            self._waiting = bytearray()
