"""The caller's own windows, and samples that are pushed, at full speed: what Flask would do, without Flask.

Routing, request and application contexts, signals and response objects take more time than the model (figures in
docs/benchmarks.md). So a POST that brings windows for the server's own model to `/infer` or `/infer/<backend>`, with
fields that describe them or without, is answered here, with the same decoding, engine and answers as the views; so is a
push of raw samples (push.py). Whatever is not plain and sound goes on to Flask with its body, so that every error is
said in one place.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import numpy as np
import orjson
from flask import Flask, request
from marshmallow import Schema, ValidationError
from werkzeug.exceptions import HTTPException

from app.api.access.access import CONTROL, INFER, Access
from app.api.codec.decoding import (
    JSON,
    NPY,
    RAW,
    as_windows,
    expect_modest,
    expect_shape,
    query_values,
    read_floats,
)
from app.api.codec.json_numbers import as_array, only_windows
from app.api.codec.npy import read_npy
from app.api.codec.responses import backend_answer, infer_answer
from app.api.fast.push import receipt, source_of
from app.api.headers import SECURITY
from app.api.schemas.inference import InferQuerySchema, WindowsQuerySchema
from app.api.schemas.params import InferJob
from app.api.sse.client_socket import ClientSocket
from app.api.tracing import REQUEST_ID_HEADER, bind, request_id
from app.config import Settings
from app.emg.source import Samples
from app.errors import MyostreamError
from app.inference.manifest import Manifest
from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.engine.answer import Answer
from app.serving.runtime import Runtime

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

Encode = Callable[[Answer, Manifest, float], bytes]
Route = Callable[[bytes, "WSGIEnvironment", Runtime], "bytes | None"]

_JOB = InferJob()
QUERIES, LONGEST = 256, 200  # that are kept, with what they ask for; characters of one
_FAILED = "myostream.failed"
_PUSH = "/emg/sources/<name>/samples"


def register(app: Flask) -> None:
    """Have Flask say what has failed here."""

    @app.before_request
    def fail() -> None:
        error = request.environ.pop(_FAILED, None)
        try:
            if error is not None:
                raise error
        finally:
            del error  # it holds this frame, and that of the body: together they would wait for a collection


class FastPath:
    """WSGI middleware around the application of Flask."""

    def __init__(
        self,
        app: WSGIApplication,
        runtime: Callable[[], Runtime],
        settings: Settings,
        access: Access,
        metrics: SharedMetrics,
    ) -> None:
        self._app, self._runtime, self._access, self._metrics = app, runtime, access, metrics
        self._max_body, self._verbose = settings.max_body, settings.log_level == "debug"
        self._cors = bool(settings.cors_origins)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = time.perf_counter()
        answer = self._answered(environ)
        if answer is None:
            return self._app(environ, start_response)
        path = environ["PATH_INFO"]
        route = path if path in _INFER else _PUSH
        self._metrics.request("POST", route, 200, time.perf_counter() - began)
        if self._verbose:
            log.debug("POST %s 200 without Flask", route)
        start_response(
            "200 OK",
            [
                ("Content-Type", JSON),
                ("Content-Length", str(len(answer))),
                (REQUEST_ID_HEADER, request_id(environ)),
                *SECURITY,
            ],
        )
        return [answer]

    def _answered(self, environ: WSGIEnvironment) -> bytes | None:
        """Return the answer to a plain and sound request; None for every other."""
        route = _route(environ) if environ["REQUEST_METHOD"] == "POST" else None
        size = environ.get("CONTENT_LENGTH", "")
        if route is None or not (size.isascii() and size.isdigit()) or not 0 < int(size) <= self._max_body:
            return None
        if self._cors and "HTTP_ORIGIN" in environ:
            return None  # Flask says which origins may read the answer
        try:
            # before the body is read; who is refused here is refused again, and told so, by Flask
            self._access.admit(environ, INFER if environ["PATH_INFO"] in _INFER else CONTROL)
            bind(environ)
            body = environ["wsgi.input"].read(int(size))
        except (MyostreamError, HTTPException):
            return None
        environ["wsgi.input"] = BytesIO(body)  # for Flask, should it be asked
        if len(body) < int(size):
            return None  # it was cut
        try:
            return route(body, environ, self._runtime())
        except Exception as error:  # Flask says it, and does not try again what has failed
            environ[_FAILED] = error
            return None


def _route(environ: WSGIEnvironment) -> Route | None:
    path, kind = environ["PATH_INFO"], _kind(environ.get("CONTENT_TYPE", ""))
    if "HTTP_CONTENT_ENCODING" in environ:
        return None  # it may be one that nobody reads
    if path in _INFER:
        return _INFER[path] if kind in _READERS else None
    source = source_of(path) if kind == RAW else None
    return None if source is None else partial(receipt, source)


@lru_cache(QUERIES)
def _kind(content_type: str) -> str:
    """Return a media type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def _job(schema: Schema, kind: str, query: str, beside: bytes) -> InferJob | None:
    """Return what a query, or JSON beside the windows, asks for; None where it is wrong, or for the view."""
    if not query and not beside:
        return _JOB
    if kind == JSON:
        return _job_of_json(schema, beside) if not query and len(beside) <= LONGEST else None
    return _job_of_query(schema, query) if len(query) <= LONGEST else None


