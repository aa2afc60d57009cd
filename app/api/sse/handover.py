"""The answer to an endless stream: gunicorn writes the headers, and the request is over.

What follows is written by the group's thread (app/api/sse/socket_writer.py), and DetachedStreams looks whether the
client is still there. So a stream costs its socket and a few small objects, not a request with its greenlet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from flask import Response

from app import logs
from app.api.sse import events as sse
from app.api.sse.client_socket import ClientSocket
from app.api.sse.socket_writer import SocketWriter
from app.serving.streams.client_stream import CLIENT_POLL_S, GIVE_UP_S, PAUSE_S, Stream
from app.serving.streams.detached_streams import DetachedStream, DetachedStreams
from app.serving.streams.events import Completed

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

KEEP_ALIVE_S = 4.0  # a comment at least every 5 s
SHUTDOWN_S = 0.5  # for a client that does not read to take its last word when the server stops


class Handover(Response):
    """Takes the connection from gunicorn and leaves it to DetachedStreams.

    `close` is called once, when the stream is over or its headers could not be written.
    """

    def __init__(
        self,
        stream: Stream,
        wire: ClientSocket,
        outlet: SocketWriter,
        detached_streams: DetachedStreams,
        close: Callable[[], None],
    ) -> None:
        super().__init__(mimetype=sse.MIMETYPE, headers=sse.HEADERS)
        self._stream, self._wire, self._outlet = stream, wire, outlet
        self._detached_streams, self._close = detached_streams, close
        self._bound = logs.bound()

    def __call__(self, _environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Write the headers as gunicorn does.

        Raises:
            StopIteration: always; it tells gunicorn that this connection is no longer its own.
        """
        try:
            start_response(self.status, self.headers.to_wsgi_list())(sse.COMMENT)
            self._wire.take_over()
        except BaseException:
            self._close()
            raise
        detached = DetachedStream(_looks(self._stream, self._wire, self._outlet), self._over)
        self._stream.attend(partial(self._detached_streams.hurry, detached))
        self._detached_streams.keep(detached)
        raise StopIteration

    def _over(self) -> None:
        logs.bind(**self._bound)  # the thread of DetachedStreams knows of no request
        try:
            self._close()  # first: nobody may write to a descriptor that is free for others
            self._wire.close()
        finally:
            logs.bind()


def _looks(stream: Stream, wire: ClientSocket, outlet: SocketWriter) -> Iterator[float]:
    """Yield the seconds until the next look; ends with the stream."""
    try:
        for item in stream:
            if isinstance(item, Completed):
                outlet.end(sse.last(item, stream.place))
                yield from _flushed(outlet, SHUTDOWN_S if item.cut_short else GIVE_UP_S)
                return
            if (
                item is not None
            ):  # before the group's thread knows this client, or after it has left the group
                outlet.insist(item)
            elif wire.gone:
                return
            else:
                outlet.keep_alive(KEEP_ALIVE_S)
                yield CLIENT_POLL_S
    except OSError:  # it has gone
        return


def _flushed(outlet: SocketWriter, patience_s: float) -> Iterator[float]:
    ends = time.perf_counter() + patience_s
    while not outlet.flush() and time.perf_counter() < ends:
        yield PAUSE_S
