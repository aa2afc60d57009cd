"""The live sockets: `/emg/sources/<name>/live` for who brings a signal, `/infer/live` for readers and windows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Flask, Response, current_app, request
from flask_smorest import Blueprint
from werkzeug.exceptions import Forbidden, HTTPException

from app.api.access.access import CONTROL, INFER, READ, Caller, current_access, current_caller, needs
from app.api.context import current_runtime, named_in_body, source_in
from app.api.errors import InvalidBody
from app.api.live.attached import AttachedSocket
from app.api.live.conversation import Conversation
from app.api.live.handshake import UpgradeRequired, accepted
from app.api.live.heard_sources import OwnSource, SourceElsewhere
from app.api.live.pushing_on import PushingOn
from app.api.live.roles import Talk
from app.api.live.sockets import DetachedSocket, LiveSockets
from app.api.live.talks import Listening, Predicting, Pushing
from app.api.live.upgrade import attached, detachable, detached
from app.api.live.writer import LiveWriter
from app.api.openapi import fails, named, query
from app.api.schemas.emg import SOURCE_NAME, expect_name
from app.api.schemas.live import InferLiveQuerySchema, SourceLiveQuerySchema, live_query
from app.api.schemas.params import LiveJob
from app.api.sse.client_socket import ClientSocket
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.remote_source import RemoteSource
from app.serving.runtime import Runtime

bp = Blueprint("live", __name__, description="Samples in and events out, on one WebSocket")

Begin = Callable[[LiveJob, LiveWriter], Talk]


class NoSocketHere(HTTPException):
    """501: the process that serves has no way to give a connection away."""

    code = 501
    description = (
        "live sockets need gunicorn (make serve); under flask run, POST samples and GET /infer/stream instead"
    )


@bp.get("/emg/sources/<name>/live", parameters=named(SOURCE_NAME.pattern))
@bp.doc(parameters=query(SourceLiveQuerySchema))
@bp.alt_response(101, description="The WebSocket is open: docs/live.md has its messages")
@fails(bp, 400, 404, 409, 422, 426, 429, 501, 503)
@needs(CONTROL)
def push(name: str) -> Response:
    """Open a WebSocket that samples come in by, and the events that are made of them go out.

    The query declares the source and says what is to come back, or the first message does. Every binary message after
    it is samples.
    """
    expect_name(name)
    job = live_query(request.args, pushes=True)
    accept = accepted(request.environ)
    runtime, caller = current_runtime(), current_caller()
    return _opened(partial(_pushing, runtime, name, caller), job, accept, predicts=False)


@bp.get("/infer/live")
@bp.doc(parameters=query(InferLiveQuerySchema))
@bp.alt_response(101, description="The WebSocket is open: docs/live.md has its messages")
@fails(bp, 400, 422, 426, 429, 501, 503)
@needs(READ)
def infer() -> Response:
    """Open a WebSocket that events of a source come out of, or that predicts windows which you send.

    With `length` in the query, or `windows` in the first message, every binary message is windows.
    """
    job = live_query(request.args, pushes=False)
    accept = accepted(request.environ)
    runtime, caller, wire = current_runtime(), current_caller(), ClientSocket(request.environ)
    begin = partial(_inferring, runtime, caller, lambda: not wire.gone)
    return _opened(begin, job, accept, predicts=job is None or job.windows is not None)


def register(app: Flask) -> None:
    """Have the worker know its live sockets, and Flask's router let requests with an upgrade through to them."""
    app.extensions["live sockets"] = []
    for path, endpoint in (("/emg/sources/<name>/live", "live.push"), ("/infer/live", "live.infer")):
        app.add_url_rule(path, endpoint, methods=["GET"], websocket=True)


def _sockets(runtime: Runtime) -> LiveSockets:
    known: list[LiveSockets] = current_app.extensions["live sockets"]
    if not known:
        known.append(LiveSockets(runtime.detached_streams))
    return known[0]


def _opened(begin: Begin, job: LiveJob | None, accept: str, *, predicts: bool) -> Response:
    """All that can be refused is refused here, before the answer; where the query says nothing, that comes later."""
    if request.method != "GET":
        raise UpgradeRequired
    current_access().expect_own_site(request.environ)
    sock = request.environ.get("gunicorn.socket")
    if sock is None:
        raise NoSocketHere
    runtime, caller, wire = current_runtime(), current_caller(), ClientSocket(request.environ)
    detaches = detachable(wire) and not predicts
    connection = DetachedSocket(wire) if detaches else AttachedSocket(sock)
    writer = LiveWriter(connection.push, wire.writable)
    runtime.streams.enter(caller.name)
    try:
        talk = None if job is None else begin(job, writer)
    except BaseException:
        runtime.streams.leave(caller.name)
        raise
    conversation = Conversation(
        writer,
        begin,
        most=runtime.settings.max_body,
        leaving=runtime.streams.leaving,
        why_leaving=runtime.streams.why_leaving,
        talk=talk,
        budget=request.environ["wsgi.input"].budget,
        left=partial(runtime.streams.leave, caller.name),
    )
    wire.watch()
    if isinstance(connection, DetachedSocket):
        return detached(conversation, connection, _sockets(runtime), accept)
    return attached(conversation, connection, runtime.detached_streams, accept)


def _pushing(runtime: Runtime, name: str, caller: Caller, job: LiveJob, writer: LiveWriter) -> Talk:
    if job.windows is not None:
        raise InvalidBody({"windows": ["are for /infer/live"]})
    if job.stream.source is not None:
        raise InvalidBody({"source": ["the path names it"]})
    if job.send:
        _expect_scope(caller, READ, "hearing what is made of the samples; send=none needs it not")
    source = _pushable(runtime, name, job)
    if isinstance(source, RemoteSource):
        return PushingOn(runtime, source, job, writer, caller.name)
    return Pushing(runtime, source, job, writer, caller.name)


def _pushable(runtime: Runtime, name: str, job: LiveJob) -> SourcePipeline | RemoteSource:
    """Return the source that a client brings: declared where it says what it is, and whichever worker has it."""
    if runtime.sharing is None:
        if job.declare is None:
            return runtime.pipelines.named(name)
        with named_in_body():
            return runtime.declare(job.declare.named(name))[0]
    pipeline = runtime.pipelines.find(name)
    if job.declare is not None:
        with named_in_body():
            pipeline = runtime.sharing.owned.declare_anywhere(job.declare.named(name))
    remote = None if pipeline is not None else runtime.sharing.owned.remote(name)
    return remote or pipeline or runtime.pipelines.named(name)


def _inferring(
    runtime: Runtime, caller: Caller, wanted: Callable[[], bool], job: LiveJob, writer: LiveWriter
) -> Talk:
    if job.declare is not None:
        raise InvalidBody({"declare": ["is for /emg/sources/<name>/live"]})
    if job.windows is not None:
        _expect_scope(caller, INFER, "having windows predicted")
        return Predicting(runtime, job, writer, wanted)
    if job.scale != 1.0:
        raise InvalidBody({"scale": ["is of windows; who listens sends no samples"]})
    source = source_in(runtime, job.stream.source)
    heard = SourceElsewhere(runtime, source) if isinstance(source, str) else OwnSource(runtime, source)
    return Listening(heard, job, writer, caller.name)


def _expect_scope(caller: Caller, scope: str, what: str) -> None:
    if caller.key is not None and scope not in caller.key.scopes:
        raise Forbidden(
            f"the key {caller.key.name} may {', '.join(sorted(caller.key.scopes))}; {what} needs {scope}"
        )
