"""One connection that is kept, and on it one request after the other, each with a deadline for the whole of it.

http.client knows a time-out for each wait, not for a request: a server that sends a byte now and then would never end.
So every wait of the socket is cut to what is left until the deadline. A connection that missed one is closed, and with
it what may still come: no later request can take that for its answer.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.inference.remote.target import RemoteError, Target

MOST_BYTES = 4 << 20  # of an answer: 256 windows of 1024 classes are 1 MiB
_CURE = "See that EMG_OIP_URL is right, and that the server there is up"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, as it came."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Connection:
    """Made at the first request; used and closed on one thread (under gevent: of one native thread)."""

    def __init__(self, target: Target, clock: Callable[[], float] = time.monotonic) -> None:
        self._target, self._clock = target, clock
        self._http: _TimedConnection | None = None

    @property
    def fresh(self) -> bool:
        """Whether the next request makes a connection: the server may be another than the one before."""
        return self._http is None

    def ask(
        self,
        method: str,
        path: str,
        deadline: float,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        again: bool = True,
    ) -> Reply:
        """Return the answer to one request; `path` goes behind the address.

        With `again` it is sent a second time where the connection was kept, and the server has closed it meanwhile.

        Raises:
            RemoteError: there was none until `deadline`.
        """
        kept = not self.fresh
        try:
            return self._asked(method, path, deadline, body, headers or {})
        except TimeoutError:
            raise self._late() from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not kept or not again:
                raise self._failed(error, lost=kept) from None
        return self.ask(method, path, deadline, body, headers, again=False)

    def close(self) -> None:
        """Close it; the next request makes another. Safe to call twice."""
        connection, self._http = self._http, None
        if connection is not None:
            connection.close()

    def _asked(
        self, method: str, path: str, deadline: float, body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        done = False
        try:
            connection = self._http or self._connected(deadline)
            self._http = connection
            connection.timed.deadline = deadline
            own = {} if self._target.header is None else dict([self._target.header])
            connection.request(method, f"{self._target.address.path}{path}", body, {**headers, **own})
            response = connection.getresponse()
            content = response.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                raise http.client.HTTPException(f"the answer is longer than {MOST_BYTES} bytes")
            if response.length:  # what was said to come and did not; `read` of so many does not raise
                raise http.client.IncompleteRead(content, response.length)
            done = not response.will_close
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, content)
        finally:
            if not done:
                self.close()

    def _connected(self, deadline: float) -> _TimedConnection:
        address = self._target.address
        sock = socket.create_connection((address.host, address.port), self._left(deadline))
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.tls:
                sock.settimeout(self._left(deadline))
                sock = ssl.create_default_context().wrap_socket(sock, server_hostname=address.host)
        except BaseException:
            sock.close()
            raise
        return _TimedConnection(address.host, address.port, _TimedSocket(sock, self._left))

    def _left(self, deadline: float) -> float:
        left = deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        return left

    def _late(self) -> RemoteError:
        return RemoteError(
            f"{self._target.address} gave no answer in time",
            "See how busy it is, or raise EMG_OIP_TIMEOUT",
            late=True,
        )

    def _failed(self, error: Exception, *, lost: bool) -> RemoteError:
        said = str(error) or type(error).__name__
        return RemoteError(f"{self._target.address} does not answer: {said[:200]}", _CURE, lost=lost)


class _TimedConnection(http.client.HTTPConnection):
    """http.client's, on a socket that is connected already."""

    def __init__(self, host: str, port: int, timed: _TimedSocket) -> None:
        super().__init__(host, port)
        self.auto_open = 0
        self.sock, self.timed = timed, timed


class _TimedSocket:
    """What http.client needs of a socket, no wait of which goes beyond `deadline`."""

    def __init__(self, sock: socket.socket, left: Callable[[float], float]) -> None:
        self._sock, self._left = sock, left
        self.deadline = 0.0

    def sendall(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        while view:
            self._sock.settimeout(self._left(self.deadline))
            view = view[self._sock.send(view) :]

    def receive_into(self, buffer: Any) -> int:
        self._sock.settimeout(self._left(self.deadline))
        return self._sock.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Received(self))

    def close(self) -> None:
        self._sock.close()


class _Received(io.RawIOBase):
    """What comes of a socket, as a file; closing it leaves the socket open."""

    def __init__(self, sock: _TimedSocket) -> None:
        self._of = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._of.receive_into(buffer)
