"""`/emg`: the sources there are, the quality of their signals, and the samples that clients push."""

from __future__ import annotations

import time
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from flask import request
from flask_smorest import Blueprint
from werkzeug.exceptions import BadRequest, UnsupportedMediaType
from werkzeug.wsgi import get_input_stream

from app.api.access.access import CONTROL, READ, needs
from app.api.codec.decoding import JSON, RAW, UNDECLARED, expect_plain, load_json, load_query, whole_body
from app.api.codec.live_samples import Pushed, read_pushed
from app.api.codec.raw_samples import read_raw
from app.api.codec.record_stream import SAMPLES, records
from app.api.context import current_pipeline, current_runtime, named_in_body
from app.api.errors import InvalidBody
from app.api.live.slowing import CALM_S, LEAST_S
from app.api.openapi import body, fails, named, query
from app.api.routes.health import source_state
from app.api.routes.sources_elsewhere import aux_fields, default_of_all, sources_of_all
from app.api.schemas.emg import (
    SOURCE_NAME,
    DeclareSchema,
    PushQuerySchema,
    PushSchema,
    QualityQuerySchema,
    QualitySchema,
    ReceiptSchema,
    SourceSchema,
    SourcesSchema,
    UploadQuerySchema,
    expect_name,
)
from app.api.schemas.models import SwapSchema, UseSchema
from app.api.schemas.params import DeclareJob, PushJob, UseJob
from app.emg.pushed_source import PushSource, Receipt
from app.emg.source import aux_streams, channel_names
from app.errors import BusyError, NotReadyError, TooFastError
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.remote_source import RemoteSource
from app.serving.sources.replays import replay_of

bp = needs(CONTROL)(
    Blueprint(
        "emg", __name__, url_prefix="/emg", description="Where the signals come from, and how good they are"
    )
)

_upload_query = UploadQuerySchema()
TURN = 50  # records of one upload before the other work of this process gets its turn
_declare, _use, _push, _push_query, _quality = (
    DeclareSchema(),
    UseSchema(),
    PushSchema(),
    PushQuerySchema(),
    QualityQuerySchema(),
)


@bp.get("/sources")
@bp.response(200, SourcesSchema)
@needs(READ)
def sources() -> dict[str, Any]:
    """All sources and their state, those that other workers read included."""
    runtime = current_runtime()
    own = {pipeline.name: described(pipeline) for pipeline in runtime.pipelines}
    default = runtime.pipelines.default
    return {
        "default": default_of_all(runtime.bus, default.name if default else None),
        "sources": sources_of_all(runtime.bus, own),
    }


@bp.get("/sources/<name>", parameters=named(SOURCE_NAME.pattern))
@bp.response(200, SourceSchema)
@fails(bp, 404)
@needs(READ)
def source(name: str) -> dict[str, Any]:
    """One source and its state."""
    return described(current_runtime().pipelines.named(name))


@bp.post("/sources/<name>", parameters=named(SOURCE_NAME.pattern))
@bp.doc(requestBody=body(DeclareSchema, required=True))
@bp.response(201, SourceSchema)
@bp.alt_response(200, schema=SourceSchema, description="It was declared the same before, and goes on")
@fails(bp, 400, 409, 413, 415, 422, 503)
def declare(name: str) -> tuple[dict[str, Any], int]:
    """Declare a source that you are going to push (with `EMG_MODE=push`). It ends when you delete it or fall silent.

    Channels and rate are those of the model that is to read it: `model`, or the server's (see `/health`).
    """
    expect_name(name)
    job: DeclareJob = load_json(_declare)
    with named_in_body():
        pipeline, new = current_runtime().declare(job.named(name))
    return described(pipeline), HTTPStatus.CREATED if new else HTTPStatus.OK


