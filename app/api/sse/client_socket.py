"""The socket under a response, as far as the server shows it: has the client left, has it taken what was sent?"""

from __future__ import annotations

import _socket
import contextlib
import fcntl
import select
import socket
import ssl
import struct
import sys
import termios
from collections.abc import Mapping
from typing import Any, cast

MAX_UNSENT = 16 * 1024  # bytes in the kernel; frames beyond would be old when they are read
SILENT_MS = 8_000  # a peer that has left what it was sent unacknowledged for so long is gone
GIVE_UP_MS = (
    10_000  # the same said to the kernel (RFC 5482), which looks only when it is about to send once more
)
_ESTABLISHED = 1  # tcp_states.h
_INFO = struct.Struct("=B23xI28xI")  # of Linux's struct tcp_info (linux/tcp.h): state, unacked, last_ack_recv


class ClientSocket:
    """Of a TCP connection under gunicorn; elsewhere (tests, `flask run`) it knows nothing and is never in the way."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._socket: socket.socket | None = environ.get("gunicorn.socket")
        if self._socket is not None and self._socket.family not in (socket.AF_INET, socket.AF_INET6):
            self._socket = None
        self._fd = -1 if self._socket is None else self._socket.fileno()

    @property
    def plain_socket(self) -> socket.socket | None:
        """The socket where bytes go out as they are; None under TLS."""
        return None if isinstance(self._socket, ssl.SSLSocket) else self._socket

    def watch(self) -> None:
        """Have the kernel give up on a peer that has silently gone."""
        if self._socket is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GIVE_UP_MS)
            self._socket.settimeout(GIVE_UP_MS / 1000)

    @property
    def gone(self) -> bool:
        """Whether the client has closed the connection, or acknowledges nothing any more: its cable may be cut.

        One that only does not read is there: it acknowledges, and nothing is under way to it.
        """
        if self._socket is None or sys.platform != "linux":
            return False
        try:
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
        except OSError:
            return True
        state, unacked, silent_ms = _INFO.unpack(info)
        return bool(state != _ESTABLISHED or (unacked and silent_ms > SILENT_MS))

    def writable(self) -> bool:
        """Whether the client has taken what it was sent, but for a few frames."""
        if self._socket is None:
            return True
        try:
            unsent = struct.unpack("i", fcntl.ioctl(self._fd, termios.TIOCOUTQ, b"\0" * 4))[0]
        except OSError:
            return True  # closed; the next write says so
        return bool(unsent <= MAX_UNSENT) or self.gone

    def takes_more(self, patience_s: float) -> bool:
        """Wait until the kernel takes a few more bytes for the client; False when the time was over first."""
        if self._socket is None:
            return True
        poll = select.poll()  # select() takes no descriptor above 1023, and a server has many
        poll.register(self._fd, select.POLLOUT)
        return bool(poll.poll(patience_s * 1e3))

    def take_over(self) -> None:
        """Have the connection to ourselves: the server's own object of it is closed, and the descriptor is not."""
        if self._socket is not None:
            family, kind = self._socket.family, self._socket.type
            # the plain one of the standard library: gevent's would bring two watchers along
            self._socket = cast(socket.socket, _socket.socket(family, kind, 0, self._socket.detach()))

    def close(self) -> None:
        """Close a connection that was taken over, after what was written."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
                self._socket.recv(MAX_UNSENT)  # bytes left unread would turn the end into a reset
            self._socket.close()

    def abort(self) -> None:
        """End the connection now: nothing more can be said to this client."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
