"""Files as an importer finds them, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.emg.source import Chunk
from app.errors import DataError


def samples(count: int, channels: int = 2, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=(count, channels)).astype(np.float32)


def found(chunks: Sequence[Chunk], path: Path | str = "one.txt", **changes: Any) -> ImportedFile:
    values: dict[str, Any] = {
        "path": Path(path),
        "format": "lines",
        "channel_names": ("a", "b"),
        "units": "uV",
        "sampling_rate": 200.0,
        "rate_source": "from the header",
        "chunks": lambda: iter(chunks),
    }
    return ImportedFile(**{**values, **changes})


class Lines:
    """A format of its own: a first line `lines`, and then two numbers a line."""

    NAME = "lines"

    def matches(self, head: FileHead) -> bool:
        return head.head.startswith(b"lines\n")

    def read(self, path: Path, hints: ImportHints) -> ImportedFile:
        try:
            values = np.loadtxt(path, np.float32, skiprows=1, ndmin=2)
        except ValueError:
            raise DataError(f"{path.name}: a line holds two numbers") from None
        rate = hints.rate_hz or 200.0
        return found([Chunk(index=0, samples=values)], path, sampling_rate=rate)
