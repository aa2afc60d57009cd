"""WebSocket frames (RFC 6455, section 5): bytes to messages, and messages to bytes. Nothing of sockets.

Of our own because of its price: a message of 40 samples x 16 channels costs 4 us here, and 16 to 90 in the kept
libraries (docs/decisions/0021). No extension is ever answered, so no reserved bit may be set.
"""

from __future__ import annotations

import codecs
import struct
from typing import NamedTuple

import numpy as np

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
CONTINUATION = 0

# close codes, section 7.4.1 and IANA's registry
NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED, INVALID_TEXT = 1000, 1001, 1002, 1003, 1007
REFUSED, TOO_BIG, FAILED, RESTART, OVERLOADED = 1008, 1009, 1011, 1012, 1013

MOST_TEXT = 64 * 1024  # bytes of a text message: it describes a source
MOST_CONTROL = 125  # bytes of a ping, a pong or a close (section 5.5)
_KNOWN_CLOSE = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))
_MASK_BYTES = 4
_FIN, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
_SHORT, _LONG = struct.Struct(">H"), struct.Struct(">Q")


class FramingError(Exception):
    """What came is no WebSocket, or more than is taken; `code` is that of the close which says so.

    `before` are the messages that came whole ahead of it.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason
        self.before: list[Message] = []


class Message(NamedTuple):
    """A whole message, or a control frame."""

    kind: int
    data: bytes


class FrameReader:
    """Takes what a client sends, in pieces of any size, and gives the messages in it."""

    def __init__(self, most: int) -> None:
        """`most` is how many bytes a binary message may have."""
        self._most = most
        self._buffer = bytearray()
        self._wanted = 2  # bytes until there is something to look at
        self._kind = CONTINUATION  # of the message that comes in fragments; CONTINUATION: none does
        self._parts = bytearray()  # one, since a list of fragments may take far more memory than their bytes
        self.taken = 0  # frames, by the last `feed`
        self._broken = False  # what still comes is nothing to anybody
        self._text = codecs.getincrementaldecoder("utf-8")()

    @property
    def held(self) -> int:
        """Bytes of a message that has not come in full."""
        return len(self._buffer) + len(self._parts)

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are whole now; none after an error, or `drop`.

        Raises:
            FramingError: what came is not what a client may send; the connection cannot go on.
        """
        if self._broken:
            return []
        buffer = self._buffer
        buffer += data
        found: list[Message] = []
        self.taken = at = 0
        if len(buffer) < self._wanted:
            return found
        try:
            while not isinstance(frame := self._frame(buffer, at), int):
                first, payload, at = frame
                self.taken += 1
                message = self._taken(first, payload)
                if message is not None:
                    found.append(message)
        except FramingError as error:
            error.before = found
            self.drop()
            raise
        self._wanted = frame
        if at:
            del buffer[:at]
        return found

    def drop(self) -> None:
        """Keep nothing, neither of what came nor of what still comes: a client that is refused may send on."""
        self._broken = True
        self._buffer, self._parts = bytearray(), bytearray()

    def _frame(self, buffer: bytearray, at: int) -> tuple[int, bytes, int] | int:
        """Return the frame at that place and where the next begins; else how many bytes it needs to go on."""
        there = len(buffer) - at
        if there < 2:
            return 2
        first, second = buffer[at], buffer[at + 1]
        length, begins = second & _LENGTH, at + 2
        if length == 126:
            begins += 2
            if there < 4:
                return 4
            (length,) = _SHORT.unpack_from(buffer, at + 2)
        elif length == 127:
            begins += 8
            if there < 10:
                return 10
            (length,) = _LONG.unpack_from(buffer, at + 2)
        self._expect_sound(first, second, length)
        ends = begins + _MASK_BYTES + length
        if len(buffer) < ends:
            return ends - at
        mask = buffer[begins : begins + _MASK_BYTES]
        return first, unmasked(buffer[begins + _MASK_BYTES : ends], mask), ends

    def _expect_sound(self, first: int, second: int, length: int) -> None:
        """See that a header is one, and that what it announces is taken, before any of it is waited for."""
        kind = first & _OPCODE
        if first & _RESERVED:
            raise FramingError(PROTOCOL_ERROR, "a reserved bit is set: no extension was agreed on")
        if not second & _MASKED:
            raise FramingError(PROTOCOL_ERROR, "a client's frames are masked")
        if kind >= CLOSE:
            if kind > PONG:
                raise FramingError(PROTOCOL_ERROR, f"there is no opcode {kind}")
            if not first & _FIN or length > MOST_CONTROL:
                raise FramingError(PROTOCOL_ERROR, "a control frame is whole and has at most 125 bytes")
            return
        if kind > BINARY:
            raise FramingError(PROTOCOL_ERROR, f"there is no opcode {kind}")
        if (kind == CONTINUATION) == (self._kind == CONTINUATION):
            what = "nothing to continue" if kind == CONTINUATION else "a message begins within another"
            raise FramingError(PROTOCOL_ERROR, what)
        text = (kind or self._kind) == TEXT
        most = MOST_TEXT if text else self._most
        if len(self._parts) + length > most:
            raise FramingError(TOO_BIG, f"a {'text' if text else 'binary'} message has at most {most} bytes")

    def _taken(self, first: int, payload: bytes) -> Message | None:
        """Return the message that ends with this frame; None where it goes on."""
        kind, ends = first & _OPCODE, bool(first & _FIN)
        if kind >= CLOSE:
            return Message(kind, payload)
        kind = kind or self._kind
        if kind == TEXT:
            try:
                self._text.decode(payload, ends)
            except UnicodeDecodeError:
                raise FramingError(INVALID_TEXT, "a text message is UTF-8") from None
        if not ends:
            self._kind = kind
            self._parts += payload
            return None
        if self._kind != CONTINUATION:
            payload = bytes(self._parts + payload)
            self._parts, self._kind = bytearray(), CONTINUATION
        return Message(kind, payload)


