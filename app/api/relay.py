"""A request about a source that another worker has: carried there, done there, and its answer carried back.

Who asks was let in and counted where the request came in; the other worker takes that worker's word for it. Streams and
live sockets are not carried: what they hear comes by the bus.
"""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from app.api.access.access import Caller, current_caller, relayed_as
from app.api.codec.decoding import whole_body
from app.api.errors import answer_of
from app.api.request_metrics import RELAYED
from app.api.tracing import REQUEST_ID_HEADER, request_id
from app.errors import MyostreamError, OverloadedError, SourceElsewhereError
from app.keys import Key
from app.serving.bus.bus import Bus
from app.serving.runtime import Runtime

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

REQUEST = "request"  # the kind of call
ANSWER_S = 30.0  # a model may have to be opened for it
STREAMS = ("streaming.stream", "streaming.stream_by_get", "live.push", "live.infer")
MOST = 32 * 2**20  # bytes of an answer
_HEAD = struct.Struct("<I")  # bytes of the JSON that comes first
_CARRIED = (
    "REQUEST_METHOD",
    "PATH_INFO",
    "QUERY_STRING",
    "CONTENT_TYPE",
    "HTTP_ACCEPT",
    "HTTP_TRACEPARENT",
    "REMOTE_ADDR",
)
_OWN = (
    "content-length",
    "connection",
    "date",
    "server",
    REQUEST_ID_HEADER.lower(),
    "access-control-",  # the other worker was told of no origin
    "vary",
)  # of whoever answers the client; names begin so


def register(app: Flask, runtime: Runtime | None) -> None:
    """Carry requests elsewhere, and answer those that others carry here."""
    inner: WSGIApplication = app.wsgi_app

    @app.errorhandler(SourceElsewhereError)
    def carry(error: SourceElsewhereError) -> Response:
        bus = app.extensions["runtime"]().bus
        if bus is None or not error.alive or request.endpoint in STREAMS or RELAYED in request.environ:
            return answer_of(error)
        try:
            return asked_of(bus, error.node, ANSWER_S)
        except (MyostreamError, HTTPException) as failed:  # what is raised in a handler, no other handles
            return app.make_response(app.handle_user_exception(failed))

    if runtime is not None and runtime.bus is not None:
        runtime.bus.serve(REQUEST, lambda message: _answered(inner, message))


def asked_of(bus: Bus, node: str, timeout_s: float) -> Response:
    """Return what another worker answers to this request.

    Raises:
        NodeGoneError: it is gone, or has not answered in time.
    """
    return _response(bus.call(node, REQUEST, _written(whole_body()), timeout_s))


def _written(body: bytes) -> bytes:
    environ, caller = request.environ, current_caller()
    head: dict[str, Any] = {name: environ[name] for name in _CARRIED if name in environ}
    head["HTTP_X_REQUEST_ID"] = request_id(environ)
    key = None if caller.key is None else [caller.key.name, sorted(caller.key.scopes)]
    return _joined({"environ": head, "caller": caller.name, "key": key}, body)


def _answered(app: WSGIApplication, message: bytes) -> bytes:
    """Return what this worker's application answers to a request that another has let in."""
    head, body = _parted(message)
    key = None if head["key"] is None else Key(head["key"][0], frozenset(head["key"][1]), "")
    environ: WSGIEnvironment = {
        "SCRIPT_NAME": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "0",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "CONTENT_LENGTH": str(len(body)),
        **head["environ"],
        **relayed_as(Caller(head["caller"], key)),
        RELAYED: True,
    }
    said: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], object]:
        said[:] = [status, headers]
        return lambda _: None

    return _joined({"said": said}, _collected(app(environ, start_response)))


def _collected(pieces: Iterable[bytes]) -> bytes:
    """Return an answer's whole body.

    Raises:
        OverloadedError: it is too long to be carried.
    """
    taken, size = [], 0
    try:
        for piece in pieces:
            size += len(piece)
            if size > MOST:
                raise OverloadedError(
                    f"the answer is more than {MOST} bytes, too long to be carried to another worker"
                )
            taken.append(piece)
    finally:
        getattr(pieces, "close", lambda: None)()
    return b"".join(taken)


def _response(answer: bytes) -> Response:
    head, body = _parted(answer)
    status, headers = head["said"]
    kept = [(name, value) for name, value in headers if not name.lower().startswith(_OWN)]
    return Response(body, status, kept)


def _joined(head: dict[str, Any], body: bytes) -> bytes:
    text = json.dumps(head).encode()
    return _HEAD.pack(len(text)) + text + body


def _parted(message: bytes) -> tuple[dict[str, Any], bytes]:
    (size,) = _HEAD.unpack_from(message)
    return json.loads(message[_HEAD.size : _HEAD.size + size]), message[_HEAD.size + size :]
