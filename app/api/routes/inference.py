"""`/infer`: predictions for windows of the running source, or for the caller's own (see also app/api/fast)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Response, request
from flask_smorest import Blueprint

from app.api.access.access import INFER, needs
from app.api.codec.decoding import JSON, as_windows, expect_shape, load_windows
from app.api.codec.responses import backend_answer, infer_answer
from app.api.context import current_pipeline, current_runtime, named_in_body
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
from app.inference.manifest import Manifest
from app.serving.engine.answer import Answer
from app.serving.models.open_models import OpenModel
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
    job, emg = load_windows(_infer, _infer_query)
    with _asked(runtime, job, emg) as (model, windows):
        backend, steps = _stepping(model.manifest, job)
        answer = _answered(runtime, model, windows, job, backend, steps)
    return Response(infer_answer(answer, model.manifest, runtime.cpu.percent), content_type=JSON)


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
    job, emg = load_windows(_windows, _windows_query)
    with _asked(runtime, job, emg) as (model, windows):
        answer = _answered(runtime, model, windows, job, backend)
    return Response(backend_answer(answer, model.manifest, runtime.cpu.percent), content_type=JSON)


def _answered(
    runtime: Runtime,
    model: OpenModel,
    windows: Samples,
    job: InferJob,
    backend: str | None,
    steps: int | None = None,
) -> Answer:
    wire = ClientSocket(request.environ)
    answer = model.engine.infer(
        windows, preprocess=job.preprocess, backend=backend, steps=steps, wanted=lambda: not wire.gone
    )
    runtime.engine.thread.breathe()
    return answer


@contextmanager
def _asked(runtime: Runtime, job: InferJob, emg: Samples | None) -> Iterator[tuple[OpenModel, Samples]]:
    """Give the model that is to predict, held meanwhile, and the windows: the caller's own, or of the source."""
    if job.source is not None and emg is not None:
        raise InvalidBody({"source": ["your own windows come from no source; leave one of the two out"]})
    most = runtime.settings.max_batch
    if job.batch is not None and job.batch > most:
        raise InvalidBody({"batch": [f"must be at most EMG_MAX_BATCH, {most}, got {job.batch}"]})
    if emg is None:
        with _of_source(runtime, job) as found:
            yield found
        return
    if job.model is None:
        _ = runtime.manifest  # without a model of the server's own, what to do is said
    with named_in_body(), runtime.open_models.holding(job.model) as model:
        expect_shape(job, model.manifest, own=True)
        yield model, as_windows(emg, job, model.manifest, most)


@contextmanager
def _of_source(runtime: Runtime, job: InferJob) -> Iterator[tuple[OpenModel, Samples]]:
    pipeline = current_pipeline(job.source)
    if job.model is None:
        pipeline.expect_model()
        use = pipeline.use
        assert use.model is not None  # else it has said so
        expect_shape(job, use.model.manifest, own=False)
        yield use.model, pipeline.snapshot(job.batch or 1, use)
        return
    with named_in_body():
        named = runtime.source_models.named(pipeline, job.model)
    with pipeline.named.holding(named) as use:
        assert use.model is not None  # it was named
        expect_shape(job, use.model.manifest, own=False)
        yield use.model, pipeline.snapshot(job.batch or 1, use)


def _stepping(manifest: Manifest, job: InferJob) -> tuple[str | None, int | None]:
    """Only PyTorch can run a spiking network for other steps than it was exported with."""
    if job.steps is None or manifest.architecture != "spiking_tcn" or job.steps == manifest.steps:
        return None, None
    return "pytorch", job.steps
