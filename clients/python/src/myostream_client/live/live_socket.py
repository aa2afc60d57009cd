"""The live socket of a source: one WebSocket after the other, and what goes over them in both directions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import NotMyostreamError, RefusedError, refused
from ..server_http import Server
from .websocket import (
    IDLE_S,
    OPEN_S,
    NoWebSocketError,
    SocketClosedError,
    WebSocket,
    open_websocket,
)
from .websocket_frames import CUT, NO_CODE

RESTARTS = ("shutdown", "reload", "restart")

Json = dict[str, Any]


class LiveSocket:
    """One open connection, past its greeting."""

    def __init__(self, socket: WebSocket, where: str = "the server") -> None:
        self.socket = socket
        self.greeting, self._early = _greeted(socket, where)

    @classmethod
    def open(cls, server: Server, path: str, asked: Mapping[str, Any], idle_s: float = IDLE_S) -> LiveSocket:
        """Return a connection where that is agreed on: the fields of the query, all of them flat.

        Raises:
            NoWebSocketError: there is none.
            RefusedError: the server said no.
            ServerUnreachableError: it cannot be reached, or ended it before its greeting.
        """
        socket = open_websocket(server, path, asked, idle_s=idle_s)
        try:
            return cls(socket, f"{server.url}{path}")
        except BaseException:
            socket.abort()
            raise

    def received(self, timeout_s: float | None) -> Iterator[Json | bytes]:
        """Yield what has come: texts as objects, records as bytes.

        Raises:
            RefusedError: the server refused what was sent, or goes on no longer, and said why.
            SocketClosedError: the connection is over.
            NotMyostreamError: what came is none of its messages.
        """
        messages, self._early = self._early, []
        for message in messages or self.socket.receive(timeout_s):
            if isinstance(message, bytes):
                yield message
                continue
            said = parsed(message)
            if said.get("type") == "error":
                raise refusal_of(said)
            yield said


def _greeted(socket: WebSocket, where: str) -> tuple[Json, list[str | bytes]]:
    """Return the first message, and what came with it."""
    try:
        messages = socket.receive(OPEN_S)
    except SocketClosedError as error:
        if error.code in (NO_CODE, CUT):
            raise NoWebSocketError(f"{where} was upgraded and cut at once: {error}") from error
        raise
    if not messages:
        raise NoWebSocketError(f"{where} was upgraded and said nothing for {OPEN_S:g} s")
    first = parsed(messages[0]) if isinstance(messages[0], str) else {}
    if first.get("type") == "error":
        raise refusal_of(first)
    if first.get("type") != "live":
        raise NotMyostreamError(f"the first message of {where} is no greeting; is the URL right?")
    return first, messages[1:]


def parsed(text: str) -> Json:
    """Return the object of a text message.

    Raises:
        NotMyostreamError: it is none.
    """
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise NotMyostreamError(f"a message is no JSON object: {text[:80]!r}")
    return said


def restarts(said: Json | bytes) -> bool:
    """Say whether it is the last word of a server that will be there again."""
    return isinstance(said, dict) and said.get("type") == "completed" and said.get("reason") in RESTARTS


def refusal_of(said: Json) -> RefusedError:
    """Return the exception for an error that came as a message."""
    return refused(int(said.get("status") or 500), json.dumps(said).encode(), None)
