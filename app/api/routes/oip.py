"""`/v2`: every model by the Open Inference Protocol, for clients of Triton, KServe and MLServer as they are."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Flask, Response, request
from flask_smorest import Blueprint

from app.api.access.access import CONTROL, INFER, OPEN, READ, needs
from app.api.codec.decoding import JSON, RAW, as_windows, whole_body
from app.api.codec.oip import (
    HEADER_LENGTH,
    choose,
    expect_files_as_they_are,
    only_ready,
    read_request,
    write_answer,
)
from app.api.codec.oip_models import (
    PLATFORM,
    configured,
    described,
    input_of,
    outputs_of,
    preprocess_of,
    remote_of,
)
from app.api.context import current_runtime
from app.api.errors import PROBLEM, RETRY_S
from app.api.openapi import OIP, RETRY_AFTER, body
from app.api.schemas.model_field import NAME
from app.api.schemas.oip import (
    OipAnswerSchema,
    OipAskSchema,
    OipConfigSchema,
    OipErrorSchema,
    OipIndexAskSchema,
    OipIndexedSchema,
    OipLiveSchema,
    OipModelReadySchema,
    OipModelSchema,
    OipServerSchema,
)
from app.api.schemas.params import InferJob
from app.api.sse.client_socket import ClientSocket
from app.errors import ModelNameError
from app.inference.manifest import Manifest
from app.serving.runtime import VERSION

EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository")
BAD_REQUEST, UNPROCESSABLE, UNAVAILABLE = 400, 422, 503
_ONE, _VERSION = "/models/<name>", "/models/<name>/versions/<version>"

bp = needs(READ)(
    Blueprint("oip", __name__, url_prefix=OIP, description="The models by the Open Inference Protocol v2")
)


def register(app: Flask) -> None:
    """Have every error under `/v2` said as the protocol says it."""

    @app.after_request
    def say(response: Response) -> Response:
        if response.mimetype != PROBLEM or not _asked():
            return response
        said = orjson.loads(response.get_data())
        response.set_data(orjson.dumps({"error": said["detail"]}))
        response.content_type = JSON
        if response.status_code == UNPROCESSABLE:
            response.status_code = BAD_REQUEST  # for all that is wrong with a request
        return response


def _asked() -> bool:
    return request.path == OIP or request.path.startswith(f"{OIP}/")


def _fails(*statuses: int) -> Any:
    """Return the errors that a route answers with, of the protocol's shape."""

    def decorate(view: Any) -> Any:
        for status in statuses:
            view = bp.alt_response(
                status,
                schema=OipErrorSchema,
                content_type=JSON,
                description="As the protocol says it",
                headers=RETRY_AFTER if status == UNAVAILABLE else None,
            )(view)
        return view

    return decorate


def _named(*, version: bool = False) -> list[dict[str, Any]]:
    found = [{"in": "path", "name": "name", "schema": {"type": "string", "pattern": f"^{NAME.pattern}$"}}]
    return [*found, {"in": "path", "name": "version", "schema": {"type": "string"}}] if version else found


@bp.get("")
@bp.response(200, OipServerSchema)
def server() -> dict[str, Any]:
    """What the server is, and what it knows beyond the protocol's core."""
    return {"name": PLATFORM, "version": VERSION, "extensions": list(EXTENSIONS)}


@bp.get("/health/live")
@bp.response(200, OipLiveSchema)
@needs(OPEN)
def live() -> dict[str, bool]:
    """Say that the process answers."""
    return {"live": True, "ready": not current_runtime().health.engine_trouble()}


@bp.get("/health/ready")
@bp.response(200, OipLiveSchema)
@_fails(503)
@needs(OPEN)
def ready() -> Response | dict[str, bool]:
    """Whether models can be asked. Unlike `/health/ready` it says nothing of the source: none is asked here."""
    if reasons := current_runtime().health.engine_trouble():
        said = {"live": True, "ready": False, "error": "; ".join(reasons)}
        return Response(orjson.dumps(said), UNAVAILABLE, {"Retry-After": RETRY_S}, content_type=JSON)
    return {"live": True, "ready": True}


@bp.get(_ONE, parameters=_named())
@bp.response(200, OipModelSchema)
@_fails(404, 503)
def model(name: str) -> dict[str, Any]:
    """What a model takes and gives."""
    return described(name, _manifest(name))


@bp.get(_VERSION, parameters=_named(version=True))
@bp.response(200, OipModelSchema)
@_fails(404, 503)
def model_version(name: str, version: str) -> dict[str, Any]:
    """The same, of that version."""
    return described(name, _manifest(name, version))


@bp.get(f"{_ONE}/ready", parameters=_named())
@bp.response(200, OipModelReadySchema)
@_fails(404, 503)
def model_ready(name: str) -> dict[str, Any]:
    """Whether a model can be asked: it is there, and not damaged. It is opened when it is first asked."""
    _manifest(name)
    return {"name": name, "ready": True}


