"""A `.npy` body, read without trusting it. Format: numpy.lib.format, NPY versions 1.0 to 3.0."""

from __future__ import annotations

import io
import math

import numpy as np

from app.emg.source import Samples
from app.errors import DataError

MAX_HEADER = 4096  # bytes; a plain array's header is 128


def read_npy(content: bytes) -> Samples:
    """Return the array as float32; nothing is allocated that the body does not bring.

    Raises:
        DataError: not a `.npy`, not plain numbers, or its header and its length disagree.
    """
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"version {version} is not read")
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(stream, max_header_size=MAX_HEADER)
    except Exception as error:  # the header is a Python literal: its parser raises nearly anything
        raise DataError(f"the body is not a .npy of numbers: {_line(error)}") from None
    if dtype.kind not in "iuf" or dtype.hasobject:
        raise DataError(f"the .npy holds {dtype}; it must be numbers")
    values = content[stream.tell() :]
    sound = bool(values) and len(shape) <= 3 and all(side > 0 and side is not True for side in shape)
    if not sound or len(values) != math.prod(shape) * dtype.itemsize:
        raise DataError(f"the .npy says {dtype} {shape}, but {len(values)} bytes follow")
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit float32 is refused with the rest
        numbers: Samples = np.frombuffer(values, dtype).astype(np.float32)
    return numbers.reshape(shape, order="F" if fortran else "C")


def _line(error: Exception) -> str:
    text = str(error).splitlines()
    return text[0][:120] if text else type(error).__name__