def unmasked(data: bytearray, mask: bytearray) -> bytes:
    """Return what was sent under that mask of four bytes (section 5.3)."""
    whole = len(data) & ~3
    plain: bytes = (np.frombuffer(data, "<u4", whole >> 2) ^ np.frombuffer(mask, "<u4")).tobytes()
    if whole == len(data):
        return plain
    return plain + bytes(byte ^ key for byte, key in zip(data[whole:], mask, strict=False))


def frame(kind: int, payload: bytes) -> bytes:
    """Return one whole frame as a server sends it: unmasked."""
    size = len(payload)
    if size < 126:
        return bytes((_FIN | kind, size)) + payload
    if size < 65536:
        return bytes((_FIN | kind, 126)) + _SHORT.pack(size) + payload
    return bytes((_FIN | kind, 127)) + _LONG.pack(size) + payload


def closing(code: int, reason: str = "") -> bytes:
    """Return the frame that ends a connection, with why."""
    said = reason.encode()[: MOST_CONTROL - 2].decode(errors="ignore").encode()
    return frame(CLOSE, _SHORT.pack(code) + said)


def close_code(payload: bytes) -> int:
    """Return the code of a client's close, as it is to be answered; NORMAL where it says none.

    Raises:
        FramingError: it is no close that a client may send (section 7.4).
    """
    if not payload:
        return NORMAL
    if len(payload) < 2:
        raise FramingError(PROTOCOL_ERROR, "a close has a code of two bytes")
    (code,) = _SHORT.unpack_from(payload)
    if code not in _KNOWN_CLOSE and not 3000 <= code <= 4999:
        raise FramingError(PROTOCOL_ERROR, f"{code} is no code of a close")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise FramingError(INVALID_TEXT, "the reason of a close is UTF-8") from None
    return int(code)
