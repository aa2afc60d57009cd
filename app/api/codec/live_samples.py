"""Samples as binary messages: of the live socket, and of a chunked upload.

Little-endian. A header of 16 bytes (version, format, auxiliary blocks, 0, number of samples, index of the first), then
the values, sample after sample, each of all channels; then the auxiliary blocks, each with a header of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.counted import counted
from app.emg.auxiliary import AuxStream
from app.emg.pushed_source import AuxSamples
from app.emg.source import Samples
from app.errors import DataError

VERSION = 1
HEADER, AUX_HEADER = struct.Struct("<BBBBIQ"), struct.Struct("<BBHIQ")
FLOAT32, INT16, INT24 = 1, 2, 3
_BYTES = {FLOAT32: 4, INT16: 2, INT24: 3}  # a value
MAX_SAMPLE = 2**53 - 1  # the greatest index that JSON's numbers carry everywhere


class Header(NamedTuple):
    """What a message says of itself; `first` is the index of its first sample, or the windows' own number."""

    form: int
    aux: int
    number: int  # of samples, or of windows
    first: int


class Pushed(NamedTuple):
    """What one message brought."""

    first_sample: int
    samples: Samples  # (n, channels), in the source's declared units
    aux: tuple[AuxSamples, ...]


def read_header(message: bytes) -> Header:
    """Return the header of a message of samples or windows.

    Raises:
        DataError: it has none, or one that nobody knows.
    """
    if len(message) < HEADER.size:
        raise DataError(f"a binary message begins with a header of {HEADER.size} bytes, got {len(message)}")
    version, form, aux, zero, count, index = HEADER.unpack_from(message)
    if version != VERSION:
        raise DataError(f"version {version} of a message is not known; this server has version {VERSION}")
    if form not in _BYTES:
        raise DataError(f"format {form} is not known: 1 is float32, 2 int16, 3 int24")
    if zero:
        raise DataError(f"the fourth byte of the header is 0, got {zero}")
    if not count:
        raise DataError("a message has at least one sample")
    if index > MAX_SAMPLE:
        raise DataError(f"an index is at most {MAX_SAMPLE}, got {index}")
    return Header(form, aux, count, index)


def read_pushed(
    message: bytes, channels: int, aux_streams: Sequence[AuxStream] = (), scale: float = 1.0
) -> Pushed:
    """Return the samples of a message, `scale` being the units of one count of a whole number.

    Raises:
        DataError: it is not what its header says, or not what the source was declared to have.
    """
    header = read_header(message)
    if header.aux > len(aux_streams):
        has = counted(len(aux_streams), "auxiliary stream")
        raise DataError(f"the source was declared with {has}; {header.aux} blocks came")
    ends = HEADER.size + header.number * channels * _BYTES[header.form]
    if len(message) < ends or (not header.aux and len(message) > ends):
        raise DataError(
            f"{header.number} samples of {counted(channels, 'channel')} in format {header.form} are "
            f"{ends - HEADER.size} bytes after the header, got {len(message) - HEADER.size}"
        )
    samples = read_values(message[HEADER.size : ends], header.form, scale).reshape(-1, channels)
    return Pushed(header.first, samples, _aux(message, ends, header.aux, aux_streams) if header.aux else ())


def read_values(content: bytes, form: int, scale: float) -> npt.NDArray[np.float32]:
    """Return the values of a message, (n,) float32."""
    values: npt.NDArray[np.float32]
    if form == FLOAT32:
        return np.frombuffer(content, "<f4")
    if form == INT16:
        values = np.frombuffer(content, "<i2").astype(np.float32)
    else:  # three bytes become the upper three of four, so that the sign is where it belongs
        wide = np.zeros((len(content) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
        values = (wide.view("<i4")[:, 0] >> 8).astype(np.float32)
    return values if scale == 1.0 else values * np.float32(scale)


def _aux(message: bytes, at: int, blocks: int, streams: Sequence[AuxStream]) -> tuple[AuxSamples, ...]:
    found = []
    for _ in range(blocks):
        if len(message) < at + AUX_HEADER.size:
            raise DataError(f"an auxiliary block begins with a header of {AUX_HEADER.size} bytes")
        stream, zero, other, count, index = AUX_HEADER.unpack_from(message, at)
        if zero or other:
            raise DataError("the second to fourth byte of an auxiliary header are 0")
        if stream >= len(streams):
            raise DataError(f"the source has the auxiliary streams 0 to {len(streams) - 1}, got {stream}")
        if not count or index > MAX_SAMPLE:
            raise DataError(f"an auxiliary block has at least one sample, and an index up to {MAX_SAMPLE}")
        at += AUX_HEADER.size
        ends = at + 4 * count * streams[stream].channels
        if len(message) < ends:
            raise DataError(f"the auxiliary block of stream {stream} is cut: it says {count} samples")
        values = np.frombuffer(message[at:ends], "<f4").reshape(count, -1)
        found.append(AuxSamples(stream, index, values))
        at = ends
    if at != len(message):
        raise DataError(f"{len(message) - at} bytes came after the last auxiliary block")
    return tuple(found)
