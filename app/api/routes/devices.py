"""`/emg/devices` and `/emg/source`: what EMG can come from here, and which of it the server reads."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask_smorest import Blueprint

from app.api.access.access import CONTROL, needs
from app.api.codec.decoding import load_json, load_query
from app.api.context import current_pipeline, current_runtime
from app.api.errors import InvalidBody
from app.api.openapi import body, fails, query
from app.api.routes.emg import described
from app.api.schemas.devices import DevicesQuerySchema, DevicesSchema, SourceSettingsSchema
from app.api.schemas.emg import SourceSchema
from app.config import Settings
from app.errors import BusyError, ConfigError
from app.serving.process.offload import BlockingWorker
from app.serving.sources.chosen_settings import NAMES, said_of
from app.serving.sources.own_source import OwnSource

bp = needs(CONTROL)(
    Blueprint("devices", __name__, url_prefix="/emg", description="What EMG can come from here")
)

_devices, _settings = DevicesQuerySchema(), SourceSettingsSchema()


@bp.get("/devices")
@bp.doc(parameters=query(DevicesQuerySchema))
@bp.response(200, DevicesSchema)
@fails(bp, 422)
def devices() -> dict[str, Any]:
    """List what EMG can come from: what is there now, and boards of which only opening them would tell.

    Takes `seconds`: streams in the network answer, and probes dial in meanwhile. Each has the settings that open it,
    for `PUT /emg/source` or for the server's start.
    """
    seconds: float = load_query(_devices)["seconds"]
    runtime = current_runtime()
    return {
        "devices": [_SIMULATOR, *(shown(device) for device in _found(seconds, runtime.settings))],
        "current": said_of(runtime.settings),
    }


@bp.put("/source")
@bp.doc(requestBody=body(SourceSettingsSchema, required=True))
@bp.response(200, SourceSchema)
@fails(bp, 400, 409, 413, 415, 422, 503)
def choose() -> dict[str, Any]:
    """Read another source from now on, in all workers: nothing restarts, and streams go on.

    They get `{"status": "stalled"}`, and `{"status": "recovered"}` before the first frame of the new source; the
    sample index goes on. A recording of the source before ends. The model stays, and must be able to read it; with
    `"EMG_MODEL": "none"` it is looked at without one. After a restart the source is that of the settings again.
    """
    said: dict[str, str] = load_json(_settings)["settings"]
    try:
        _own().switch(said, again=_over())
    except ConfigError as error:
        raise InvalidBody({"settings": [str(error)]}) from None
    return described(current_pipeline(None))


@bp.delete("/source")
@bp.response(200, SourceSchema)
@fails(bp, 409, 503)
def go_back() -> dict[str, Any]:
    """Read the source that the server was started with again."""
    _own().switch({}, again=_over())
    return described(current_pipeline(None))


def _own() -> OwnSource:
    own = current_runtime().own
    if own is None:
        raise BusyError("this server was given its source by the program that made it")
    return own


def _over() -> bool:
    """Whether the source of now has come to its end, as a recording does."""
    pipeline = current_runtime().pipelines.default
    return pipeline is not None and pipeline.acquisition.state == "ended"


def _found(seconds: float, settings: Settings) -> list[Any]:
    from app.emg.devices import (
        find,  # the packages of all devices, which a server with one of them need not load
    )

    worker = BlockingWorker()  # their import alone holds up a stream
    try:
        return worker.do(lambda: find(seconds, settings.otb_bind[0]))
    finally:
        worker.close()


_SIMULATOR = {
    "kind": "simulator",
    "name": "simulator",
    "there": True,
    "settings": {"EMG_MODE": "dummy"},
    "needs": "",
    "about": "simulated muscles, without hardware",
    "channels": None,
    "sampling_rate_hz": None,
}


def shown(device: Any) -> dict[str, Any]:
    """Return a device as it is answered, with those of its settings that `PUT /emg/source` takes."""
    description = device.description
    return {
        **{key: value for key, value in asdict(device).items() if key != "description"},
        "settings": {name: value for name, value in device.settings.items() if name in NAMES},
        "channels": None if description is None else description.channels,
        "sampling_rate_hz": None if description is None else description.sampling_rate,
    }