@lru_cache(QUERIES)
def _job_of_json(schema: Schema, beside: bytes) -> InferJob | None:
    return _job_of(schema, orjson.loads(beside))


@lru_cache(QUERIES)
def _job_of_query(schema: Schema, query: str) -> InferJob | None:
    pairs = parse_qsl(query, keep_blank_values=True)
    texts = dict(pairs)
    return None if len(texts) < len(pairs) else _job_of(schema, query_values(schema, texts))


def _job_of(schema: Schema, values: dict[str, Any]) -> InferJob | None:
    try:
        job: InferJob = schema.load(values)
    except (ValidationError, ValueError):
        return None
    return job if job.model is None and job.source is None and job.steps is None else None


def _inferred(
    backend: str | None,
    encode: Encode,
    schema: Schema,
    body: bytes,
    environ: WSGIEnvironment,
    runtime: Runtime,
) -> bytes | None:
    kind = _kind(environ["CONTENT_TYPE"])
    most = runtime.settings.max_batch
    try:
        emg, beside = _READERS[kind](body)
    except ValueError:  # it is not what it says it is; the view says what is wrong with it
        return None
    job = _job(schema, kind, environ["QUERY_STRING"], beside)
    if job is None or (job.batch is not None and job.batch > most):
        return None
    manifest = runtime.manifest
    expect_shape(job, manifest, own=True)
    windows = as_windows(emg, job, manifest, most)
    wire = ClientSocket(environ)
    answer = runtime.engine.infer(
        windows, preprocess=job.preprocess, backend=backend, wanted=lambda: not wire.gone
    )
    runtime.engine.thread.breathe()
    return encode(answer, manifest, runtime.cpu.percent)


_WINDOWS = WindowsQuerySchema()
_INFER: dict[str, Route] = {
    "/infer": partial(_inferred, None, infer_answer, InferQuerySchema()),
    "/infer/onnx": partial(_inferred, "onnxruntime", backend_answer, _WINDOWS),
    "/infer/tensorrt": partial(_inferred, "tensorrt", backend_answer, _WINDOWS),
}


def _json(body: bytes) -> tuple[Samples, bytes]:
    """Return the windows of a body, and what it says beside them as JSON.

    Raises:
        ValueError: it holds no array of numbers.
    """
    expect_modest(body)
    values: Any = orjson.loads(body)
    emg = values.pop("emg", None) if isinstance(values, dict) else None
    numbers = as_array(emg, only_windows(body)) if isinstance(emg, list) else None
    if numbers is None or numbers.ndim < 2:
        raise ValueError
    with np.errstate(over="ignore"):  # what does not fit float32 becomes inf, which is refused with the rest
        return numbers.astype(np.float32), orjson.dumps(values) if values else b""


_READERS: dict[str, Callable[[bytes], tuple[Samples, bytes]]] = {
    JSON: _json,
    NPY: lambda body: (read_npy(body), b""),
    RAW: lambda body: (read_floats(body), b""),
}
