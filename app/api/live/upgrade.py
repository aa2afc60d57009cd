"""The answer that turns a request into a live socket: gunicorn writes the 101, and the connection is ours."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Response

from app.api.live.attached import AttachedSocket
from app.api.live.conversation import Conversation
from app.api.live.sockets import DetachedSocket, LiveSockets
from app.api.sse.client_socket import ClientSocket
from app.serving.streams.detached_streams import DetachedStreams

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Upgrade(Response):
    """Has the conversation held by `hold` once the client has been answered; `close` if that fails."""

    def __init__(self, accept: str, hold: Callable[[bytes], None], close: Callable[[], None]) -> None:
        super().__init__(status=101)
        self._accept, self._hold, self._close = accept, hold, close

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as gunicorn does, and hold the conversation.

        Raises:
            StopIteration: always; it tells gunicorn that this connection is no longer its own.
        """
        headers = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", self._accept),
        ]
        try:
            start_response("101 Switching Protocols", headers)(b"")
            body: Any = environ["wsgi.input"]
            came = body.came_ahead()
        except BaseException:
            self._close()
            raise
        self._hold(came)
        raise StopIteration


def detached(
    conversation: Conversation, connection: DetachedSocket, sockets: LiveSockets, accept: str
) -> Upgrade:
    """Return the answer after which the connection is one of the worker's live sockets."""
    return Upgrade(accept, lambda came: sockets.keep(conversation, connection, came), conversation.close)


def attached(
    conversation: Conversation, connection: AttachedSocket, streams: DetachedStreams, accept: str
) -> Upgrade:
    """Return the answer after which this request's own thread holds the conversation to its end."""
    return Upgrade(accept, lambda came: connection.talk(conversation, came, streams), conversation.close)


def detachable(wire: ClientSocket) -> bool:
    """Whether bytes go over that connection as they are: no TLS, no unix socket, and a system that has epoll."""
    return wire.plain_socket is not None and sys.platform == "linux"
