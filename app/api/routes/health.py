"""`/health`: how this worker is doing, and whether it is alive and ready."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response
from flask_smorest import Blueprint

from app.api.access.access import OPEN, READ, needs
from app.api.context import current_runtime
from app.api.errors import RETRY_S, problem
from app.api.openapi import fails
from app.api.schemas.health import HealthSchema, LiveSchema, ReadySchema
from app.emg.source import SourceState
from app.inference.description import described_outputs
from app.inference.manifest import Manifest
from app.serving.pipelines.model_use import ModelUse
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.runtime import VERSION, Runtime

bp = needs(READ)(Blueprint("health", __name__, url_prefix="/health", description="How the server is doing"))


@bp.get("")
@bp.response(200, HealthSchema)
def health() -> dict[str, Any]:
    """Return the state of the engine, the model and the source. Always 200: `status` says whether all is well."""
    runtime = current_runtime()
    backends, outputs = runtime.health.backends(), runtime.health.outputs()
    failed = any(output.state == "failed" for output in outputs.values())
    actions = runtime.health.actions()
    pipeline = runtime.pipelines.default
    return {
        "status": "degraded" if failed or runtime.health.not_ready() else "ok",
        "tensorrt_available": backends["tensorrt"].available,
        "emg_mode": runtime.settings.emg_mode.value,
        "backends": {name: asdict(state) for name, state in backends.items()},
        "model": None if runtime.expected is None else _model(runtime.expected),
        "version": VERSION,
        "source": _source(runtime, pipeline),
        "sources": [{"name": one.name, "model": _used(one.use)} for one in runtime.pipelines],
        **_could_read(pipeline),
        **({"outputs": {name: asdict(output) for name, output in outputs.items()}} if outputs else {}),
        **({} if actions is None else {"actions": asdict(actions)}),
    }


@bp.get("/live")
@bp.response(200, LiveSchema)
@needs(OPEN)
def live() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "alive"}


@bp.get("/ready")
@bp.response(200, ReadySchema)
@fails(bp, 503)
@needs(OPEN)
def ready() -> dict[str, str] | Response:
    """Whether this worker should get traffic: engine warm, source delivering, not shutting down."""
    reasons = current_runtime().health.not_ready()
    if reasons:
        return problem(503, "; ".join(reasons), {"Retry-After": RETRY_S})
    return {"status": "ready"}


def source_state(state: SourceState) -> dict[str, Any]:
    """Return a look at a source, as it is answered."""
    age, rate = state.last_sample_age_ms, state.measured_rate_hz
    return {
        **asdict(state),
        "last_sample_age_ms": None if age is None else round(age, 1),
        "measured_rate_hz": None if rate is None else round(rate, 2),
    }


def _source(runtime: Runtime, pipeline: SourcePipeline | None) -> dict[str, Any] | None:
    if pipeline is not None:
        return source_state(pipeline.acquisition.look())
    awaited = None if runtime.own is None else runtime.own.state
    return None if awaited is None else source_state(awaited)


def _could_read(pipeline: SourcePipeline | None) -> dict[str, Any]:
    """Return which models could read the server's source, where none does."""
    if pipeline is None or pipeline.manifest is not None:
        return {}
    return {"fitting_models": [asdict(one) for one in pipeline.fitting()]}


def _used(use: ModelUse) -> dict[str, str] | None:
    """Return which model reads a source."""
    if use.model is None:
        return None
    model = use.model
    return {"name": model.name, "version": model.manifest.version, "sha256": model.artefact.sha256}


def _model(manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "version": manifest.version,
        "channels": manifest.channels,
        "length": manifest.length,
        "context": manifest.context,
        "sampling_rate_hz": manifest.sampling_rate,
        "units": manifest.units,
        "classes": list(manifest.classes),
        "outputs": described_outputs(manifest),
    }
