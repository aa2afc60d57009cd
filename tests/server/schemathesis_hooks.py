"""Loaded by Schemathesis: what it cannot know of this API, and a check of its own for streams."""

from __future__ import annotations

import json
import os
from typing import Any

import schemathesis
from schemathesis.generation import GenerationMode

from app.api.errors import ProblemSchema
from app.api.schemas.gestures import GestureEventSchema
from app.api.schemas.jobs import JobSchema
from app.api.schemas.streaming import FrameSchema

PUSHED = os.environ.get("SCHEMATHESIS_PUSHED")  # a source that is there, in push mode
LOOK_S = 0.02
DECLARATION = {"channels": 16, "sampling_rate_hz": 2000}
FRAME = {name for name, field in FrameSchema().fields.items() if field.required}
PROBLEM = {name for name, field in ProblemSchema().fields.items() if field.required}
GESTURE = {field.data_key or name for name, field in GestureEventSchema().fields.items() if field.required}
JOB = {field.data_key or name for name, field in JobSchema().fields.items() if field.required}
LAST = {"status", "total_frames", "duration_seconds", "avg_fps"}

_turns: dict[str, int] = {}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Make sound requests reach what there is, in a time that a test has.

    Every other one to a pushed source goes to one that is there, so that more than its 404 is seen; a look for devices
    is a short one.
    """
    path = case.operation.path
    if path == "/emg/devices" and _sound(case):
        case.query = {**(case.query or {}), "seconds": LOOK_S}
    if PUSHED is None or not path.startswith("/emg/sources/{name}") or not _sound(case):
        return
    turn = _turns[path] = _turns.get(path, 0) + 1
    if turn % 2:
        case.path_parameters["name"] = PUSHED
        if path == "/emg/sources/{name}" and case.method.upper() == "POST":
            case.body = dict(DECLARATION)


@schemathesis.check
def streams_as_documented(context: Any, response: Any, case: Any) -> None:
    """Unnamed events of one JSON object each: frames and gestures, then the last word, or a job. Else a problem."""
    if case.operation.path not in ("/infer/stream", "/jobs/{id}/events"):
        return
    if response.headers["content-type"][0].startswith("application/problem+json"):
        assert response.json().keys() >= PROBLEM, response.text
        return
    if response.status_code != 200 or case.method.upper() not in ("GET", "POST"):
        return
    # a comment is a line, and may stand in the block of an event
    said = "\n".join(line for line in response.text.split("\n") if not line.startswith(":"))
    events = [_event(block.strip("\n")) for block in said.split("\n\n") if block.strip("\n")]
    assert events, "a stream without any event"
    if case.operation.path == "/jobs/{id}/events":
        assert all(event.keys() >= JOB for event in events), events
        return
    for event in events[:-1]:
        known = event.keys() >= FRAME or event.keys() >= GESTURE
        assert known or "status" in event or "error" in event, event
    assert events[-1].keys() >= LAST or "error" in events[-1], events[-1]


def _event(block: str) -> dict[str, Any]:
    names = [line.partition(": ")[0] for line in block.split("\n")]
    assert names == ["id", "data"], block
    found = json.loads(block.split("\n")[1].removeprefix("data: "))
    assert isinstance(found, dict), block
    return found


def _sound(case: Any) -> bool:
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