@bp.put("/sources/<name>/model", parameters=named(SOURCE_NAME.pattern))
@bp.doc(requestBody=body(UseSchema, required=True))
@bp.response(200, SwapSchema)
@fails(bp, 400, 404, 409, 413, 415, 422, 503)
def use_model(name: str) -> dict[str, Any]:
    """Have another model read a source, under all streams that run: from one sample on, the same in all workers.

    It is opened and compared with its reference before; where that fails nothing changes. The streams get
    `{"status": "model"}` before its first frame.
    """
    pipeline = current_runtime().pipelines.named(name)
    job: UseJob = load_json(_use)
    with named_in_body():
        return asdict(current_runtime().source_models.swaps.put(pipeline, job.model, job.profile))


@bp.delete("/sources/<name>/model", parameters=named(SOURCE_NAME.pattern))
@bp.response(200, SwapSchema)
@fails(bp, 404, 409, 422, 503)
def use_model_before(name: str) -> dict[str, Any]:
    """Go back to the model that read the source before, as often as there was one."""
    pipeline = current_runtime().pipelines.named(name)
    return asdict(current_runtime().source_models.swaps.back(pipeline))


@bp.delete("/sources/<name>", parameters=named(SOURCE_NAME.pattern))
@bp.response(204)
@fails(bp, 404, 409)
def end(name: str) -> None:
    """End a pushed source; its streams get their last event."""
    runtime = current_runtime()
    if runtime.sharing is not None and runtime.sharing.owned.forget(name):
        return
    pipeline = runtime.pipelines.named(name)
    _pushed(pipeline)
    runtime.pipelines.remove(pipeline)


@bp.post("/sources/<name>/samples", parameters=named(SOURCE_NAME.pattern))
@bp.doc(requestBody=body(PushSchema, raw=True, required=True), parameters=query(PushQuerySchema))
@bp.response(200, ReceiptSchema)
@fails(bp, 400, 404, 409, 413, 415, 422, 429, 503)
def push(name: str) -> dict[str, int]:
    """Send samples: JSON, or raw `application/octet-stream` that the query describes.

    Chunks that come twice are recognised by `first_sample`, and those that come in the wrong order are put right
    if the missing one follows within 0.25 s. Send at least ten chunks a second: after 0.25 s without samples the
    source counts as stalled.

    With `application/x-myostream-samples` the body is one long upload of the live socket's messages, each with its
    length before it as four bytes, little-endian: it may be chunked and last for hours, and is taken in as it comes.
    """
    source = _pushable(name)
    if request.mimetype == SAMPLES:
        return _uploaded(name, source)
    job = _pushed_samples(source.channels)
    return asdict(source.push(job.first_sample, job.samples))


@bp.get("/quality")
@bp.doc(parameters=query(QualityQuerySchema))
@bp.response(200, QualitySchema)
@fails(bp, 422, 503)
@needs(READ)
def quality() -> dict[str, Any]:
    """How good the signal of each electrode is; docs/quality.md says how each problem is found."""
    pipeline = current_pipeline(load_query(_quality))
    look = pipeline.quality.look()
    return {
        "source": pipeline.name,
        "ok": look.ok,
        "sample_index": look.sample_index,
        "loss": round(look.loss, 5),
        "advice": look.advice,
        "channels": [
            {
                "channel": channel.channel,
                "ok": channel.ok,
                "problems": channel.problems,
                "rms": None if channel.rms is None else round(channel.rms, 3),
                "hum_ratio": None if channel.hum_ratio is None else round(channel.hum_ratio, 4),
            }
            for channel in look.channels
        ],
    }


