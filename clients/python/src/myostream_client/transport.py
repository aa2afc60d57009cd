"""Which way samples and events go: by WebSocket where the server has it, else by HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .live.websocket import NoWebSocketError

TRANSPORTS = AUTO, WEBSOCKET, HTTP = "auto", "websocket", "http"

T = TypeVar("T")


class Transport:
    """What was asked for, and what has been found out: a server without a socket is asked for one once."""

    def __init__(self, wanted: str = AUTO) -> None:
        self.wanted = expected(wanted)
        self.lacking: NoWebSocketError | None = None

    def chosen(self, wanted: str | None, by_socket: Callable[[], T], by_http: Callable[[], T]) -> T:
        """Return what the one or the other gives; `wanted` None: as the client was told.

        Raises:
            NoWebSocketError: "websocket" was asked for, and there is none.
        """
        wanted = self.wanted if wanted is None else expected(wanted)
        if wanted == HTTP or (wanted == AUTO and self.lacking is not None):
            return by_http()
        try:
            return by_socket()
        except NoWebSocketError as error:
            if wanted == WEBSOCKET:
                raise
            if error.lasting:
                self.lacking = error
            return by_http()


def expected(wanted: str) -> str:
    """Return it.

    Raises:
        ValueError: there is no such way.
    """
    if wanted not in TRANSPORTS:
        raise ValueError(f"transport must be 'auto', 'websocket' or 'http', got {wanted!r}")
    return wanted
