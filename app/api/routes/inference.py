"""`/infer`: predictions for windows of the running source, or for the caller's own (see also fast_path.py)."""

from __future__ import annotations

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import Schema

from app.api.access.access import INFER, needs
from app.api.codec.decoding import JSON, as_windows, expect_shape, load_windows
from app.api.codec.responses import backend_answer, infer_answer
from app.api.context import current_pipeline, current_runtime
from app.api.errors import InvalidBody
from app.api.openapi import body, described, fails, query
from app.api.schemas.inference import (
    BackendResultSchema,
    InferQuerySchema,
    InferResultSchema,
    InferSchema,
    WindowsQuerySchema,
    WindowsSchema,
)
from app.api.schemas.params import InferJob
from app.api.sse.client_socket import ClientSocket
from app.emg.source import Samples
from app.serving.runtime import Runtime

bp = needs(INFER)(
    Blueprint("inference", __name__, url_prefix="/infer", description="Predictions, one request at a time")
)

_infer, _infer_query = InferSchema(), InferQuerySchema()
_windows, _windows_query = WindowsSchema(), WindowsQuerySchema()


@bp.post("")
@described(
    bp.doc(requestBody=body(InferSchema, binary=True), parameters=query(InferQuerySchema)),
    bp.response(200, InferResultSchema),
    fails(bp, 400, 413, 415, 422, 503),
)
def infer() -> Response:
    """Predict with the best backend. Windows come from the running source, or in the body.

    The body is JSON, or your own windows as `application/x-npy` or raw `application/octet-stream` (float32,
    little-endian); the query holds for those two.
    """
    runtime = current_runtime()
    job, windows = _asked(runtime, _infer, _infer_query)
    backend, steps = _stepping(runtime, job)
    wire = ClientSocket(request.environ)
    answer = runtime.engine.infer(
        windows, preprocess=job.preprocess, backend=backend, steps=steps, wanted=lambda: not wire.gone
    )
    runtime.engine.thread.breathe()
    return Response(infer_answer(answer, runtime), content_type=JSON)


@bp.post("/tensorrt")
@described(
    bp.doc(requestBody=body(WindowsSchema, binary=True), parameters=query(WindowsQuerySchema)),
    bp.response(200, BackendResultSchema),
    fails(bp, 400, 413, 415, 422, 503),
)
def infer_tensorrt() -> Response:
    """Predict with TensorRT; 503 with the reason and the cure where it is not available."""
    return _infer_with("tensorrt")


@bp.post("/onnx")
@described(
    bp.doc(requestBody=body(WindowsSchema, binary=True), parameters=query(WindowsQuerySchema)),
    bp.response(200, BackendResultSchema),
    fails(bp, 400, 413, 415, 422, 503),
)
def infer_onnx() -> Response:
    """Predict with ONNX Runtime."""
    return _infer_with("onnxruntime")


def _infer_with(backend: str) -> Response:
    runtime = current_runtime()
    job, windows = _asked(runtime, _windows, _windows_query)
    wire = ClientSocket(request.environ)
    answer = runtime.engine.infer(
        windows, preprocess=job.preprocess, backend=backend, wanted=lambda: not wire.gone
    )
    runtime.engine.thread.breathe()
    return Response(backend_answer(answer, runtime), content_type=JSON)


def _asked(runtime: Runtime, body_schema: Schema, query_schema: Schema) -> tuple[InferJob, Samples]:
    job, emg = load_windows(body_schema, query_schema)
    if emg is None and runtime.artefact is None:
        current_pipeline(job.source).expect_model()
    manifest = runtime.manifest
    expect_shape(job, manifest, own=emg is not None)
    most = runtime.settings.max_batch
    if job.batch is not None and job.batch > most:
        raise InvalidBody({"batch": [f"must be at most EMG_MAX_BATCH, {most}, got {job.batch}"]})
    if emg is None:
        return job, current_pipeline(job.source).snapshot(job.batch or 1)
    if job.source is not None:
        raise InvalidBody({"source": ["your own windows come from no source; leave one of the two out"]})
    return job, as_windows(emg, job, manifest, most)


def _stepping(runtime: Runtime, job: InferJob) -> tuple[str | None, int | None]:
    """Only PyTorch can run a spiking network for other steps than it was exported with."""
    manifest = runtime.manifest
    if job.steps is None or manifest.architecture != "spiking_tcn" or job.steps == manifest.steps:
        return None, None
    return "pytorch", job.steps
