"""`/infer/stream`: live predictions as Server-Sent Events, and figures about them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from flask import Response, request
from flask_smorest import Blueprint

from app.api.access.access import READ, current_caller, needs
from app.api.codec.decoding import load_json_or_query, load_query
from app.api.context import current_runtime, source_in
from app.api.open_stream import open_stream
from app.api.openapi import body, fails, query
from app.api.routes.health import source_state
from app.api.schemas.params import StreamJob
from app.api.schemas.streaming import (
    FrameSchema,
    StatsSchema,
    StreamQuerySchema,
    StreamSchema,
    StreamTextSchema,
)
from app.api.sse import events as sse
from app.api.sse.client_socket import ClientSocket
from app.api.sse.handover import KEEP_ALIVE_S, SHUTDOWN_S, Handover
from app.api.sse.socket_writer import SocketWriter, open_outlet
from app.serving.pipelines.stream_opener import Client
from app.serving.streams.client_stream import GIVE_UP_S, Stream
from app.serving.streams.events import Completed, StreamOptions

bp = needs(READ)(Blueprint("streaming", __name__, url_prefix="/infer/stream", description="Live predictions"))

_stream, _stream_query = StreamSchema(), StreamQuerySchema()


@bp.post("")
@bp.doc(requestBody=body(StreamSchema), parameters=query(StreamTextSchema))
@bp.response(200, FrameSchema, content_type=sse.MIMETYPE)
@fails(bp, 400, 413, 415, 422, 503)
def stream() -> Response:
    """Stream predictions as `text/event-stream`: `curl -N`, or `fetch` in a browser.

    Every event is unnamed, and its `data` is one JSON object: frames as described here, `{"status": "stalled"}`
    and `{"status": "recovered"}` when the source breaks off and comes back, `{"error", "timestamp", "frame"}` on
    trouble, `{"gesture", "phase", ...}` on `events`,
    and last `{"status": "completed", "total_frames", "duration_seconds", "avg_fps"}`.
    """
    return _opened(load_json_or_query(_stream))


@bp.get("")
@bp.doc(parameters=query(StreamQuerySchema))
@bp.response(200, FrameSchema, content_type=sse.MIMETYPE)
@fails(bp, 422, 503)
def stream_by_get() -> Response:
    """Return the same by GET, so that a browser's own `EventSource` can open it."""
    return _opened(load_query(_stream_query))


@bp.get("/stats")
@bp.response(200, StatsSchema)
def stats() -> dict[str, Any]:
    """Return what the streams have done since the worker started, and how long each stage took.

    `decision_delay_ms` is computed, for 30 fps and the model's own votes and for every group of readers: half the
    window, half a hop for each vote, the group delays of filter and montage, and the measured latency (Farrell & Weir
    2008).
    """
    runtime = current_runtime()
    latency = runtime.stats.mean_infer_ms()
    default, own = StreamOptions(fps=30.0, backend=""), runtime.pipelines.default
    states = [pipeline.acquisition.look() for pipeline in runtime.pipelines]
    return {
        "max_throughput_qps": None if not latency else round(1e3 / latency, 1),
        "expected_latency_ms": None if latency is None else round(latency, 4),
        "active_streams": runtime.stats.active_streams,
        "frames_sent": runtime.stats.frames_sent,
        "frames_dropped": runtime.stats.frames_dropped,
        "gaps": sum(state.gaps for state in states),
        "decision_delay_ms": _rounded(runtime.decision_delay_ms(default, None if own is None else own.use)),
        "groups": [
            {
                "source": pipeline.name,
                "fps": options.fps,
                "backend": options.backend,
                "model": use.name,
                **asdict(options.rule_with(use.manifest)),
                "events": options.events,
                "readers": group.readers,
                "gestures": group.gesture_figures,
                "decision_delay_ms": _rounded(runtime.decision_delay_ms(options, use)),
            }
            for pipeline in runtime.pipelines
            for use, options, group in pipeline.groups()
        ],
        "source": source_state(states[0]) if states else None,
        "latency_ms": {
            stage: {name: round(value, 3) for name, value in values.items()}
            for stage, values in runtime.stats.percentiles().items()
        },
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _opened(job: StreamJob) -> Response:
    """All that can be refused is refused here, before the first byte."""
    runtime = current_runtime()
    last_event_id = request.headers.get("Last-Event-ID") or job.last_event_id
    if last_event_id == sse.FINISHED:
        return Response(status=HTTPStatus.NO_CONTENT)  # tells EventSource to stop reconnecting
    wire = ClientSocket(request.environ)
    outlet = open_outlet(wire, request.environ.get("SERVER_PROTOCOL", ""))
    opened = open_stream(
        runtime,
        source_in(runtime, job.source),
        job,
        Client(
            place=sse.place_of(last_event_id),
            writer=outlet,
            writable=wire.writable,
            caller=current_caller().name,
        ),
    )
    wire.watch()
    frames, close = opened.stream, opened.close
    if outlet is not None and opened.duration_s is None and request.method != "HEAD":
        return Handover(frames, wire, outlet, runtime.detached_streams, close)
    response = Response(_events(frames, wire, outlet), mimetype=sse.MIMETYPE, headers=sse.HEADERS)
    response.call_on_close(close)  # also when the first byte was never asked for
    return response


def _events(stream: Stream, wire: ClientSocket, outlet: SocketWriter | None) -> Iterator[bytes]:
    """Yield what gunicorn writes: all of it, or with an outlet only what comes before and after the frames."""
    yield sse.COMMENT  # the headers leave now, not with the first frame
    spoke = time.perf_counter()
    for item in stream:
        if isinstance(item, Completed):
            patience_s = SHUTDOWN_S if item.cut_short else GIVE_UP_S
            if (outlet is None or outlet.finish(patience_s)) and wire.takes_more(patience_s):
                yield sse.last(item, stream.place)
                return
            break
        if item is not None:
            if outlet is not None and not outlet.finish(GIVE_UP_S):
                break
            yield sse.frame(item)
            spoke = time.perf_counter()
        elif wire.gone:
            break
        elif outlet is not None:
            outlet.keep_alive(KEEP_ALIVE_S)
        elif time.perf_counter() - spoke > KEEP_ALIVE_S:
            spoke = time.perf_counter()
            yield sse.COMMENT
    wire.abort()  # it left, or does not read: gunicorn's farewell would wait for it
