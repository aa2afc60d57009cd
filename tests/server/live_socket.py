"""A client of the live socket that is written from the standard, and can do what no client may."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt

from tests.server.live import LATE_S, Json

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
RECORD = struct.Struct("<BBHQfffHHI")  # docs/live.md


class LiveSocket:
    """One connection; `status` is 101 where it was upgraded, else `problem` says why not."""

    def __init__(
        self,
        port: int,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        wrap: Callable[[socket.socket], socket.socket] = lambda plain: plain,
        receive_buffer: int | None = None,  # bytes
        ahead: bytes = b"",  # sent in one piece with the request
        **query: Any,
    ) -> None:
        plain = socket.socket()
        plain.settimeout(LATE_S)
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.connect(("127.0.0.1", port))
        self.socket = wrap(plain)
        key = base64.b64encode(os.urandom(16)).decode()
        asked = {
            "Host": f"127.0.0.1:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
            **(headers or {}),
        }
        target = f"{path}?{urlencode(query)}" if query else path
        lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in asked.items() if value)]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + ahead)
        self._rest = b""
        self.status, self.headers = self._head()
        self.problem: Json = {}
        self.close_code: int | None = None
        self.close_reason = ""
        if self.status == 101:
            expected = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
            assert self.headers["sec-websocket-accept"] == expected
            assert "sec-websocket-extensions" not in self.headers
        else:
            self.problem = json.loads(self._exactly(int(self.headers["content-length"])))

    def _head(self) -> tuple[int, Mapping[str, str]]:
        while b"\r\n\r\n" not in self._rest:
            self._rest += self._received()
        head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    def _received(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        return data

    def _exactly(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._rest += self._received()
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    def send(self, kind: int, payload: bytes, *, final: bool = True) -> None:
        self.socket.sendall(client_frame(kind, payload, final=final))

    def say(self, **fields: Any) -> None:
        self.send(TEXT, json.dumps(fields).encode())

    def push(self, first: int, samples: npt.NDArray[Any]) -> None:
        self.send(BINARY, samples_message(first, samples))

    def frame(self) -> tuple[int, bytes]:
        """The next frame that the server sends, of any kind."""
        first, second = self._exactly(2)
        assert first & 0xF0 == 0x80, "the server sends whole frames, and no reserved bit"
        assert not second & 0x80, "a server masks nothing"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._exactly(8))
        return first & 0x0F, self._exactly(length)

    def messages(self, *, answers_pings: bool = True, by: float = math.inf) -> Iterator[Json | bytes]:
        """What comes, texts as objects; ends with the server's close, which is noted and answered.

        Fails at the first frame after the monotonic time `by`: pings come for ever.
        """
        while True:
            kind, payload = self.frame()
            assert time.monotonic() < by, "nothing but pings and what nobody waits for has come"
            if kind == TEXT:
                yield json.loads(payload.decode())
            elif kind == BINARY:
                yield payload
            elif kind == PING and answers_pings:
                self.send(PONG, payload)
            elif kind == CLOSE:
                (self.close_code,) = struct.unpack(">H", payload[:2])
                self.close_reason = payload[2:].decode()
                with suppress(OSError):
                    self.send(CLOSE, payload[:2])
                return

    def until(self, kind: str) -> Json:
        """The next message of that type."""
        for message in self.messages(by=time.monotonic() + LATE_S):
            if isinstance(message, dict) and message["type"] == kind:
                return message
        raise AssertionError(f"closed with {self.close_code} {self.close_reason!r} before a message {kind}")

    def ends(self) -> list[Json | bytes]:
        """All that comes until the server closes."""
        return list(self.messages())

    def at_end(self) -> bool:
        """Whether the server has ended the connection, all that it sent being read."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            return True
        return True

    def close(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def client_frame(kind: int, payload: bytes, *, final: bool = True) -> bytes:
    """Masked, as a client's is."""
    size, mask = len(payload), os.urandom(4)
    head = bytes([(0x80 if final else 0) | kind])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", size)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", size)
    key = np.frombuffer((mask * (size // 4 + 1))[:size], np.uint8)
    return head + mask + (np.frombuffer(payload, np.uint8) ^ key).tobytes()


def samples_message(first: int, samples: npt.NDArray[Any], aux: int = 0) -> bytes:
    form = {"f": 1, "i": 2}[samples.dtype.kind]
    values = samples.astype("<f4" if form == 1 else "<i2").tobytes()
    return struct.pack("<BBBBIQ", 1, form, aux, 0, len(samples), first) + values


def push_for(
    live: LiveSocket, samples: npt.NDArray[Any], seconds: float, first: int = 0, chunk: int = 40
) -> int:
    """In real time at 2000 Hz; the index after the last sample."""
    began, sent = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        live.push(first, samples[first % 1000 : first % 1000 + chunk])
        first, sent = first + chunk, sent + chunk
        time.sleep(max(0.0, began + sent / 2000 - time.monotonic()))
    return first
