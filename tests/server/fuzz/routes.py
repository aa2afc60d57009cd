"""How to ask each route soundly. Garbage is what is left of such a request after something has been done to it.

A route that is not in ROUTES fails test_routes.py: nobody would send garbage to it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import numpy as np
from flask import Flask

from tests.server.live import ROOT

JSON, NPY, RAW = "application/json", "application/x-npy", "application/octet-stream"
LENGTH, CHANNELS, RATE_HZ = 200, 16, 2000  # of the shipped model
MODEL = "synthetic-16ch-2khz"  # which the server runs, so that it is neither replaced nor deleted
VERSION = "2.0.0"
KEPT, GONE = "kept", "gone"  # recordings: one that is there all the time, one that comes and goes
OTHER = "other"  # the source, with EMG_MODE=push, that comes and goes
READER = "reader"  # and the one that is watched, to which no garbage is sent

NO_UPGRADE = HTTPStatus.UPGRADE_REQUIRED  # to a request without one; with one, test_live.py sends the garbage
OK, CREATED, NO_CONTENT = HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT
CONFLICT, UNAVAILABLE = HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE
NOT_FOUND, WRONG = HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A request that says nothing wrong, and what it is answered."""

    rule: str
    method: str
    parts: Mapping[str, str]  # of the path
    status: HTTPStatus = OK
    query: Mapping[str, Any] | None = None
    values: Mapping[str, Any] | None = None  # of a JSON body
    raw: bytes | None = None  # a body that is none

    @property
    def path(self) -> str:
        found = self.rule.replace("<path:", "<")
        for name, value in self.parts.items():
            found = found.replace(f"<{name}>", value)
        return found

    @property
    def kind(self) -> str:
        """Content type."""
        return "" if self.body is None else JSON if self.raw is None else RAW

    @property
    def body(self) -> bytes | None:
        return self.raw if self.values is None else json.dumps(self.values).encode()


def written(values: Mapping[str, Any]) -> str:
    """Return a query that says so; a value is as JSON has it."""
    texts = {name: json.dumps(value).strip('"') for name, value in values.items()}
    return urlencode(texts)


ROW = [0.5] * CHANNELS
WINDOW = [ROW] * LENGTH
STREAM = {"fps": 30, "votes": 3, "min_confidence": 0.1, "preprocess": True, "include_signal": True}
SHAPE = {"batch": 1, "channels": CHANNELS, "length": LENGTH, "preprocess": True}
PLAN = {"gestures": ["rest", "fist"], "repetitions": 2, "seconds": 1.0, "rest_seconds": 0.5}
DECLARED = {"channels": CHANNELS, "sampling_rate_hz": RATE_HZ, "units": "uV"}
FLOATS = bytes(4 * CHANNELS * LENGTH)


def _npz() -> bytes:
    """A file that becomes a recording."""
    file = io.BytesIO()
    emg = np.arange(200, dtype=np.float32).reshape(-1, 2)
    np.savez(file, emg=emg, fs=200.0, label=np.zeros(100, np.int16), sample_index=np.arange(100))
    return file.getvalue()


def _archive() -> bytes:
    """Return a model that is there already, as a client would bring it."""
    file, folder = io.BytesIO(), ROOT / "instance" / "models" / MODEL
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return file.getvalue()


def _get(rule: str, **more: Any) -> Sound:
    return Sound(rule=rule, method="GET", **{"parts": {}, **more})


def _post(rule: str, **more: Any) -> Sound:
    return Sound(rule=rule, method="POST", **{"parts": {}, **more})


_KEPT, _GONE, _OTHER = {"name": KEPT}, {"name": GONE}, {"name": OTHER}
_SOURCE, _RECORDING = "/emg/sources/<name>", "/emg/recordings/<name>"
_USE, _PROFILE = f"{_SOURCE}/model", "/profiles/<name>"
_MODEL, _NO_JOB, _NO_SOURCE = {"name": MODEL}, {"id": f"{GONE}-1"}, {"name": "nobody"}
PERSON = {"person": "S01", "model": MODEL, "decision": {"votes": 3, "min_confidence": 0.5}, "notes": "left"}
_POSITION = "/emg/source/position"  # of a replay, which this server has not
_CHOICE = "/emg/source"  # in the mode dummy, the one that is read already

