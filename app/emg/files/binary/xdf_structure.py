"""Looks over an XDF file before pyxdf reads it: its chunks, its streams, and whether it ends in the middle of one.

pyxdf believes the counts in the file and goes on behind damage as if nothing were missing. So each chunk is walked
through here first. Form: "XDF, Extensible Data Format", https://github.com/sccn/xdf/wiki/Specifications, version 1.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

import numpy as np

from app.counted import counted
from app.errors import DataError

MAGIC = b"XDF:"
WIDTHS = {"int8": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4, "double64": 8}
TEXT = "string"
REFINED = (
    "Refined"  # our stream of gestures that begin and end where the person did, beside those of the cues
)
MAX_XML = 16 * 2**20  # bytes of a stream's description
MAX_CHANNELS = 65536
_FILE_HEADER, _STREAM, _SAMPLES, _CLOCK, _FOOTER = 1, 2, 3, 4, 6


@dataclass(slots=True, kw_only=True)
class XdfStream:
    """A stream as its header says; `labels`, `units` and `types` are of its channels, or empty."""

    number: int  # from 1, in the order of the file
    id: int
    name: str
    type: str
    format: str  # string, or one of WIDTHS
    rate: float  # Hz, nominal; 0: irregular
    channels: int
    labels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    samples: int = 0
    footer: bool = False
    clock: int = 0  # how many times its clock was compared

    @property
    def text(self) -> bool:
        return self.format == TEXT

    def __str__(self) -> str:
        kind = "text" if self.text else f"{self.rate:g} Hz"
        many, long = counted(self.channels, "channel"), counted(self.samples, "sample")
        return f"{self.number} {self.name!r} ({self.type or 'no type'}, {many}, {kind}, {long})"


@dataclass(slots=True)
class _Walk:
    name: str
    streams: dict[int, XdfStream] = field(default_factory=dict)


def look_over(path: Path) -> tuple[XdfStream, ...]:
    """Return the streams, in the order of the file.

    Raises:
        DataError: it is cut off or damaged, and where.
    """
    walk = _Walk(path.name)
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise DataError(f"{path.name}: is not an XDF file")
        for tag, content in _chunks(file, path.name, path.stat().st_size):
            _take(walk, tag, content)
    if not walk.streams:
        raise DataError(f"{path.name}: holds no streams; the recording was not finished, or is cut off")
    return tuple(walk.streams.values())


def _chunks(file: IO[bytes], name: str, size: int) -> Iterator[tuple[int, bytes]]:
    while (at := file.tell()) < size:
        length = _length(file)
        if length is None or length < 2 or file.tell() + length > size:
            if length is not None and length >= 2:
                why = f"its chunk at byte {at} has {length} bytes, of which {size - file.tell()} are there"
            else:
                why = f"no chunk begins at byte {at}"
            raise DataError(f"{name}: is cut off or damaged: {why}; copy it again, or repair it")
        tag = struct.unpack("<H", file.read(2))[0]
        content = file.read(length - 2)
        yield tag, content


def _length(file: IO[bytes]) -> int | None:
    kind = file.read(1)
    form = {b"\x01": "<B", b"\x04": "<I", b"\x08": "<Q"}.get(kind)
    raw = file.read(struct.calcsize(form)) if form else b""
    return int(struct.unpack(form, raw)[0]) if form and len(raw) == struct.calcsize(form) else None


def _take(walk: _Walk, tag: int, content: bytes) -> None:
    if tag == _FILE_HEADER:
        _xml(walk.name, content)
    if tag not in (_STREAM, _SAMPLES, _CLOCK, _FOOTER):
        return
    if len(content) < 4:
        raise DataError(f"{walk.name}: is damaged: a chunk names no stream; copy it again")
    number, content = struct.unpack("<I", content[:4])[0], content[4:]
    if tag == _STREAM:
        walk.streams[number] = _described(walk, number, content)
        return
    stream = walk.streams.get(number)
    if stream is None:
        raise DataError(
            f"{walk.name}: is damaged: samples of a stream that it does not describe; copy it again"
        )
    if tag == _SAMPLES:
        stream.samples += _counted(walk.name, stream, content)
    elif tag == _CLOCK:
        stream.clock += 1
        if len(content) != 16:
            raise DataError(
                f"{walk.name}: is damaged: a clock offset of {len(content)} bytes, and 16 are right"
            )
    else:
        _xml(walk.name, content)
        stream.footer = True


def _described(walk: _Walk, number: int, content: bytes) -> XdfStream:
    info = _xml(walk.name, content)
    channels, rate = _text(info, "channel_count"), _text(info, "nominal_srate")
    form = _text(info, "channel_format")
    try:
        count, hertz = int(channels), float(rate)
    except ValueError:
        count, hertz = 0, 0.0
    if not (1 <= count <= MAX_CHANNELS and 0 <= hertz < 1e6 and (form in WIDTHS or form == TEXT)):
        raise DataError(
            f"{walk.name}: is damaged: a stream has {channels!r} channels of {form!r} at {rate!r} Hz; copy it again"
        )
    described = info.findall("./desc/channels/channel")
    return XdfStream(
        number=len(walk.streams) + 1,
        id=number,
        name=_text(info, "name"),
        type=_text(info, "type"),
        format=form,
        rate=hertz,
        channels=count,
        labels=tuple(_text(channel, "label") for channel in described),
        units=tuple(_text(channel, "unit") for channel in described),
        types=tuple(_text(channel, "type") for channel in described),
    )


def _xml(name: str, content: bytes) -> Any:
    text = content.decode("utf-8", "replace")
    if len(content) > MAX_XML or "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(f"{name}: is damaged: a description that is no XDF's; copy it again")
    try:
        return ElementTree.fromstring(text)  # entities, which can be a bomb, are refused just above
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{name}: is damaged: a description is not XML ({error}); copy it again") from None


def _text(element: Any, key: str) -> str:
    return (element.findtext(key) or "").strip()


def _counted(name: str, stream: XdfStream, content: bytes) -> int:
    """Return how many samples the chunk holds; raise DataError where they do not fill it."""
    wide = {1: 1, 4: 4, 8: 8}.get(content[0] if content else 0, 0)
    count = int.from_bytes(content[1 : 1 + wide], "little")
    body = content[1 + wide :]
    fills = bool(wide) and (_texts_fill if stream.text else _numbers_fill)(body, count, stream)
    if not fills:
        raise DataError(
            f"{name}: is damaged: a chunk of stream {stream.name!r} does not hold the {count} samples that it says; "
            "copy it again"
        )
    return count


def _numbers_fill(body: bytes, count: int, stream: XdfStream) -> bool:
    width = WIDTHS[stream.format] * stream.channels
    if count * (1 + width) > len(body):
        return False
    if len(body) == count * (9 + width):  # every sample has a time
        return bool((np.frombuffer(body, np.uint8)[:: 9 + width] == 8).all())
    at = 0
    for _ in range(count):
        if at >= len(body) or body[at] not in (0, 8):
            return False
        at += 1 + body[at] + width
    return at == len(body)


def _texts_fill(body: bytes, count: int, stream: XdfStream) -> bool:
    at, left = 0, len(body)
    if count * (1 + 2 * stream.channels) > left:
        return False
    for _ in range(count):
        if at >= left or body[at] not in (0, 8):
            return False
        at += 1 + body[at]
        for _ in range(stream.channels):
            wide = body[at] if at < left else 0
            if wide not in (1, 4, 8):
                return False
            at += 1 + wide + int.from_bytes(body[at + 1 : at + 1 + wide], "little")
    return at == left
