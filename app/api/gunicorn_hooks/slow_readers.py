"""Answers that nobody reads are let go; else each would keep its file, its memory and its place as long as it likes."""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from app.api.gunicorn_hooks.idle import end
from app.api.gunicorn_hooks.slow_body import PIECE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

_AT_ONCE = struct.pack(
    "ii", 1, 0
)  # of SO_LINGER: what the kernel holds for the client goes with the connection


class SlowReaders:
    """WSGI middleware, outside of everything: a client must take each 64 KiB of its answer in time.

    `let_go` is to be called now and then. A timer for each piece would cost more than most answers do.
    """

    def __init__(
        self, app: WSGIApplication, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app, self._seconds, self._clock = app, seconds, clock
        self._since: dict[_Answer, float] = {}  # those of which gunicorn writes a piece now

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._app(environ, start_response)
        return _Answer(answer, environ.get("gunicorn.socket"), self._since, self._clock)

    def let_go(self) -> None:
        """End the connections whose time is over: to gunicorn it is as if the client had left."""
        for answer, since in list(self._since.items()):
            if self._clock() - since >= self._seconds:
                self._since.pop(answer, None)
                log.info("a client that took less than 64 KiB within %g s is let go", self._seconds)
                answer.cut()


class _Answer:
    """An answer in pieces; `since` has it while gunicorn writes one, and not while the next is made."""

    __slots__ = ("_client", "_clock", "_parts", "_since")

    def __init__(
        self,
        parts: Iterable[bytes],
        client: Any,
        since: dict[_Answer, float],
        clock: Callable[[], float],
    ) -> None:
        self._parts, self._client, self._since, self._clock = parts, client, since, clock

    def __iter__(self) -> Iterator[bytes]:
        since, clock = self._since, self._clock
        for part in self._parts:
            for first in range(0, len(part) or 1, PIECE):
                since[self] = clock()
                yield part[first : first + PIECE]
                since.pop(self, None)
        since[self] = clock()  # a header without a body, and the end of a chunked answer, come after the last

    def close(self) -> None:
        """Let the answer go, as gunicorn says at its end, whatever that was."""
        self._since.pop(self, None)
        close = getattr(self._parts, "close", None)
        if close is not None:
            close()

    def cut(self) -> None:
        """End the connection, whoever waits for it."""
        if self._client is not None:
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            end(self._client, socket.SHUT_RDWR)
