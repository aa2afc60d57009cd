"""What `/docs` fills in where an operation is tried: values that this server takes, from the page's top to its end."""

from __future__ import annotations

import json
from typing import Any

from apispec import BasePlugin

from app.api.codec.decoding import JSON
from app.config import DEFAULT_MODEL, EmgMode, Settings
from app.inference.manifest import Manifest

RECORDING, PUSHED, PROFILE, JOB = "try-it", "armband", "anna", "anna-1"
SOURCES = {  # by the mode: what its source is called
    EmgMode.DUMMY: "simulator",
    EmgMode.NINAPRO: "recording",
    EmgMode.REALTIME: "serial",
    EmgMode.PUSH: PUSHED,
    EmgMode.LSL: "lsl",
    EmgMode.BRAINFLOW: "brainflow",
    EmgMode.MINDROVE: "mindrove",
    EmgMode.OTB: "otb",
}
NEED_PUSH = frozenset(
    ("POST /emg/sources/{name}", "DELETE /emg/sources/{name}", "POST /emg/sources/{name}/samples")
)
NEED_REPLAY = frozenset(("GET /emg/source/position", "PUT /emg/source/position"))
NEED_RECORDING = frozenset(
    ("POST /trainings", "GET /jobs/{id}", "GET /jobs/{id}/events", "DELETE /jobs/{id}")
)
NEEDED = f"It takes a recording `{RECORDING}` that ran to the end of its plan; until then it is refused."
STREAM_S, STREAM_FPS = 2.0, 10.0  # the page shows an answer when it is over
_BODIES: dict[str, dict[str, Any]] = {
    "POST /infer": {"batch": 1},
    "POST /infer/tensorrt": {"batch": 1},
    "POST /infer/onnx": {"batch": 1},
    "POST /benchmark": {"num_iterations": 100},
    "PUT /emg/source": {"settings": {"EMG_MODE": EmgMode.DUMMY.value}},
    "PUT /emg/source/position": {"position_seconds": 0},
    "POST /emg/recordings": {  # it ends by itself
        "name": RECORDING,
        "subject": "S01",
        "plan": {"gestures": ["fist", "open_hand"], "repetitions": 1, "seconds": 3},
    },
    "POST /emg/recordings/{name}/prompt": {"action": "pause"},
    "POST /trainings": {"recordings": [RECORDING], "name": PROFILE, "person": "S01", "use": "if-better"},
}


class Examples(BasePlugin):
    """Gives every operation what it needs to succeed.

    Swagger UI and generated clients send a query's defaults along. Beside a body they would contradict it, so there
    they are said in words only.
    """

    def __init__(self, settings: Settings, manifest: Manifest | None) -> None:
        self._mode = settings.emg_mode
        self._model = DEFAULT_MODEL if manifest is None else manifest.name
        self._version = "1.0.0" if manifest is None else manifest.version
        stream: dict[str, Any] = {
            "duration_seconds": min(STREAM_S, settings.max_duration_s or STREAM_S),
            "fps": min(STREAM_FPS, settings.max_fps),
        }
        self._bodies = {
            **_BODIES,
            **_pushed(manifest),
            **_profile(manifest),
            **_oip(manifest),
            "POST /infer/stream": stream,
            "PUT /emg/sources/{name}/model": {"model": self._model},
        }
        self._queries: dict[str, dict[str, Any]] = {"GET /infer/stream": stream}

    def path_helper(
        self,
        path: str | None = None,
        operations: dict[str, Any] | None = None,  # noqa: ARG002  apispec names it
        parameters: list[Any] | None = None,
        **_: Any,
    ) -> None:
        for parameter in parameters or ():
            version = parameter["name"] == "version"
            parameter["example"] = self._version if version else self._name(path or "")

    def operation_helper(
        self, path: str | None = None, operations: dict[str, Any] | None = None, **_: Any
    ) -> None:
        for method, operation in (operations or {}).items():
            route = f"{method.upper()} {path}"
            content = operation.get("requestBody", {}).get("content", {})
            if route in self._bodies:
                content[JSON]["example"] = self._bodies[route]
            for parameter in operation.get("parameters", ()):
                if content:
                    _need_not_be_said(parameter)
                _say_default(parameter, beside_body=bool(content))
                if parameter["name"] in self._queries.get(route, ()):
                    parameter["example"] = self._queries[route][parameter["name"]]
            if route in NEED_PUSH and self._mode is not EmgMode.PUSH:
                operation["description"] = f"{operation.get('description', '')}\n\n{self._refusal}".strip()
            if route in NEED_REPLAY and self._mode is not EmgMode.NINAPRO:
                operation["description"] = f"{operation.get('description', '')}\n\n{self._no_replay}".strip()
            if route in NEED_RECORDING:
                operation["description"] = f"{operation.get('description', '')}\n\n{NEEDED}".strip()

    def _name(self, path: str) -> str:
        """Return a name that is there: of a recording, a model or a source."""
        if path.startswith("/emg/recordings/"):
            return RECORDING
        if path.startswith(("/profiles/", "/jobs/")):
            return PROFILE if path.startswith("/profiles/") else JOB
        return self._model if path.startswith(("/models/", "/v2/")) else SOURCES[self._mode]

    @property
    def _no_replay(self) -> str:
        return f"This server answers 409: it takes a replay (`EMG_MODE=ninapro`), and it has `{self._mode.value}`."

    @property
    def _refusal(self) -> str:
        return f"This server answers 409: clients bring sources with `EMG_MODE=push`, and it has `{self._mode.value}`."


def _pushed(manifest: Manifest | None) -> dict[str, dict[str, Any]]:
    """Return what a client that pushes sends: a source as the model wants it, and two of its samples."""
    channels, rate, units = (
        (16, 2000.0, "uV")
        if manifest is None
        else (manifest.channels, manifest.sampling_rate, manifest.units)
    )
    return {
        "POST /emg/sources/{name}": {"channels": channels, "sampling_rate_hz": rate, "units": units},
        "POST /emg/sources/{name}/samples": {"first_sample": 0, "samples": [[0.0] * channels] * 2},
    }


def _oip(manifest: Manifest | None) -> dict[str, dict[str, Any]]:
    """Return one window of silence for the server's model, and the one output wanted of it; and what is asked first."""
    length, channels = (200, 16) if manifest is None else (manifest.length, manifest.channels)
    emg = {"name": "emg", "datatype": "INT8", "shape": [1, length, channels], "data": [0] * length * channels}
    ask = {"inputs": [emg], "outputs": [{"name": "label"}]}
    asked = {f"POST /v2/models/{{name}}{version}/infer": ask for version in ("", "/versions/{version}")}
    return {**asked, "POST /v2/repository/index": {"ready": True}}


def _profile(manifest: Manifest | None) -> dict[str, dict[str, Any]]:
    """Return what is said of a person who uses the server's model."""
    model = None if manifest is None else manifest.name
    rule = {"votes": 5, "min_confidence": 0.6}
    return {
        "PUT /profiles/{name}": {"person": "S01", "model": model, "decision": rule, "notes": "left forearm"}
    }


def _need_not_be_said(parameter: dict[str, Any]) -> None:
    """A query says what a binary body cannot, and is refused beside JSON."""
    if parameter["required"]:
        parameter["required"] = False
        parameter["description"] = f"{parameter['description']}; needed with a binary body"


def _say_default(parameter: dict[str, Any], beside_body: bool) -> None:
    schema = parameter["schema"]
    if "default" in schema and (beside_body or schema["default"] is None):
        default = schema.pop("default")
        if default is not None:
            parameter["description"] = f"{parameter['description']}; {json.dumps(default)} by default"
