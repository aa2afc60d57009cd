"""Pushed samples as bytes: one sample of all channels after the other, little-endian."""

from __future__ import annotations

import numpy as np

from app.counted import counted
from app.emg.source import Samples
from app.errors import DataError

DTYPES = {"float32": "<f4", "int16": "<i2"}


def read_raw(content: bytes, channels: int, dtype: str, scale: float) -> Samples:
    """(n, channels) float32; `scale` is the unit of one count.

    Raises:
        DataError: they are not whole samples.
    """
    kind = np.dtype(DTYPES[dtype])
    size = channels * kind.itemsize
    if not content or len(content) % size:
        raise DataError(
            f"{dtype} samples of {counted(channels, 'channel')} are a multiple of {size} bytes, got {len(content)}"
        )
    samples: Samples = np.frombuffer(content, kind).reshape(-1, channels).astype(np.float32)
    return samples if scale == 1.0 else samples * np.float32(scale)
