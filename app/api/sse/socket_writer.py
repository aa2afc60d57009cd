"""Straight to the socket: how one thread serves a thousand streams.

gunicorn's own way for a frame (wake a greenlet, resume the generator, wrap the chunk, `sendall`) costs three times
what the one system call costs. So a stream over plain HTTP/1 lets gunicorn write the headers and the last word, and
between the two the frames are written here, by the thread that made them, in the same chunked framing (RFC 9112,
section 7.1). A socket that cannot take a frame now misses it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time

from app.api.sse import events as sse
from app.api.sse.client_socket import ClientSocket
from app.serving.streams.client_stream import ClientEvent

CHECKED = 8  # frames between two looks at what the client has left unread; each look is a system call


class SocketWriter:
    """Fits `serving.streams.client_stream.EventWriter`."""

    def __init__(self, wire: ClientSocket, sock: socket.socket, chunked: bool) -> None:
        self._wire, self._chunked = wire, chunked
        self._fd = sock.fileno()
        self._rest = b""  # of an event that was taken in part
        self._full = False  # at the last look
        self._written = 0
        self._seen, self._spoke_at = (
            0,
            time.perf_counter(),
        )  # `_written` at the last look, and since when it is that

    def send(self, sent: ClientEvent) -> bool:
        """Write one event without waiting. False: the client has not taken yet what it was sent before."""
        return self._write(sse.frame(sent))

    def insist(self, sent: ClientEvent) -> None:
        """Write one that would come no more: where the client does not take it now, it goes before all that follows.

        Raises:
            OSError: the client has gone.
        """
        if not self.send(sent):
            self._rest += self._framed(sse.frame(sent))

    def keep_alive(self, silence_s: float) -> None:
        """Write a comment where nothing else has been written for `silence_s`; called every CLIENT_POLL_S or so."""
        now = time.perf_counter()
        if self._written == self._seen and now - self._spoke_at <= silence_s:
            return
        if self._written == self._seen:
            self.comment()
        self._seen, self._spoke_at = self._written, now

    def comment(self) -> None:
        """Write something, so that a silent peer is noticed; skipped while it has not taken the last."""
        with contextlib.suppress(OSError):  # it has gone; the stream's next look says so
            self._write(sse.COMMENT)

    def end(self, event: bytes) -> None:
        """Have `event` written as the last, after the rest of one that was taken in part; see `flush`."""
        self._rest += self._framed(event) + (b"0\r\n\r\n" if self._chunked else b"")

    def flush(self) -> bool:
        """Write what the client takes now; whether nothing is left.

        Raises:
            OSError: the client has gone.
        """
        if self._rest:
            self._rest = self._rest[self._push(self._rest) :]
        return not self._rest

    def finish(self, patience_s: float) -> bool:
        """Write the rest of an event that was taken in part, before gunicorn writes again.

        Waits up to `patience_s` for the client to take anything; False: it does not, or it has gone.
        """
        try:
            while self._rest and self._wire.takes_more(patience_s):
                self._rest = self._rest[self._push(self._rest) :]
        except OSError:
            return False
        return not self._rest

    def _write(self, event: bytes) -> bool:
        if self._rest and not self.flush():
            return False
        if self._full or not self._written % CHECKED:
            self._full = not self._wire.writable()
            if self._full:
                return False
        self._written += 1
        data = b"%x\r\n%b\r\n" % (len(event), event) if self._chunked else event
        try:
            taken = os.write(self._fd, data)  # as in `_push`: a thousand clients are served by these lines
        except BlockingIOError:
            return False
        if taken < len(data):
            self._rest = data[taken:]
        return True

    def _framed(self, event: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(event), event) if self._chunked else event

    def _push(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)  # gevent has made the descriptor non-blocking
        except BlockingIOError:
            return 0


def open_outlet(wire: ClientSocket, protocol: str) -> SocketWriter | None:
    """Return the writer of a connection under gunicorn; None without a plain socket (TLS, tests, `flask run`)."""
    sock = wire.plain_socket
    if sock is None or os.get_blocking(sock.fileno()) or protocol not in ("HTTP/1.0", "HTTP/1.1"):
        return None
    return SocketWriter(wire, sock, chunked=protocol == "HTTP/1.1")
