"""`/benchmark`: how fast each backend answers here and now."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import request
from flask_smorest import Blueprint

from app.api.access.access import CONTROL, needs
from app.api.codec.decoding import load_json_or_query
from app.api.context import current_runtime
from app.api.openapi import body, fails, query
from app.api.schemas.inference import BenchmarkResultSchema, BenchmarkSchema
from app.api.sse.client_socket import ClientSocket

bp = needs(CONTROL)(Blueprint("benchmark", __name__, url_prefix="/benchmark", description="Measured speed"))

_benchmark = BenchmarkSchema()
ORDER = ("pytorch", "tensorrt", "onnxruntime")


@bp.post("")
@bp.doc(requestBody=body(BenchmarkSchema), parameters=query(BenchmarkSchema))
@bp.response(200, BenchmarkResultSchema)
@fails(bp, 400, 409, 413, 415, 422, 503)
def benchmark() -> dict[str, Any]:
    """Time single inferences of every backend that is open, or of those named; null for the rest.

    Live streams keep their pace; one benchmark runs at a time.
    """
    job = load_json_or_query(_benchmark)
    wire = ClientSocket(request.environ)
    runtime = current_runtime()
    _ = runtime.manifest  # without a model there is nothing to time, and that is said
    names = job.backends or tuple(runtime.engine.backends.opened)
    found = runtime.benchmark.run(names, job.num_iterations, wanted=lambda: not wire.gone)
    return {
        name: None if latency is None else {k: round(v, 4) for k, v in asdict(latency).items()}
        for name, latency in {**dict.fromkeys(ORDER), **found}.items()
    }
