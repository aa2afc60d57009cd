"""Connections on which nobody asks for anything: a server that stops lets them go instead of waiting for them.

A browser keeps its connections open, and a worker of gunicorn that stops waits for each as long as `keepalive` says.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Hashable
from typing import Any

PATIENCE_S = 1.0  # a client that has just connected, or just been answered, may be about to ask


class IdleConnections:
    """Of one worker. `current` names the greenlet that serves a connection; it has one at a time."""

    def __init__(self, current: Callable[[], Hashable], clock: Callable[[], float] = time.monotonic) -> None:
        self._current, self._clock = current, clock
        self._clients: dict[Hashable, Any] = {}
        self._since: dict[Hashable, float] = {}

    def watched(self, handle: Callable[..., None]) -> Callable[..., None]:
        """gunicorn's `Worker.handle`, with its connection known here as long as it serves it."""

        def serve(listener: Any, client: Any, address: Any) -> None:
            me = self._current()
            self._clients[me] = client
            self.idle()
            try:
                handle(listener, client, address)
            finally:
                self._since.pop(me, None)
                del self._clients[me]

        return serve

    def busy(self) -> None:
        """Note that a request has come on this greenlet's connection."""
        self._since.pop(self._current(), None)

    def idle(self) -> None:
        """Count it as answered."""
        me = self._current()
        if me in self._clients:
            self._since[me] = self._clock()

    def let_go(self) -> None:
        """End those that have been idle for a while: to who serves them it is as if the client had left."""
        for me, since in list(self._since.items()):
            if self._clock() - since >= PATIENCE_S:
                del self._since[me]
                end(self._clients[me], socket.SHUT_RD)


def end(client: Any, how: int) -> None:
    """Shut a connection down by a second descriptor: a TLS socket would want to say goodbye first."""
    try:
        with socket.fromfd(client.fileno(), socket.AF_INET, socket.SOCK_STREAM) as twin:
            twin.shutdown(how)
    except OSError:  # it has gone by itself
        pass
