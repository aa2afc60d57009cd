"""Server-Sent Events out of bytes, by the rules of the WHATWG HTML standard, section 9.2.6.

Pure: no network, no clock. clients/js/sse.js is the same for JavaScript, and both are run by
tests/clients/sse_cases.json.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_EVENT = 16 * 1024 * 1024  # bytes; a frame with 128 channels of signal has a hundredth
MAX_RETRY_MS = 2**31 - 1  # what a browser's timer can wait

_LINE_END = re.compile(rb"\r\n|\r|\n")
_DIGITS = re.compile(rb"[0-9]+")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class SseEvent:
    """One event. `id` is the last that the stream has named; `retry_ms` the delay it last asked for, if it did."""

    data: str
    event: str = "message"
    id: str = ""
    retry_ms: int | None = None


class SseParser:
    """Feed it what comes, cut anywhere, and it gives the events that are whole. One parser for one connection."""

    def __init__(self, last_event_id: str = "") -> None:
        self.last_event_id = last_event_id  # of the last event that was whole: what to reconnect with
        self.retry_ms: int | None = None
        self._next_id = last_event_id
        self._after_cr = False  # a line feed that comes next belongs to the carriage return before it
        self._at_start = True
        self._rest = b""  # of a line
        self._name = ""
        self._data: list[str] = []
        self._size = 0  # bytes of the data lines

    def feed(self, piece: bytes) -> list[SseEvent]:
        """Return the events that end in this piece.

        Raises:
            ValueError: an event is larger than MAX_EVENT.
        """
        if not piece:
            return []
        if self._after_cr:
            piece = piece.removeprefix(b"\n")
        self._after_cr = piece.endswith(b"\r")
        lines = _LINE_END.split(piece)  # no byte of a longer UTF-8 sequence is CR or LF
        lines[0] = self._rest + lines[0]
        self._rest = lines.pop()
        found = [self._line(line) for line in lines]
        self._bound(len(self._rest))
        return [event for event in found if event is not None]

    def _line(self, line: bytes) -> SseEvent | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")  # a comment is a line without a field's name
        self._take(field, value.removeprefix(b" "))
        return None

    def _take(self, field: bytes, value: bytes) -> None:
        if field == b"data":
            self._data.append(_text(value))
            self._size += len(value) + 1
            self._bound(0)
        elif field == b"event":
            self._name = _text(value)
        elif field == b"id" and b"\0" not in value:
            self._next_id = _text(value)
        elif field == b"retry" and _DIGITS.fullmatch(value):
            digits = value.lstrip(b"0") or b"0"
            self.retry_ms = MAX_RETRY_MS if len(digits) > 10 else min(int(digits), MAX_RETRY_MS)

    def _dispatch(self) -> SseEvent | None:
        self.last_event_id = self._next_id
        name, lines = self._name, self._data
        self._name, self._data, self._size = "", [], 0
        if not lines:
            return None
        return SseEvent(
            data="\n".join(lines), event=name or "message", id=self.last_event_id, retry_ms=self.retry_ms
        )

    def _bound(self, more: int) -> None:
        if self._size + more > MAX_EVENT:
            raise ValueError(f"an event has more than {MAX_EVENT} bytes")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
