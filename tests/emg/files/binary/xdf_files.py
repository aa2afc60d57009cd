"""Writes XDF byte by byte, after https://github.com/sccn/xdf/wiki/Specifications, version 1.0."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt

MAGIC = b"XDF:"
DTYPES = {"int16": "<i2", "int32": "<i4", "float32": "<f4", "double64": "<f8"}


def length(count: int) -> bytes:
    """A number with its own length in front."""
    return b"\x01" + bytes([count]) if count < 256 else b"\x04" + struct.pack("<I", count)


def chunk(tag: int, content: bytes) -> bytes:
    body = struct.pack("<H", tag) + content
    return length(len(body)) + body


@dataclass
class Stream:
    name: str = "Armband"
    type: str = "EMG"
    format: str = "float32"
    rate: float = 1000.0
    times: Sequence[float] = ()
    values: npt.NDArray[np.float64] | Sequence[str] = ()
    labels: Sequence[str] = ()
    units: Sequence[str] = ()
    types: Sequence[str] = ()
    offsets: Sequence[tuple[float, float]] = ()  # of the clock: when, how much
    per_chunk: int = 100
    footer: bool = True
    stamped: bool = True  # each sample; else the first of a chunk
    channels: int = field(init=False, default=1)

    def __post_init__(self) -> None:
        self.channels = (
            1
            if self.format == "string"
            else np.asarray(self.values).reshape(len(self.values), -1).shape[1] or 1
        )

    def header(self) -> bytes:
        described = "".join(
            "<channel>"
            + "".join(
                f"<{key}>{escape(many[k])}</{key}>"
                for key, many in (("label", self.labels), ("unit", self.units), ("type", self.types))
                if k < len(many)
            )
            + "</channel>"
            for k in range(max(len(self.labels), len(self.units), len(self.types)))
        )
        return (
            f'<?xml version="1.0"?><info><name>{escape(self.name)}</name><type>{escape(self.type)}</type>'
            f"<channel_count>{self.channels}</channel_count><nominal_srate>{self.rate}</nominal_srate>"
            f"<channel_format>{self.format}</channel_format><created_at>1.0</created_at>"
            f"<desc><channels>{described}</channels></desc></info>"
        ).encode()

    def samples(self, begin: int, end: int) -> bytes:
        made = length(end - begin)
        for k in range(begin, end):
            stamped = self.stamped or k == begin
            made += b"\x08" + struct.pack("<d", self.times[k]) if stamped else b"\x00"
            if self.format == "string":
                text = str(self.values[k]).encode()
                made += length(len(text)) + text
            else:
                made += np.asarray(self.values[k]).astype(DTYPES[self.format]).tobytes()
        return made


def write_xdf(path: Path, streams: Sequence[Stream], tail: bytes = b"") -> Path:
    content = MAGIC + chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')
    numbered = [(struct.pack("<I", 7 + k), stream) for k, stream in enumerate(streams)]
    for number, stream in numbered:
        content += chunk(2, number + stream.header())
    for number, stream in numbered:
        for at in range(0, len(stream.times), stream.per_chunk):
            end = min(at + stream.per_chunk, len(stream.times))
            content += chunk(3, number + stream.samples(at, end))
        for when, offset in stream.offsets:
            content += chunk(4, number + struct.pack("<dd", when, offset))
    for number, stream in numbered:
        if stream.footer:
            content += chunk(6, number + b"<info><sample_count>%d</sample_count></info>" % len(stream.times))
    path.write_bytes(content + tail)
    return path


def regular(n: int, rate: float, begin: float = 100.0) -> npt.NDArray[np.float64]:
    return begin + np.arange(n) / rate