OIP_ASK = {
    "inputs": [{"name": "emg", "datatype": "FP32", "shape": [1, *np.shape(WINDOW)], "data": WINDOW}],
    "outputs": [{"name": "label"}],
}


def _oip() -> tuple[Sound, ...]:
    """Every route of `/v2`; its bodies are tried as JSON, and as bytes that are none."""
    model, version = "/v2/models/<name>", {**_MODEL, "version": VERSION}
    repository = "/v2/repository/models/<name>"
    return (
        _get("/v2"),
        _get("/v2/health/live"),
        _get("/v2/health/ready"),
        *(_get(f"{model}{rest}", parts=_MODEL) for rest in ("", "/ready", "/config")),
        *(_get(f"{model}/versions/<version>{rest}", parts=version) for rest in ("", "/ready", "/config")),
        _post(f"{model}/infer", parts=_MODEL, values=OIP_ASK),
        _post(f"{model}/versions/<version>/infer", parts=version, values=OIP_ASK),
        _post("/v2/repository/index", values={"ready": True}),
        _post(f"{repository}/load", parts=_MODEL, values={}),
        _post(f"{repository}/unload", parts=_MODEL, values={}, status=CONFLICT),
    )


# In an order in which each finds what it asks for. With EMG_MODE=push; `sound` says what else there is.
ROUTES: tuple[Sound, ...] = (
    _get("/"),
    _get("/teach"),
    _get("/static/<path:filename>", parts={"filename": "dashboard.js"}),
    _get("/docs"),
    _get("/docs/assets/<path:filename>", parts={"filename": "swagger-ui.css"}),
    _get("/openapi.json"),
    _get("/metrics"),
    _get("/health"),
    _get("/health/live"),
    _get("/health/ready"),
    _post("/stream/tickets", status=CREATED),
    _post("/infer", values={"emg": WINDOW, "preprocess": True}),
    _post("/infer", values={**SHAPE, "source": READER, "steps": 1}),
    _post("/infer", raw=FLOATS, query=SHAPE),
    _post("/infer/onnx", values={"emg": WINDOW}),
    _post("/infer/onnx", raw=FLOATS),
    _post("/infer/tensorrt", values={"emg": WINDOW}, status=UNAVAILABLE),
    _post("/benchmark", values={"num_iterations": 20, "backends": "onnxruntime"}),
    _get("/infer/stream/stats"),
    _get("/infer/stream", query={**STREAM, "source": READER, "duration_seconds": 0.2}),
    _get("/infer/live", query={**STREAM, "source": READER}, status=NO_UPGRADE),
    _post("/infer/stream", values={**STREAM, "source": READER, "use_tensorrt": False}),
    _get("/models"),
    _get("/models/<name>", parts=_MODEL),
    _get("/models/<name>/archive", parts=_MODEL),
    _post("/models", raw=_archive(), status=CONFLICT),
    Sound(rule="/models/<name>", method="DELETE", parts=_MODEL, status=CONFLICT),
    *_oip(),
    _get("/profiles"),
    Sound(rule=_PROFILE, method="PUT", parts=_GONE, values=PERSON, status=CREATED),
    _get(_PROFILE, parts=_GONE),
    Sound(rule=_PROFILE, method="DELETE", parts=_GONE, status=NO_CONTENT),
    _post("/trainings", values={"recordings": [KEPT], "name": GONE, "use": "no"}, status=WRONG),  # no labels
    _get("/jobs"),
    _get("/jobs/<id>", parts=_NO_JOB, status=NOT_FOUND),
    _get("/jobs/<id>/events", parts=_NO_JOB, status=NOT_FOUND),
    Sound(rule="/jobs/<id>", method="DELETE", parts=_NO_JOB, status=NOT_FOUND),
    _get("/emg/devices", query={"seconds": 0}),
    Sound(rule=_CHOICE, method="PUT", parts={}, values={"settings": {"EMG_MODE": "dummy"}}, status=CONFLICT),
    Sound(rule=_CHOICE, method="DELETE", parts={}, status=CONFLICT),
    _get(_POSITION, status=CONFLICT),
    Sound(
        rule=_POSITION,
        method="PUT",
        parts={},
        values={"position_seconds": 1.5, "paused": False},
        status=CONFLICT,
    ),
    _get("/emg/sources"),
    _post(_SOURCE, parts=_OTHER, values=DECLARED, status=CREATED),
    _get(_SOURCE, parts=_OTHER),
    _get(f"{_SOURCE}/live", parts=_OTHER, query=DECLARED, status=NO_UPGRADE),
    _post(f"{_SOURCE}/samples", parts=_OTHER, values={"first_sample": 0, "samples": [ROW] * 40}),
    _post(
        f"{_SOURCE}/samples",
        parts=_OTHER,
        raw=FLOATS,
        query={"first_sample": 40, "dtype": "float32", "scale": 1},
    ),
    Sound(rule=_USE, method="PUT", parts=_OTHER, values={"model": MODEL}),
    Sound(
        rule=_USE, method="DELETE", parts=_NO_SOURCE, status=NOT_FOUND
    ),  # what it goes back to, garbage decides
    _get("/emg/quality", query={"source": READER}),
    Sound(rule=_SOURCE, method="DELETE", parts=_OTHER, status=NO_CONTENT),
    _post(
        "/emg/recordings",
        values={"name": GONE, "source": READER, "subject": "S01", "plan": PLAN},
        status=CREATED,
    ),
    _get("/emg/recordings"),
    _get(_RECORDING, parts=_KEPT),
    _post(f"{_RECORDING}/prompt", parts=_GONE, values={"action": "pause"}),
    _post(f"{_RECORDING}/stop", parts=_GONE),
    _get(f"{_RECORDING}/download", parts=_KEPT, query={"format": "npz"}),
    _get(f"{_RECORDING}/download", parts=_KEPT, query={"format": "bdf"}),
    Sound(rule=_RECORDING, method="DELETE", parts=_GONE, status=NO_CONTENT),
    _post("/recordings/import", raw=_npz(), query={"name": GONE, "filename": "a.npz"}, status=CREATED),
    Sound(rule=_RECORDING, method="DELETE", parts=_GONE, status=NO_CONTENT),
)
PUSHING = {(_SOURCE, "POST"), (_SOURCE, "DELETE"), (f"{_SOURCE}/samples", "POST")}


