"""`/emg/source/position`: where a replay is, and where it goes on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask_smorest import Blueprint

from app.api.access.access import CONTROL, READ, needs
from app.api.codec.decoding import load_json
from app.api.context import current_runtime
from app.api.errors import InvalidBody
from app.api.openapi import body, fails
from app.api.schemas.params import MoveJob
from app.api.schemas.replay import MoveSchema, PositionSchema
from app.emg.replay import ReplayPosition
from app.serving.sources.replays import expect_replay, move

bp = needs(CONTROL)(
    Blueprint("replay", __name__, url_prefix="/emg", description="Where a replay is, and where it goes on")
)

_move = MoveSchema()


@bp.get("/source/position")
@bp.response(200, PositionSchema)
@fails(bp, 409)
@needs(READ)
def position() -> dict[str, Any]:
    """Where the replay is that the server reads (`EMG_MODE=ninapro`), and whether it waits."""
    return _answer(expect_replay(current_runtime().acquisition).position)


@bp.put("/source/position")
@bp.doc(requestBody=body(MoveSchema, required=True))
@bp.response(200, PositionSchema)
@fails(bp, 400, 409, 413, 415, 422, 503)
def go_on() -> dict[str, Any]:
    """Have the replay go on elsewhere, wait, or play on, for all streams and in all workers.

    The sample index counts on, and no window spans the place left and the new one: truth and predictions are the new
    place's from its first whole window on. While it waits the source counts as stalled: decisions fall to rest.
    """
    job: MoveJob = load_json(_move)
    acquisition = current_runtime().acquisition
    longest = expect_replay(acquisition).duration_s
    if job.position_seconds is not None and job.position_seconds > longest:
        raise InvalidBody({"position_seconds": [f"must be at most its duration, {longest:g} s"]})
    return _answer(move(acquisition, job.position_seconds, job.paused))


def _answer(position: ReplayPosition) -> dict[str, Any]:
    return {
        **asdict(position),
        "position_seconds": round(position.position_seconds, 3),
        "duration_seconds": round(position.duration_seconds, 3),
    }
