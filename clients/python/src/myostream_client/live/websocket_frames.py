"""WebSocket frames (RFC 6455, section 5), as a client sends and reads them. Nothing of sockets."""

from __future__ import annotations

import os
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

# close codes, section 7.4.1 and IANA's registry
NORMAL, GOING_AWAY, PROTOCOL_ERROR, NO_CODE, CUT, INVALID_TEXT = 1000, 1001, 1002, 1005, 1006, 1007
REFUSED, TOO_BIG, FAILED, RESTART, OVERLOADED = 1008, 1009, 1011, 1012, 1013

MOST_BYTES = 64 * 1024 * 1024  # of a message that is read
MOST_CONTROL = 125  # bytes of a ping, a pong or a close
_FIN, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F


class FramingError(Exception):
    """What came is no WebSocket; `code` is that of the close which says so."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def frame(opcode: int, payload: bytes, mask: bytes | None = None) -> bytes:
    """Return one whole frame. `mask` is four bytes; None: fresh ones, as section 5.3 demands."""
    mask = os.urandom(4) if mask is None else mask
    size = len(payload)
    if size < 126:
        head = struct.pack(">BB", _FIN | opcode, _MASKED | size)
    elif size < 65536:
        head = struct.pack(">BBH", _FIN | opcode, _MASKED | 126, size)
    else:
        head = struct.pack(">BBQ", _FIN | opcode, _MASKED | 127, size)
    return head + mask + masked(payload, mask)


def masked(payload: bytes, mask: bytes) -> bytes:
    """Return the payload under a mask of four bytes; two whole numbers are a hundred times faster than a loop."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def closing(code: int, reason: str = "") -> bytes:
    """Return the frame that ends a connection."""
    said = reason.encode()[: MOST_CONTROL - 2].decode(errors="ignore").encode()
    return frame(CLOSE, struct.pack(">H", code) + said)


def close_of(payload: bytes) -> tuple[int, str]:
    """Return the code and the reason of a close that came.

    Raises:
        FramingError: it is none.
    """
    if not payload:
        return NO_CODE, ""
    if len(payload) < 2:
        raise FramingError(PROTOCOL_ERROR, "a close has a code of two bytes")
    return int.from_bytes(payload[:2], "big"), _text(payload[2:])


class FrameReader:
    """Feed it what comes, cut anywhere, and it gives the messages and control frames that are whole."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._buffer = bytearray()
        self._opcode = CONTINUATION  # of the message that comes in fragments; CONTINUATION: none does
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> list[tuple[int, str | bytes]]:
        """Return what is whole now, each with its opcode: texts as str, all else as bytes.

        Raises:
            FramingError: what came is not what a server may send.
        """
        self._buffer += data
        found = []
        while (one := self._frame()) is not None:
            message = self._message(*one)
            if message is not None:
                found.append(message)
        return found

    def _frame(self) -> tuple[int, bytes] | None:
        """Return the first byte and the payload of the next frame; None while it is not whole."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, begins = buffer[1] & _LENGTH, 2
        if length >= 126:
            begins = 4 if length == 126 else 10
            if len(buffer) < begins:
                return None
            length = int.from_bytes(buffer[2:begins], "big")
        self._expect_sound(buffer[0], buffer[1], length)
        if len(buffer) < begins + length:
            return None
        first, payload = buffer[0], bytes(buffer[begins : begins + length])
        del buffer[: begins + length]
        return first, payload

    def _expect_sound(self, first: int, second: int, length: int) -> None:
        opcode = first & _OPCODE
        if first & _RESERVED:
            raise FramingError(PROTOCOL_ERROR, "a reserved bit is set, and no extension was agreed on")
        if second & _MASKED:
            raise FramingError(PROTOCOL_ERROR, "a server's frames are not masked")
        if opcode >= CLOSE:
            if opcode > PONG or not first & _FIN or length > MOST_CONTROL:
                raise FramingError(PROTOCOL_ERROR, "a control frame is whole and has at most 125 bytes")
        elif opcode > BINARY or (opcode == CONTINUATION) == (self._opcode == CONTINUATION):
            raise FramingError(PROTOCOL_ERROR, f"a frame of opcode {opcode} has no place there")
        elif sum(map(len, self._parts)) + length > self._most:
            raise FramingError(TOO_BIG, f"a message has at most {self._most} bytes")

    def _message(self, first: int, payload: bytes) -> tuple[int, str | bytes] | None:
        """Return the message that ends with this frame; None where it goes on."""
        opcode = first & _OPCODE
        if opcode >= CLOSE:
            return opcode, payload
        self._opcode = opcode or self._opcode
        self._parts.append(payload)
        if not first & _FIN:
            return None
        opcode, whole = self._opcode, b"".join(self._parts)
        self._opcode, self._parts = CONTINUATION, []
        return opcode, _text(whole) if opcode == TEXT else whole


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise FramingError(INVALID_TEXT, "a text is UTF-8") from None
