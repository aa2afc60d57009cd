"""One WebSocket (RFC 6455, version 13) to a server, from the standard library alone."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import io
import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import ClientError, ServerUnreachableError, refused
from ..server_http import Server, reason_of
from .websocket_frames import (
    BINARY,
    CLOSE,
    CUT,
    FAILED,
    GOING_AWAY,
    NO_CODE,
    NORMAL,
    OVERLOADED,
    PING,
    PONG,
    RESTART,
    TEXT,
    FrameReader,
    FramingError,
    close_of,
    closing,
    frame,
)

IDLE_S = 15.0  # the server says something, or asks whether anybody is there, at least every 5 s
OPEN_S = 10.0
CLOSE_S = 1.0  # for the other side's close
MOST_HEAD = 64 * 1024  # bytes
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_OUR_OWN = (401, 403, 404, 409, 422, 429, 503)  # what the server says before it upgrades, as problem+json
_NONE = (404, 405, 426, 501)
_PASSING = (NO_CODE, CUT, GOING_AWAY, FAILED, RESTART, OVERLOADED)


class NoWebSocketError(ClientError):
    """There is no WebSocket: the server is older, or something between here and there lets none through.

    `lasting`: so it will be the next time.
    """

    def __init__(self, said: str, *, lasting: bool = False) -> None:
        super().__init__(said)
        self.lasting = lasting


class SocketClosedError(ServerUnreachableError):
    """The connection is over. `code` is that of the close; 1006: there was none."""

    def __init__(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason
        self.passing = code in _PASSING
        self.retry_after_s = 0.0 if code == RESTART else None
        super().__init__(reason or f"the server closed the connection ({code})")


class WebSocket:
    """An open connection. One thread may send while another receives; any may close."""

    def __init__(self, connected: socket.socket, first: bytes = b"", idle_s: float = IDLE_S) -> None:
        """`first` are bytes of frames that came with the answer to the handshake."""
        self._socket, self._reader, self._idle_s = connected, FrameReader(), idle_s
        self._early = first
        connected.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(connected, selectors.EVENT_READ)
        self._sending = threading.Lock()
        # one TLS connection must not be read and written by two threads at once (OpenSSL)
        self._tls: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
        if isinstance(connected, ssl.SSLSocket):
            self._tls = threading.Lock()
        self._receiving = threading.Lock()
        self._heard_at = time.monotonic()
        self._closing = False

    def send(self, message: str | bytes) -> None:
        """Send one message; waits while the server reads none.

        Raises:
            SocketClosedError: the connection is over, or the server has read nothing for too long.
        """
        if isinstance(message, str):
            self._sent(frame(TEXT, message.encode()))
        else:
            self._sent(frame(BINARY, message))

    def receive(self, timeout_s: float | None = 0.0) -> list[str | bytes]:
        """Return the messages that have come; waits for one, at most `timeout_s` (None: as long as it takes).

        Raises:
            SocketClosedError: the connection is over, or has been silent for too long.
        """
        ends = None if timeout_s is None else time.monotonic() + timeout_s
        with self._receiving:
            while True:
                found = self._parsed(self._received(ends))
                if found or (ends is not None and time.monotonic() >= ends):
                    return found

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Say goodbye, wait a moment for the answer, and close."""
        if self._closing:
            return
        self._closing = True
        with contextlib.suppress(SocketClosedError):
            self._sent(closing(code, reason))
            ends = time.monotonic() + CLOSE_S
            while time.monotonic() < ends:
                self.receive(ends - time.monotonic())
        self.abort()

    def abort(self) -> None:
        """End it without a word; whoever waits for a message learns it at once."""
        self._closing = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # of TLS only the connection below
        if self._receiving.acquire(blocking=False):  # else who reads closes it
            self._early = b""
            self._release()
            self._receiving.release()

    def _release(self) -> None:
        with contextlib.suppress(KeyError, ValueError, RuntimeError):
            self._selector.close()
        self._socket.close()

    def _received(self, ends: float | None) -> bytes:
        """Return bytes; none where there are none in time."""
        early, self._early = self._early, b""
        if early:
            return early
        while True:
            try:
                with self._tls:
                    data = self._socket.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                now = time.monotonic()
                dies = self._heard_at + self._idle_s
                if now >= dies:
                    raise self._over(f"no answer for {self._idle_s:g} s") from None
                if ends is not None and now >= ends:
                    return b""
                self._selector.select((dies if ends is None else min(ends, dies)) - now)
                continue
            except (OSError, ValueError) as error:  # ValueError: closed by another thread
                raise self._over(f"the connection was cut: {error}") from error
            self._heard_at = time.monotonic()
            if not data:
                raise self._over("the connection was cut")
            return data

    def _parsed(self, data: bytes) -> list[str | bytes]:
        found: list[str | bytes] = []
        try:
            for opcode, payload in self._reader.feed(data):
                if opcode in (TEXT, BINARY):
                    found.append(payload)
                elif opcode == PING:
                    self._sent(frame(PONG, _bytes(payload)))
                elif opcode == CLOSE:
                    code, reason = close_of(_bytes(payload))
                    if found:  # they come first; the close is there again for the next call
                        self._early = _unmasked_close(_bytes(payload))
                        return found
                    self._answer_close(code)
                    raise self._over(reason, code)
        except FramingError as error:
            with contextlib.suppress(SocketClosedError):
                self._sent(closing(error.code, str(error)))
            raise self._over(f"what came is no WebSocket: {error}", error.code) from error
        return found

    def _answer_close(self, code: int) -> None:
        if not self._closing:
            with contextlib.suppress(SocketClosedError):
                self._sent(closing(NORMAL if code == NO_CODE else code))

    def _over(self, reason: str, code: int = CUT) -> SocketClosedError:
        self._closing = True
        self._release()
        return SocketClosedError(code, reason)

    def _sent(self, data: bytes) -> None:
        left = memoryview(data)
        with self._sending:
            while left:
                try:
                    with self._tls:
                        left = left[self._socket.send(left) :]
                except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError) as error:
                    self._wait_until_writable(isinstance(error, ssl.SSLWantReadError))
                except (OSError, ValueError) as error:
                    raise SocketClosedError(CUT, f"the connection was cut: {error}") from error

    def _wait_until_writable(self, readable: bool) -> None:
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(self._socket, selectors.EVENT_READ if readable else selectors.EVENT_WRITE)
            except ValueError as error:
                raise SocketClosedError(CUT, "the connection was closed") from error
            if not selector.select(self._idle_s):
                raise SocketClosedError(CUT, f"the server read nothing for {self._idle_s:g} s")