def sound(mode: str, source: str) -> list[Sound]:
    """Return ROUTES as a server in that mode has them, with READER called `source`."""
    found = [_of(one, source) for one in ROUTES]
    if mode == "push":
        return found
    pushed = {"parts": {"name": source}}
    found = [replace(one, status=OK) if one.rule == _CHOICE else one for one in found]
    # there is no such source: garbage would leave the one that is read without a model
    found = [replace(one, status=NOT_FOUND) if one.rule == _USE else one for one in found]
    return [
        replace(one, **pushed, status=CONFLICT if (one.rule, one.method) in PUSHING else one.status)
        if one.rule.startswith(_SOURCE) and one.rule != _USE
        else one
        for one in found
    ]


def _of(one: Sound, source: str) -> Sound:
    def named(values: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        return {**values, "source": source} if values and "source" in values else values

    return replace(one, query=named(one.query), values=named(one.values))


def known() -> set[tuple[str, str]]:
    """Rule and method of each route in ROUTES."""
    return {(one.rule, one.method) for one in ROUTES}


def served(app: Flask) -> set[tuple[str, str]]:
    """Rule and method of each route of the application; HEAD and OPTIONS come with every one."""
    return {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def documented_503(paths: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Rule and method of each route that says in /openapi.json (its `paths`) that it may answer 503."""
    return {
        (path.replace("{", "<").replace("}", ">"), method.upper())
        for path, methods in paths.items()
        for method, operation in methods.items()
        if isinstance(operation, dict) and "503" in operation.get("responses", {})
    }


def missing(table: Iterable[tuple[str, str]], app: Flask) -> list[str]:
    """What stands in one of both and not in the other, as lines."""
    here, there = set(table), served(app)
    return [f"{method} {rule} is unknown to the fuzzer" for rule, method in sorted(there - here)] + [
        f"{method} {rule} is no route any more" for rule, method in sorted(here - there)
    ]
