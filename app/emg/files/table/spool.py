"""Rows of numbers that wait on the disk, in a file without a name, until they are read piece by piece."""

from __future__ import annotations

import os
import tempfile
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import DataError

IN_MEMORY = 2**22  # bytes


class RowSpool:
    """Rows of `columns` values of one type. The file has no name, and ends with this object."""

    def __init__(self, columns: int, dtype: npt.DTypeLike) -> None:
        self.columns, self.dtype = columns, np.dtype(dtype)
        self._row_bytes = max(columns, 1) * self.dtype.itemsize
        self._memory: bytearray | None = bytearray()
        self._descriptor = -1
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Add rows (n, columns).

        Raises:
            DataError: the disk is full.
        """
        plain = np.ascontiguousarray(rows, self.dtype)
        self._rows += len(plain)
        data = plain.data.cast("B") if plain.size else memoryview(b"")
        if self._memory is not None:
            self._memory += data
            if len(self._memory) > IN_MEMORY:
                self._move_to_disk()
        else:
            self._write(data)

    def read(self, begin: int, count: int) -> npt.NDArray[Any]:
        """Return up to `count` rows from `begin` on, (n, columns)."""
        count = max(min(count, self._rows - begin), 0)
        size, at = count * self._row_bytes, begin * self._row_bytes
        data = (
            bytes(self._memory[at : at + size])
            if self._memory is not None
            else os.pread(self._descriptor, size, at)
        )
        return np.frombuffer(data, self.dtype).reshape(count, max(self.columns, 1))

    def _move_to_disk(self) -> None:
        assert self._memory is not None
        try:
            file = tempfile.TemporaryFile()  # noqa: SIM115  closed with this object
        except OSError as error:
            raise DataError(f"no temporary file can be made ({error.strerror})") from None
        weakref.finalize(self, file.close)
        self._descriptor = file.fileno()
        memory, self._memory = self._memory, None
        self._write(memoryview(memory))

    def _write(self, data: memoryview) -> None:
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise DataError(
                f"the samples find no place in {tempfile.gettempdir()} ({error.strerror})"
            ) from None
