"""The sources of other workers, as these describe them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import request

from app.api.relay import asked_of
from app.api.request_metrics import RELAYED
from app.api.routes.health import source_state
from app.emg.auxiliary import AuxStream
from app.emg.description import UNKNOWN_UNITS
from app.emg.source import SourceState
from app.errors import NodeGoneError, NotReadyError
from app.serving.bus.bus import Bus, Ownership, oldest_source
from app.serving.sources import declaration
from app.serving.sources.declared import Declared

log = logging.getLogger(__name__)

ANSWER_S = 1.0  # for a worker to describe what it reads


def sources_of_all(bus: Bus | None, own: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sources of all workers, the oldest first; `own` are this one's, by name.

    One whose worker is gone or does not answer is described by what its client declared, as disconnected. The others
    are asked this very request; to who asks as such, a worker tells its own alone.
    """
    if bus is None or RELAYED in request.environ:
        return list(own.values())
    owners = bus.sources()
    described: dict[str, dict[str, Any]] = {}
    for node in {owner.node for owner in owners.values() if owner.alive} - {bus.node}:
        described |= {one["name"]: one for one in _told_by(bus, node)}
    described |= own
    return [
        *(one for name, owner in owners.items() if (one := described.get(name) or _declared(owner))),
        *(one for name, one in own.items() if name not in owners),
    ]


def default_of_all(bus: Bus | None, own: str | None) -> str | None:
    """Return the source that is meant where none is named: the same at every worker."""
    oldest = None if bus is None else oldest_source(bus)
    return own if oldest is None else oldest.source


def aux_fields(stream: AuxStream) -> dict[str, Any]:
    """Return what comes beside the EMG, as it is answered."""
    return {
        "name": stream.name,
        "channel_names": list(stream.channel_names),
        "units": stream.units,
        "sampling_rate_hz": stream.sampling_rate,
    }


def _told_by(bus: Bus, node: str) -> list[dict[str, Any]]:
    try:
        answer = asked_of(bus, node, ANSWER_S)
    except NodeGoneError as error:
        log.info("the sources of the worker %s are not known: %s", node, error)
        return []
    sources: list[dict[str, Any]] = (
        answer.get_json()["sources"] if answer.status_code == HTTPStatus.OK else []
    )
    return sources


def _declared(owner: Ownership) -> dict[str, Any] | None:
    """Return what is known of a source that nobody reads just now; None where that cannot be read."""
    try:
        declared: Declared = declaration.read(owner.declaration)
    except NotReadyError as error:
        log.warning("the source %s is not told of: %s", owner.source, error)
        return None
    return {
        **source_state(
            SourceState(
                name=owner.source,
                state="disconnected",
                last_sample_age_ms=None,
                samples=0,
                gaps=0,
                lost_samples=0,
                error="the worker that read it is gone or does not answer; it goes on with the next samples pushed",
                measured_rate_hz=None,
                rate_ok=False,
            )
        ),
        "channels": declared.channels,
        "channel_names": [f"ch{number}" for number in range(1, declared.channels + 1)],
        "model": declared.model,
        "profile": declared.profile,
        "model_sha256": None,
        "models_before": [],
        "advice": None,
        "montage": None,
        "signal_channels": list(range(declared.channels)),
        "filters": [],
        "aux": [aux_fields(stream) for stream in declared.aux or ()],
        "sampling_rate_hz": declared.sampling_rate,
        "units": declared.units or UNKNOWN_UNITS,
        "gesture_names": [],
        "pushed": True,
        "replay": False,
        "scale": 1.0,
        "next_sample": None,
        "counters": {},
    }
