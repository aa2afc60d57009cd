"""One stream of predictions that outlives its connections."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from .errors import ClientError, NotMyostreamError, ServerUnreachableError, refused
from .events import Event, Interrupted, event_of
from .held_gesture import HeldGesture
from .live.live_socket import RESTARTS, LiveSocket
from .live.websocket import NoWebSocketError
from .patience import Patience
from .server_http import Server, reason_of
from .sse import SseParser
from .transport import Transport

FINISHED = "end"  # id of the last event of a stream that has said all
IDLE_S = 15.0  # the server says something at least every 5 s
GIVE_UP_S = 60.0
SPOKEN = ("frame", "gesture", "state", "completed")  # messages that are events of a stream

Json = dict[str, Any]


class EventStream:
    """Iterate to get typed events; `raw()` gives the server's own dictionaries.

    The first connection must work. When a later one is cut, falls silent or the server restarts, an `Interrupted`
    says so, and the stream goes on where it was as soon as it can. It ends after `Completed`, or after `close`, which
    any thread may call. A gesture that is held when a connection is lost is released before the `Interrupted`.

    Raises, while it is read:
        RefusedError: the server said no, and would again.
        ServerUnreachableError: there is no first connection, or no other for `give_up_s`.
        NotMyostreamError: what comes is not such a stream.
    """

    def __init__(
        self,
        server: Server,
        options: Mapping[str, Any],
        *,
        last_event_id: str = "",
        give_up_s: float = GIVE_UP_S,
        idle_s: float = IDLE_S,
        transport: str | None = None,  # auto, websocket or http
        known: Transport | None = None,  # what the client has found out about the server
    ) -> None:
        self._transport, self._known = transport, known or Transport()
        self._server, self._options = server, dict(options)
        self._patience, self._idle_s = Patience(give_up_s), idle_s
        self._opened = False
        self._closed = threading.Event()
        self._socket: socket.socket | None = None
        self._live: LiveSocket | None = None
        self._gesture = HeldGesture()
        self.last_event_id = last_event_id  # give it to another EventStream to go on from here

    def __iter__(self) -> Iterator[Event]:
        for said in self.raw():
            event = said if isinstance(said, Interrupted) else _typed(said)
            if event is not None:
                yield event

    def raw(self) -> Iterator[Json | Interrupted]:
        """Yield the events as dictionaries, and what interrupts them."""
        while not self._closed.is_set():
            try:
                with contextlib.closing(self._connected()) as events:
                    for event in events:
                        self._patience.succeeded()
                        if self._gesture.tells(event):
                            yield event
                if self.last_event_id == FINISHED:
                    return
                raise ServerUnreachableError("the server closed the connection")
            except ClientError as said:
                error = said
                if self._closed.is_set():
                    return
                if not self._opened:
                    raise
                if isinstance(error, NoWebSocketError):  # a proxy, in the place of a server that restarts
                    error = ServerUnreachableError(str(error))
                if release := self._gesture.cut():
                    yield release
                delay_s = self._patience.delay_after(error)
                yield Interrupted(reason=str(error), attempt=self._patience.failures, delay_s=delay_s)
                self._closed.wait(delay_s)

    def close(self) -> None:
        """End the stream; whoever waits for its next event gets the end at once."""
        self._closed.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it may be closed already
                self._socket.shutdown(socket.SHUT_RDWR)
        if self._live is not None:
            self._live.socket.abort()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connected(self) -> Generator[Json, None, None]:
        """Return the events of one connection."""
        return self._known.chosen(self._transport, self._by_socket, self._by_http)

    def _by_socket(self) -> Generator[Json, None, None]:
        # the query must say something, or the first message would be waited for
        asked = {**self._options, "send": "frames,states"}
        if self.last_event_id:
            asked["last_event_id"] = self.last_event_id
        live = self._live = LiveSocket.open(self._server, "/infer/live", asked, self._idle_s)
        self._opened = True
        return self._spoken(live)

    def _spoken(self, live: LiveSocket) -> Generator[Json, None, None]:
        """Yield the events of one WebSocket, in the form that those of the other way have."""
        with contextlib.closing(live.socket):
            while not self._closed.is_set() and self.last_event_id != FINISHED:
                for said in live.received(None):
                    kind = said.pop("type", None) if isinstance(said, dict) else None
                    if not isinstance(said, dict) or kind not in SPOKEN:
                        continue
                    # a gesture has an id of its own
                    name = "event_id" if kind == "gesture" else "id"
                    self.last_event_id = said.pop(name, self.last_event_id)
                    if said.get("status") == "completed":
                        if said.get("reason") in RESTARTS:
                            raise ServerUnreachableError(f"the server ended the stream: {said['reason']}")
                        self.last_event_id = FINISHED
                    yield said

    def _by_http(self) -> Generator[Json, None, None]:
        """Yield the events of one answer."""
        connection = self._server.connection(self._idle_s)
        self._socket = connection.sock
        try:
            if self._closed.is_set():  # before it could shut this socket
                return
            answer = self._asked(connection)
            if answer.status == 204:  # all has been said before
                self.last_event_id = FINISHED
                return
            self._opened = True
            parser = SseParser(self.last_event_id)
            while piece := answer.read1(65536):
                yield from self._parsed(parser, piece)
        except (OSError, http.client.HTTPException) as error:
            raise ServerUnreachableError(reason_of(error, self._idle_s)) from error
        finally:
            connection.close()

    def _asked(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if self.last_event_id:
            headers["Last-Event-ID"] = self.last_event_id
        body = json.dumps(self._options).encode()
        connection.request("POST", self._server.target("/infer/stream"), body, self._server.headers(headers))
        answer = connection.getresponse()
        kind = answer.getheader("Content-Type", "no content type")
        if answer.status >= 400:
            raise refused(answer.status, answer.read(), answer.getheader("Retry-After"))
        if answer.status != 204 and not kind.startswith("text/event-stream"):
            raise NotMyostreamError(
                f"expected text/event-stream, got {answer.status} {kind}; is the URL right?"
            )
        return answer

    def _parsed(self, parser: SseParser, piece: bytes) -> Iterator[Json]:
        try:
            events = [
                (event, json.loads(event.data)) for event in parser.feed(piece) if event.event == "message"
            ]
        except ValueError as error:
            raise NotMyostreamError(f"the stream cannot be read: {error}") from error
        if parser.retry_ms is not None:
            self._patience.first_delay_s = parser.retry_ms / 1e3
        if not all(isinstance(data, dict) for _, data in events):
            raise NotMyostreamError("the stream cannot be read: an event is no JSON object")
        for event, data in events:
            self.last_event_id = event.id
            if data.get("status") == "completed" and event.id != FINISHED:
                raise ServerUnreachableError(f"the server ended the stream: {data.get('reason')}")
            yield data


def _typed(said: Json) -> Event | None:
    try:
        return event_of(said)
    except TypeError as error:
        raise NotMyostreamError(f"an event lacks a key: {error}") from error