@bp.get(f"{_VERSION}/ready", parameters=_named(version=True))
@bp.response(200, OipModelReadySchema)
@_fails(404, 503)
def version_ready(name: str, version: str) -> dict[str, Any]:
    """The same, of that version."""
    _manifest(name, version)
    return {"name": name, "ready": True}


@bp.get(f"{_ONE}/config", parameters=_named())
@bp.response(200, OipConfigSchema)
@_fails(404, 503)
def config(name: str) -> dict[str, Any]:
    """A model's configuration, as Triton says it."""
    return configured(name, _manifest(name), _most())


@bp.get(f"{_VERSION}/config", parameters=_named(version=True))
@bp.response(200, OipConfigSchema)
@_fails(404, 503)
def version_config(name: str, version: str) -> dict[str, Any]:
    """The same, of that version."""
    return configured(name, _manifest(name, version), _most())


_ASK = body(OipAskSchema, raw=True, required=True)


@bp.post(f"{_ONE}/infer", parameters=_named())
@bp.doc(requestBody=_ASK)
@bp.response(200, OipAnswerSchema)
@_fails(400, 404, 408, 413, 415, 503)
@needs(INFER)
def infer(name: str) -> Response:
    """Predict windows: `emg`, (windows, samples, channels), as the signal comes; it is normalised here.

    JSON, or JSON with the tensors' bytes behind it; `Inference-Header-Content-Length` says where these begin.
    """
    return _inferred(name)


@bp.post(f"{_VERSION}/infer", parameters=_named(version=True))
@bp.doc(requestBody=_ASK)
@bp.response(200, OipAnswerSchema)
@_fails(400, 404, 408, 413, 415, 503)
@needs(INFER)
def version_infer(name: str, version: str) -> Response:
    """The same, by that version."""
    _manifest(name, version)
    return _inferred(name)


@bp.post("/repository/index")
@bp.doc(requestBody=body(OipIndexAskSchema))
@bp.response(200, OipIndexedSchema(many=True))
@_fails(400, 408, 413, 415, 503)
def index() -> list[dict[str, str]]:
    """Every model that lies here; with `ready` those that can be asked."""
    sound = only_ready(whole_body())
    entries = current_runtime().models.shelf.entries()
    return [
        {
            "name": one.name,
            "version": "" if one.artefact is None else one.artefact.manifest.version,
            "state": "UNAVAILABLE" if one.artefact is None else "READY",
            "reason": one.damage or "",
        }
        for one in entries
        if one.artefact is not None or not sound
    ]


@bp.post("/repository/models/<name>/load", parameters=_named())
@bp.response(200)
@_fails(400, 404, 408, 413, 415, 503)
@needs(CONTROL)
def load(name: str) -> Response:
    """Open a model in this worker, so that who asks first need not wait for it."""
    expect_files_as_they_are(whole_body())
    with current_runtime().open_models.holding(_known(name)):
        return Response(b"{}", content_type=JSON)


@bp.post("/repository/models/<name>/unload", parameters=_named())
@bp.response(200)
@_fails(404, 409, 503)
@needs(CONTROL)
def unload(name: str) -> Response:
    """Close a model in this worker, where nobody uses it. Who asks for it opens it again."""
    _manifest(name)
    current_runtime().open_models.unload(name)
    return Response(b"{}", content_type=JSON)


def _known(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ModelNameError(f"there is no model {name[:64]!r}")
    return name


def _manifest(name: str, version: str | None = None) -> Manifest:
    """Return the manifest of a model, and of that version where one is named.

    Raises:
        ModelNameError: there is none.
        NotReadyError: it is damaged.
    """
    found = current_runtime().open_models.artefact(_known(name)).manifest
    if version is not None and version != found.version:
        raise ModelNameError(f"the model {name} has no version {version[:64]}; it is {found.version}")
    return found


def _most() -> int:
    return current_runtime().settings.max_batch


def _inferred(name: str) -> Response:
    runtime = current_runtime()
    asked = read_request(whole_body(), request.headers.get(HEADER_LENGTH))
    with runtime.open_models.holding(_known(name)) as model:
        manifest = model.manifest
        windows = as_windows(input_of(asked), InferJob(), manifest, runtime.settings.max_batch)
        wire = ClientSocket(request.environ)
        answer = model.engine.infer(
            windows,
            preprocess=preprocess_of(asked),
            backend=None if remote_of(asked) else model.engine.backends.here,
            wanted=lambda: not wire.gone,
        )
    runtime.engine.thread.breathe()
    chosen = choose(asked, outputs_of(answer, manifest))
    content, head = write_answer(
        name,
        manifest.version,
        asked,
        chosen,
        backend=answer.backend,
        latency_ms=round(answer.latency_ms, 3),
    )
    if head is None:
        return Response(content, content_type=JSON)
    return Response(content, content_type=RAW, headers={HEADER_LENGTH: str(head)})
