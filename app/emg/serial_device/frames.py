"""The two versions of the binary frame: their bytes. All numbers are little-endian.

Version 1                                    Version 2
offset  bytes  field                         offset  bytes  field
0       2      sync A5 5A                    0       2      sync A5 5B
2       2      counter, uint16               2       2      bytes of the whole frame, uint16, at most 4096
4       1      channels, 1..255              4       2      counter, uint16
5       1      samples, 1..255               6       2      channels, uint16, 1..256
6       2n     values, int16                 8       1      samples, 1..255
6 + 2n  2      CRC-16 of all from 2          9       1      type of the values: 1 int16, 2 int24, 3 int32, 4 float32
                                             10      4      sampling rate in Hz, float32
                                             14      4      scale: microvolts for one count, float32; 0: not known
                                             18      wn     values of w bytes
                                             then           auxiliary blocks, none or more
                                             at the end 2   CRC-16 of all from 2

n = samples x channels, all channels of the first sample first; always as many (in version 1 at most 2048).

An auxiliary block:
0       1      kind, see AUX_KINDS
1       1      channels, 1..255
2       1      samples, 1..255; the first is of the time of the frame's first sample
3       2      how many EMG samples lie from one to the next, uint16, above 0
5       4      scale: the kind's units for one count, float32
9       2m     values, int16

The CRC is CRC-16/CCITT-FALSE, also named CRC-16/IBM-3740: polynomial 0x1021, initial value 0xFFFF, nothing
reflected; of "123456789" it is 0x29B1 (https://reveng.sourceforge.io/crc-catalogue/16.htm#crc.cat.crc-16-ibm-3740).
"""

from __future__ import annotations

import math
import struct
from binascii import crc_hqx  # in C: the same polynomial, with the initial value as argument
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SYNC, SYNC2 = b"\xa5\x5a", b"\xa5\x5b"
CRC_BYTES = 2
FRAME_BYTES, FRAME2_BYTES = 8, 20  # around the values
BLOCK_BYTES = 9  # before those of an auxiliary block
MAX_VALUES = 2048  # of one frame, so that a false header is found out within 4 KiB
MAX_BYTES = 4096  # of one frame of version 2
MAX_CHANNELS, MAX_CHANNELS2 = 255, 256
WIDTHS: Mapping[int, int] = {1: 2, 2: 3, 3: 4, 4: 4}  # bytes of a value, by its type
TYPES = {"int16": 1, "int24": 2, "int32": 3, "float32": 4}
INT16 = TYPES["int16"]
AUX_KINDS: Mapping[int, tuple[str, str]] = {  # name and units
    1: ("accelerometer", "g"),
    2: ("gyroscope", "deg/s"),
    3: ("magnetometer", "uT"),
    4: ("trigger", "1"),
    5: ("battery", "V"),
    6: ("temperature", "degC"),
}
HEAD, HEAD2 = struct.Struct("<2xH2s"), struct.Struct("<2xHH12s")
_FORM2, _BLOCK, _CRC = struct.Struct("<HBBff"), struct.Struct("<BBBHf"), struct.Struct("<H")

Counts = npt.NDArray[np.int16]
Values = npt.NDArray[np.float32]


def crc16(data: bytes | memoryview) -> int:
    """CRC-16/CCITT-FALSE."""
    return crc_hqx(data, 0xFFFF)


def aux_name(kind: int) -> tuple[str, str]:
    """Return the name and the units of an auxiliary kind; those that have none are called by their number."""
    return AUX_KINDS.get(kind, (f"aux{kind}", "unknown"))


@dataclass(frozen=True, slots=True)
class Form:
    """What every frame of a device has in common. `rate` and `scale` are None where a frame does not say them."""

    version: int
    channels: int
    samples: int
    type: int = INT16
    rate: float | None = None  # Hz
    scale: float | None = None  # uV for one count

    @property
    def values_bytes(self) -> int:
        return WIDTHS[self.type] * self.channels * self.samples

    @property
    def sync(self) -> bytes:
        return SYNC if self.version == 1 else SYNC2


@dataclass(frozen=True, slots=True)
class Block:
    """Auxiliary samples of one frame, in the units of their kind."""

    kind: int
    every: int  # EMG samples from one to the next
    samples: Values  # (n, channels)


class Frame(NamedTuple):
    """One good frame."""

    form: Form
    counter: int
    payload: bytes  # values
    blocks: tuple[Block, ...] = ()


def form_of(head: bytes) -> Form | None:
    """Return what the bytes of a header that are the same in every frame say; None: no device says that.

    Two bytes are of version 1, twelve of version 2.
    """
    if len(head) == 2:
        channels, samples = head
        return Form(1, channels, samples) if 0 < channels * samples <= MAX_VALUES else None
    channels, samples, kind, rate, scale = _FORM2.unpack(head)
    plausible = (
        1 <= channels <= MAX_CHANNELS2
        and samples >= 1
        and kind in WIDTHS
        and math.isfinite(rate)
        and 0.1 <= rate <= 1e6
        and math.isfinite(scale)
        and scale >= 0.0
        and channels * samples * WIDTHS[kind] <= MAX_BYTES - FRAME2_BYTES
    )
    return Form(2, channels, samples, kind, _shortest(rate), _shortest(scale) or None) if plausible else None


