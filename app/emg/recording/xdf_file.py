"""The parts of an XDF 1.0 file (https://github.com/sccn/xdf/wiki/Specifications): chunks of bytes, little-endian.

A chunk is its length, a tag, and content. Samples of one chunk follow each other at the stream's rate: the first has a
time stamp, the others have none and get theirs from it, as the specification has it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

import numpy as np

from app.emg.recording.plain_text import plain
from app.emg.source import Samples

MAGIC = b"XDF:"
FILE_HEADER, STREAM_HEADER, SAMPLES, STREAM_FOOTER = 1, 2, 3, 6
ROWS = 2**13  # samples in a chunk at most
_XML = '<?xml version="1.0"?>'


@dataclass(slots=True)
class XdfStream:
    """A stream, and what is counted of it for its footer. Markers have one channel of text, and no rate."""

    number: int
    name: str
    kind: str  # XDF's type: EMG, Markers, ...
    channel_names: tuple[str, ...]
    units: str
    rate: float  # Hz; 0: samples have no rate
    uid: str
    texts: bool = False
    desc: Sequence[tuple[str, str]] = ()  # what else is said, by name
    samples: int = field(default=0, init=False)
    first: float = field(default=0.0, init=False)  # time stamps, s
    last: float = field(default=0.0, init=False)

    def header(self, created: float) -> bytes:
        """Return the chunk that says what the stream is."""
        channels = "".join(
            f"<channel>{_element('label', name)}{_element('unit', self.units)}{_element('type', self.kind)}</channel>"
            for name in self.channel_names
        )
        more = "".join(_element(name, text) for name, text in self.desc)
        info = [
            _element("name", self.name),
            _element("type", self.kind),
            _element("channel_count", str(len(self.channel_names))),
            _element("nominal_srate", f"{self.rate:.15g}"),
            _element("channel_format", "string" if self.texts else "float32"),
            _element("source_id", self.uid),
            _element("version", "1.1"),
            _element("created_at", f"{created:.6f}"),
            _element("uid", self.uid),
            _element("session_id", "default"),
            _element("hostname", ""),
            f"<desc><channels>{channels}</channels>{more}</desc>",
        ]
        return self._chunk(STREAM_HEADER, f"{_XML}<info>{''.join(info)}</info>".encode())

    def numbers(self, at: float, samples: Samples) -> Iterator[bytes]:
        """Yield chunks of consecutive samples (n, channels) float32, of which the first was at `at` s."""
        for begin in range(0, len(samples), ROWS):
            part = samples[begin : begin + ROWS]
            start = at + begin / self.rate
            rows = np.empty(len(part), [("stamped", "u1"), ("values", "<f4", part.shape[1:])])
            rows["stamped"], rows["values"] = 0, part
            first, rest = rows[:1].tobytes()[1:], rows[1:].tobytes()
            content = b"\x08" + struct.pack("<d", start) + first + rest
            yield self._samples(len(part), content)
            self._count(len(part), start, start + (len(part) - 1) / self.rate)

    def markers(self, markers: Sequence[tuple[float, str]]) -> bytes:
        """Return a chunk of texts with their times."""
        content = b"".join(
            b"\x08" + struct.pack("<d", at) + _variable(len(text.encode())) + text.encode()
            for at, text in markers
        )
        self._count(len(markers), markers[0][0], markers[-1][0])
        return self._samples(len(markers), content)

    def footer(self) -> bytes:
        """Return the chunk that says how much of it there was."""
        info = [
            _element("first_timestamp", f"{self.first:.9f}"),
            _element("last_timestamp", f"{self.last:.9f}"),
            _element("sample_count", str(self.samples)),
            "<clock_offsets></clock_offsets>",
        ]
        return self._chunk(STREAM_FOOTER, f"{_XML}<info>{''.join(info)}</info>".encode())

    def _count(self, samples: int, first: float, last: float) -> None:
        self.first = first if not self.samples else min(self.first, first)
        self.last = last if not self.samples else max(self.last, last)
        self.samples += samples

    def _samples(self, count: int, content: bytes) -> bytes:
        return self._chunk(SAMPLES, _variable(count) + content)

    def _chunk(self, tag: int, content: bytes) -> bytes:
        return chunk(tag, struct.pack("<I", self.number) + content)


def file_header(date: str) -> bytes:
    """Return what a file begins with. `date` is ISO 8601."""
    info = _element("version", "1.0") + _element("datetime", date)
    return MAGIC + chunk(FILE_HEADER, f"{_XML}<info>{info}</info>".encode())


def chunk(tag: int, content: bytes) -> bytes:
    """Return a chunk."""
    return _variable(2 + len(content)) + struct.pack("<H", tag) + content


def _variable(number: int) -> bytes:
    """Return a length: how many bytes it has, and these."""
    return b"\x04" + struct.pack("<I", number)  # also of short ones: readers of four bytes alone are about


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(plain(text))}</{name}>"