def open_websocket(
    server: Server, path: str, query: Mapping[str, Any] | None = None, *, idle_s: float = IDLE_S
) -> WebSocket:
    """Return a connection of a server, upgraded.

    Raises:
        NoWebSocketError: there is none.
        RefusedError: the server said no.
        ServerUnreachableError: nobody listens there, or nobody answers.
    """
    connection = server.connection(OPEN_S)
    try:
        status, headers, rest = _shaken(connection, server, path, query)
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise ServerUnreachableError(f"{server.url} broke off: {reason_of(error, OPEN_S)}") from error
    except BaseException:
        connection.close()
        raise
    if status == http.client.SWITCHING_PROTOCOLS:
        return WebSocket(connection.sock, rest, idle_s)
    connection.close()
    what = headers.get("Content-Type", "no content type")
    problem = what.startswith("application/problem+json") and status in _OUR_OWN
    if problem and not (status == http.client.NOT_FOUND and _no_such_route(rest)):
        raise refused(status, rest, headers.get("Retry-After"))
    said = f"there is no WebSocket at {server.url}{path}: it answered {status} with {what}"
    raise NoWebSocketError(said, lasting=status in _NONE)


def _shaken(
    connection: http.client.HTTPConnection, server: Server, path: str, query: Mapping[str, Any] | None
) -> tuple[int, Mapping[str, str], bytes]:
    """Ask for the upgrade; return status, headers, and what came after them."""
    key = base64.b64encode(os.urandom(16))
    upgrade = {
        "Host": urlsplit(server.url).netloc.rpartition("@")[2],
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key.decode(),
        "Sec-WebSocket-Version": "13",
    }
    lines = [f"GET {server.target(path, query)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in server.headers(upgrade).items()]
    connection.sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    said = b""
    while b"\r\n\r\n" not in said:
        piece = connection.sock.recv(65536)
        if not piece:
            raise NoWebSocketError(f"the connection to {server.url}{path} was closed instead of upgraded")
        said += piece
        if len(said) > MOST_HEAD:
            raise NoWebSocketError(f"{server.url}{path} answered without an end of its headers")
    head, _, rest = said.partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1:2] != [b"101"]:
        # of a socket it uses nothing but `makefile`
        answer = http.client.HTTPResponse(_Replayed(said, connection.sock))  # type: ignore[arg-type]  # as above
        answer.begin()
        return answer.status, dict(answer.headers), answer.read(MOST_HEAD)
    headers = http.client.parse_headers(io.BytesIO(head.partition(b"\r\n")[2] + b"\r\n\r\n"))
    proof = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode()
    if headers.get("Sec-WebSocket-Accept") != proof or "Sec-WebSocket-Extensions" in headers:
        raise NoWebSocketError(f"{server.url}{path} agreed to something else than was asked for")
    return http.client.SWITCHING_PROTOCOLS, dict(headers), rest


class _Replayed(io.RawIOBase):
    """What has been read of a connection, and then the rest: http.client reads an answer from it."""

    def __init__(self, said: bytes, connected: socket.socket) -> None:
        self._said, self._socket = said, connected

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._said:
            return self._socket.recv_into(buffer)
        count = min(len(buffer), len(self._said))
        buffer[:count], self._said = self._said[:count], self._said[count:]
        return count


def _no_such_route(body: bytes) -> bool:
    """Say whether a 404 means the route, as that of an older server does, and not what the path names."""
    return b"URL was not found" in body or b"no such route" in body


def _unmasked_close(payload: bytes) -> bytes:
    return bytes((0x80 | CLOSE, len(payload))) + payload


def _bytes(payload: str | bytes) -> bytes:
    assert isinstance(payload, bytes)  # control frames are no texts
    return payload