def _shortest(value: float) -> float:
    """Return the shortest number that is this one as float32: 1259.259 and not 1259.2590332."""
    return float(str(np.float32(value)))


def blocks_of(data: bytes) -> tuple[Block, ...] | None:
    """Return the auxiliary blocks of what follows the values; None where they do not fill it."""
    found, at = [], 0
    while at < len(data):
        if len(data) - at < BLOCK_BYTES:
            return None
        kind, channels, samples, every, scale = _BLOCK.unpack_from(data, at)
        end = at + BLOCK_BYTES + 2 * channels * samples
        if not channels * samples * every or end > len(data) or not math.isfinite(scale):
            return None
        counts = np.frombuffer(data, "<i2", channels * samples, at + BLOCK_BYTES)
        values = counts.astype(np.float32).reshape(samples, channels)
        found.append(Block(kind, every, values * np.float32(scale)))
        at = end
    return tuple(found)


def values_of(payload: bytes, form: Form) -> Values:
    """Return values (samples, channels) of whole frames' payloads, as counts."""
    if form.type == TYPES["int24"]:
        parts = np.frombuffer(payload, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(parts), 4), np.uint8)
        wide[:, 1:] = parts
        flat = (wide.view("<i4")[:, 0] >> 8).astype(np.float32)
    else:
        flat = np.frombuffer(payload, {1: "<i2", 3: "<i4", 4: "<f4"}[form.type]).astype(np.float32)
    return flat.reshape(-1, form.channels)


def most_samples(channels: int) -> int:
    """How many samples one frame of version 1 can hold."""
    return min(255, MAX_VALUES // channels)


def most_samples2(channels: int, type_: int = INT16) -> int:
    """How many samples one frame of version 2 can hold that has no auxiliary block."""
    return min(255, (MAX_BYTES - FRAME2_BYTES) // (WIDTHS[type_] * channels))


def encode(samples: Counts, counter: int, per_frame: int = 1) -> bytes:
    """Return frames of version 1 of `per_frame` samples each, the first with `counter`.

    `samples` is (frames x per_frame, channels).

    Raises:
        ValueError: the samples do not fill whole frames, or a frame cannot hold so many.
    """
    channels = samples.shape[1]
    if (
        not 1 <= channels <= MAX_CHANNELS
        or not 1 <= per_frame <= most_samples(channels)
        or len(samples) % per_frame
    ):
        raise ValueError(f"{samples.shape} does not make frames of {per_frame} samples")
    values = np.ascontiguousarray(samples, dtype="<i2").reshape(-1, per_frame * channels)
    frames = []
    for number, row in enumerate(values):
        body = struct.pack("<HBB", (counter + number) % 65536, channels, per_frame) + row.tobytes()
        frames.append(SYNC + body + _CRC.pack(crc16(body)))
    return b"".join(frames)


def encode2(
    samples: npt.NDArray[np.generic],
    counter: int,
    rate: float,
    scale: float = 0.0,
    *,
    type_: int = INT16,
    blocks: Sequence[bytes] = (),
) -> bytes:
    """Return one frame of version 2 with `samples` (n, channels), counts, and auxiliary blocks.

    Raises:
        ValueError: they do not fit into a frame.
    """
    count, channels = samples.shape
    body = b"".join([_values2(samples, type_), *blocks])
    length = FRAME2_BYTES + len(body)
    if not 1 <= channels <= MAX_CHANNELS2 or not 1 <= count <= 255 or length > MAX_BYTES:
        raise ValueError(f"{samples.shape} does not make a frame")
    head = struct.pack("<HH", length, counter % 65536) + _FORM2.pack(channels, count, type_, rate, scale)
    return SYNC2 + head + body + _CRC.pack(crc16(head + body))


def encode_block(kind: int, samples: Counts, every: int, scale: float) -> bytes:
    """Return an auxiliary block with `samples` (n, channels), counts of which each is `scale` of the kind's units."""
    count, channels = samples.shape
    return _BLOCK.pack(kind, channels, count, every, scale) + np.ascontiguousarray(samples, "<i2").tobytes()


def _values2(samples: npt.NDArray[np.generic], type_: int) -> bytes:
    if type_ == TYPES["int24"]:
        wide = np.ascontiguousarray(samples, "<i4").reshape(-1, 1).view(np.uint8)
        return np.ascontiguousarray(wide[:, :3]).tobytes()
    return np.ascontiguousarray(samples, {1: "<i2", 3: "<i4", 4: "<f4"}[type_]).tobytes()
