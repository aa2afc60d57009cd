"""`POST /trainings`: a model from recordings, as a job."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint

from app.api.access.access import CONTROL, needs
from app.api.codec.decoding import load_json
from app.api.context import current_pipeline, current_runtime
from app.api.errors import InvalidBody
from app.api.openapi import body, fails
from app.api.routes.jobs import described
from app.api.schemas.jobs import JobSchema, TrainingSchema
from app.errors import NotReadyError
from app.serving.jobs.job import TrainingRequest
from app.serving.jobs.material import TrainingFieldError

bp = needs(CONTROL)(
    Blueprint("trainings", __name__, url_prefix="/trainings", description="Learn models from recordings")
)

_training = TrainingSchema()


@bp.post("")
@bp.doc(requestBody=body(TrainingSchema, required=True))
@bp.response(202, JobSchema)
@fails(bp, 400, 409, 413, 415, 422, 429, 503)
def train() -> dict[str, Any]:
    """Learn a model from recordings: a job, done in a process of its own beside the streams.

    What it makes is judged on repetitions that it was not taught, is kept in `instance/models` whole or not at all,
    and is used by the source where `use` says so. Recordings that are not here, show no gestures or are of other
    electrodes than the base are refused at once.
    """
    asked: TrainingRequest = load_json(_training)
    runtime = current_runtime()
    if runtime.stopping():
        raise NotReadyError("the server is shutting down")
    if asked.source is not None:
        current_pipeline(asked.source)
    try:
        return described(runtime.trainings.start(asked))
    except TrainingFieldError as error:
        raise InvalidBody({error.field: [error.reason]}, error.failure) from None
