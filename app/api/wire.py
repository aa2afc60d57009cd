"""The socket under a response, as far as the server shows it: has the client left, has it taken what was sent?"""

from __future__ import annotations

import contextlib
import fcntl
import select
import socket
import ssl
import struct
import termios
from collections.abc import Mapping
from typing import Any

MAX_UNSENT = 16 * 1024  # bytes in the kernel; frames beyond would be old when they are read
GIVE_UP_MS = 10_000  # a peer that acknowledges nothing for so long is gone (RFC 5482)
_ESTABLISHED = 1  # tcp_states.h


class Wire:
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
        """Whether the client has closed the connection."""
        if self._socket is None or not hasattr(socket, "TCP_INFO"):
            return False
        try:
            return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED
        except OSError:
            return True

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
        return self._socket is None or bool(select.select([], [self._fd], [], patience_s)[1])

    def abort(self) -> None:
        """End the connection now: nothing more can be said to this client."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