def described(pipeline: SourcePipeline) -> dict[str, Any]:
    """Return a source and its state, as it is answered."""
    pushed = pipeline.source if isinstance(pipeline.source, PushSource) else None
    source, manifest, montage = pipeline.source, pipeline.manifest, pipeline.montage
    return {
        **source_state(pipeline.acquisition.look()),
        "name": pipeline.name,
        "channels": source.channels,
        "channel_names": list(channel_names(source)),
        "model": pipeline.use.name,
        "profile": None if pipeline.use.profile is None else pipeline.use.profile.name,
        "model_sha256": None if pipeline.use.model is None else pipeline.use.model.artefact.sha256,
        "models_before": [
            pick._asdict() for pick in current_runtime().source_models.swaps.before(pipeline.name)
        ],
        "advice": None if manifest is not None else pipeline.no_model,
        "montage": None if montage is None else str(montage),
        "signal_channels": list(range(source.channels) if montage is None else montage.columns),
        "filters": [dict(one) for one in pipeline.acquisition.path.filters],
        "aux": [aux_fields(stream) for stream in aux_streams(source)],
        "sampling_rate_hz": pipeline.sampling_rate,
        "units": pipeline.source.units,
        "gesture_names": list(pipeline.source.gesture_names),
        "pushed": pushed is not None,
        "replay": replay_of(source) is not None,
        "scale": 1.0 if pushed is None else pushed.factor,
        "next_sample": None if pushed is None else pushed.next_sample,
        "counters": dict(getattr(pipeline.source, "sums", {})),
    }


def _pushed(pipeline: SourcePipeline) -> PushSource:
    if not isinstance(pipeline.source, PushSource):
        raise BusyError(
            f"the source {pipeline.name} is the server's own; clients push to those they declared"
        )
    return pipeline.source


def _pushable(name: str) -> PushSource | RemoteSource:
    """Return a source that can be pushed to, whichever worker has it."""
    runtime = current_runtime()
    if runtime.sharing is not None and runtime.pipelines.find(name) is None:
        remote = runtime.sharing.owned.remote(name)
        if remote is not None:
            return remote
    return _pushed(runtime.pipelines.named(name))


def _uploaded(name: str, source: PushSource | RemoteSource) -> dict[str, int]:
    """Take one record after the other; what was taken stays taken, whatever becomes of the rest."""
    expect_plain()
    runtime, taken = current_runtime(), {"accepted": 0, "duplicates": 0, "lost_samples": 0}
    forget = getattr(request.environ["wsgi.input"], "forget", lambda: None)
    scale = load_query(_upload_query)
    forget()  # nor need there be room for all of it together
    read = get_input_stream(
        request.environ
    ).read  # Flask's own ends at EMG_MAX_BODY, which here each record has
    for number, record in enumerate(records(read, runtime.settings.max_body), 1):
        forget()  # the bytes of those before are held by nobody
        if number % TURN == 0:
            time.sleep(0)
        if (reason := runtime.streams.leaving()) is not None:
            raise NotReadyError(f"{reason}; go on at sample {source.next_sample}")
        if isinstance(source, PushSource):
            found = runtime.pipelines.find(
                name
            )  # not `named`: this upload cannot be handed on to another worker
            if found is None or found.source is not source:
                raise BusyError(
                    f"the source {name} has ended, or been declared anew; declare it, and go on there"
                )
        pushed = read_pushed(record, source.channels, source.aux_streams, scale)
        receipt = _slowed(source, pushed)
        for count in taken:
            taken[count] += getattr(receipt, count)
    if source.next_sample is None:
        raise BadRequest("the body is empty; send at least one record")
    return {**taken, "next_sample": source.next_sample}


def _slowed(source: PushSource | RemoteSource, pushed: Pushed) -> Receipt:
    """Push it when the source takes it: a sender that is too fast waits, as its connection then does."""
    while True:
        try:
            return source.push(pushed.first_sample, pushed.samples, pushed.aux)
        except TooFastError as error:
            if (reason := current_runtime().streams.leaving()) is not None:
                raise NotReadyError(f"{reason}; go on at sample {source.next_sample}") from None
            time.sleep(min(max(error.retry_s, LEAST_S), CALM_S))


def _pushed_samples(channels: int) -> PushJob:
    kind = request.mimetype
    if kind == JSON or kind in UNDECLARED:
        if request.args:
            raise InvalidBody({"query": ["it is for a binary body; JSON says all of it itself"]})
        job: PushJob = load_json(_push)
        return job
    if kind != RAW:
        raise UnsupportedMediaType(f"the body must be {JSON}, {RAW} or {SAMPLES}, got {kind}")
    job = load_query(_push_query)
    return PushJob(
        first_sample=job.first_sample, samples=read_raw(whole_body(), channels, job.dtype, job.scale)
    )
