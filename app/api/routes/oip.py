"""`/v2`: every model by the Open Inference Protocol, for clients of Triton, KServe and MLServer as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from flask import Flask, Response, request
from flask_smorest import Blueprint

from app.api.access.access import CONTROL, INFER, OPEN, READ, needs
from app.api.codec.decoding import JSON, RAW, as_windows, whole_body
from app.api.codec.oip import (
    BYTES,
    HEADER_LENGTH,
    OipRequest,
    OutputTensor,
    choose,
    read_request,
    write_answer,
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
    OipIndexedSchema,
    OipLiveSchema,
    OipModelReadySchema,
    OipModelSchema,
    OipServerSchema,
)
from app.api.schemas.params import InferJob
from app.api.sse.client_socket import ClientSocket
from app.emg.source import Samples
from app.errors import DataError, ModelNameError
from app.inference.manifest import Manifest
from app.inference.values import Values
from app.serving.engine.engine import Answer
from app.serving.runtime import VERSION, Runtime

PLATFORM = "myostream"
EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository")
INPUT = "emg"
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
        if (
            response.status_code == UNPROCESSABLE
        ):  # the protocol knows 400 for all that is wrong with a request
            response.status_code = BAD_REQUEST
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
    return {"live": True, "ready": not current_runtime().engine_trouble()}


@bp.get("/health/ready")
@bp.response(200, OipLiveSchema)
@_fails(503)
@needs(OPEN)
def ready() -> Response | dict[str, bool]:
    """Whether models can be asked. Unlike `/health/ready` it says nothing of the source: none is asked here."""
    if reasons := current_runtime().engine_trouble():
        said = {"live": True, "ready": False, "error": "; ".join(reasons)}
        return Response(orjson.dumps(said), UNAVAILABLE, {"Retry-After": RETRY_S}, content_type=JSON)
    return {"live": True, "ready": True}


@bp.get(_ONE, parameters=_named())
@bp.response(200, OipModelSchema)
@_fails(404, 503)
def model(name: str) -> dict[str, Any]:
    """What a model takes and gives."""
    return _described(name, _manifest(name))


@bp.get(_VERSION, parameters=_named(version=True))
@bp.response(200, OipModelSchema)
@_fails(404, 503)
def model_version(name: str, version: str) -> dict[str, Any]:
    """The same, of that version."""
    return _described(name, _manifest(name, version))


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
    return _configured(name, _manifest(name))


@bp.get(f"{_VERSION}/config", parameters=_named(version=True))
@bp.response(200, OipConfigSchema)
@_fails(404, 503)
def version_config(name: str, version: str) -> dict[str, Any]:
    """The same, of that version."""
    return _configured(name, _manifest(name, version))


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
@bp.response(200, OipIndexedSchema(many=True))
@_fails(503)
def index() -> list[dict[str, str]]:
    """Every model that lies here."""
    entries = current_runtime().models.shelf.entries()
    return [
        {
            "name": one.name,
            "version": "" if one.artefact is None else one.artefact.manifest.version,
            "state": "UNAVAILABLE" if one.artefact is None else "READY",
            "reason": one.damage or "",
        }
        for one in entries
    ]


@bp.post("/repository/models/<name>/load", parameters=_named())
@bp.response(200)
@_fails(404, 503)
@needs(CONTROL)
def load(name: str) -> Response:
    """Open a model in this worker, so that who asks first need not wait for it."""
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


def _inferred(name: str) -> Response:
    runtime = current_runtime()
    asked = read_request(whole_body(), request.headers.get(HEADER_LENGTH))
    with runtime.open_models.holding(_known(name)) as model:
        manifest = model.manifest
        windows = as_windows(_input(asked), InferJob(), manifest, runtime.settings.max_batch)
        wire = ClientSocket(request.environ)
        answer = model.engine.infer(windows, preprocess=_preprocess(asked), wanted=lambda: not wire.gone)
    runtime.engine.thread.breathe()
    chosen = choose(asked, _outputs(answer, manifest))
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


def _input(asked: OipRequest) -> Samples:
    """Return the windows that were sent.

    Raises:
        DataError: they are not there, or other things are.
    """
    unknown = [name for name in asked.inputs if name not in (INPUT, None)]
    if unknown or not asked.inputs:
        raise DataError(
            f"the model takes one input, {INPUT}, got {', '.join(str(one)[:40] for one in unknown)}"
        )
    emg = next(iter(asked.inputs.values()))
    if emg.ndim == 1 and None not in asked.inputs:
        raise DataError(f"shape of {INPUT} must be (windows, samples, channels), got {emg.size}")
    with np.errstate(over="ignore"):  # what does not fit float32 becomes inf, which is refused with the rest
        found: Samples = emg.astype(np.float32)
    return found


def _preprocess(asked: OipRequest) -> bool:
    value = asked.parameters.get("preprocess", True)
    if not isinstance(value, bool):
        raise DataError("preprocess of the request must be true or false")
    return value


def _outputs(answer: Answer, manifest: Manifest) -> list[OutputTensor]:
    """Return all that a model told of the windows, in the order of `_given`."""
    told = answer.told
    if isinstance(told, Values):
        numbers = told.expect_numbers()
        values = OutputTensor("values", "FP32", numbers.values, manifest.columns)
        return [values, OutputTensor("clipped", "BOOL", numbers.clipped)]
    classes = manifest.classes
    rejects = manifest.reject_below is not None
    return [
        OutputTensor("logits", "FP32", answer.logits, classes),
        OutputTensor("probabilities", "FP32", told.probabilities, classes),
        OutputTensor("prediction", "INT64", told.prediction),
        OutputTensor("label", BYTES, [classes[k] for k in told.prediction.tolist()]),
        *([OutputTensor("unknown", "BOOL", told.unknown)] if rejects else []),
    ]


def _given(manifest: Manifest) -> list[tuple[str, str, list[int]]]:
    """Return name, datatype and shape without the batch of what a model gives."""
    if manifest.gives_values:
        return [("values", "FP32", [len(manifest.columns)]), ("clipped", "BOOL", [])]
    count = len(manifest.classes)
    rejects = manifest.reject_below is not None
    return [
        ("logits", "FP32", [count]),
        ("probabilities", "FP32", [count]),
        ("prediction", "INT64", []),
        ("label", BYTES, []),
        *([("unknown", "BOOL", list[int]())] if rejects else []),
    ]


def _window(manifest: Manifest) -> list[int]:
    """Return (samples, channels); the samples vary where the model also reads some before the window."""
    return [-1 if manifest.context else manifest.length, manifest.channels]


def _described(name: str, manifest: Manifest) -> dict[str, Any]:
    labels = {"labels": list(manifest.columns if manifest.gives_values else manifest.classes)}
    return {
        "name": name,
        "versions": [manifest.version],
        "platform": PLATFORM,
        "inputs": [
            {
                "name": INPUT,
                "datatype": "FP32",
                "shape": [-1, *_window(manifest)],
                "parameters": {
                    "units": manifest.units,
                    "sampling_rate_hz": manifest.sampling_rate,
                    "length": manifest.length,
                    "context": manifest.context,
                },
            }
        ],
        "outputs": [
            {
                "name": tensor,
                "datatype": kind,
                "shape": [-1, *shape],
                **({"parameters": labels} if shape else {}),
            }
            for tensor, kind, shape in _given(manifest)
        ],
    }


def _configured(name: str, manifest: Manifest) -> dict[str, Any]:
    runtime: Runtime = current_runtime()
    kinds = {BYTES: "STRING"}
    return {
        "name": name,
        "platform": "",
        "backend": PLATFORM,
        "max_batch_size": runtime.settings.max_batch,
        "input": [{"name": INPUT, "data_type": "TYPE_FP32", "dims": _window(manifest)}],
        "output": [
            {"name": tensor, "data_type": f"TYPE_{kinds.get(kind, kind)}", "dims": shape or [1]}
            for tensor, kind, shape in _given(manifest)
        ],
    }
