"""`/jobs`: how it stands with trainings, as answers and as events, and their end before they are done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response
from flask_smorest import Blueprint

from app.api.access.access import CONTROL, READ, needs
from app.api.context import current_runtime
from app.api.openapi import fails
from app.api.schemas.jobs import JobSchema, JobsSchema
from app.api.sse import events as sse
from app.serving.jobs.job import CANCELLED, DONE, FAILED, QUEUED, STAGES, Job
from app.serving.runtime import Runtime

bp = needs(READ)(Blueprint("jobs", __name__, url_prefix="/jobs", description="Learn models from recordings"))

KEEP_ALIVE_S = 5.0
ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"
_TEXTS = {QUEUED: "waiting for its turn", DONE: "done", FAILED: "failed", CANCELLED: "cancelled"}
_job = JobSchema()
_named = [{"in": "path", "name": "id", "schema": {"type": "string", "pattern": f"^{ID}$"}}]


@bp.get("")
@bp.response(200, JobsSchema)
@fails(bp, 503)
def jobs() -> dict[str, Any]:
    """All jobs of all workers, the newest first."""
    runtime = current_runtime()
    return {
        "jobs": [described(job) for job in runtime.trainings.all()],
        "elsewhere": runtime.elsewhere("jobs"),
    }


@bp.get("/<id>", parameters=_named)
@bp.response(200, JobSchema)
@fails(bp, 404, 503)
def job(id: str) -> dict[str, Any]:
    """One job."""
    return described(current_runtime().trainings.find(id))


@bp.get("/<id>/events", parameters=_named)
@bp.doc(
    responses={
        HTTPStatus.OK: {
            "description": "The job, as `GET /jobs/<id>` gives it, whenever it has changed; ends with it",
            "content": {sse.MIMETYPE: {"schema": {"type": "string"}}},
        }
    }
)
@fails(bp, 404, 503)
def events(id: str) -> Response:
    """Follow a job: an event at once, one at each change, the last when it is over."""
    runtime = current_runtime()
    runtime.trainings.find(id)
    return Response(_events(runtime, id), mimetype=sse.MIMETYPE, headers=sse.HEADERS)


@bp.delete("/<id>", parameters=_named)
@bp.response(200, JobSchema)
@fails(bp, 404, 503)
@needs(CONTROL)
def cancel(id: str) -> dict[str, Any]:
    """Cancel a job: nothing of it is kept. One that is over stays as it is, and so does its model."""
    return described(current_runtime().trainings.cancel(id))


def described(job: Job) -> dict[str, Any]:
    """Return a job, for JSON."""
    text = _TEXTS.get(job.state) or STAGES.get(job.stage or "", "loading what it needs")
    result = job.result if job.state == DONE else None  # until then nobody knows whether it is used
    return {**asdict(job), "text": text, "progress": round(job.progress, 2), "result": result}


def _events(runtime: Runtime, job_id: str) -> Iterator[bytes]:
    spoke, number, over = time.perf_counter(), 0, False
    for found in runtime.trainings.watch(job_id, runtime.stopping):
        if found is not None:
            number, over = number + 1, found.over
            yield b"id: %d\ndata: %b\n\n" % (number, orjson.dumps(_job.dump(described(found))))
        elif time.perf_counter() - spoke < KEEP_ALIVE_S:
            continue
        else:
            yield sse.COMMENT
        spoke = time.perf_counter()
    if not over:
        last = {
            "error": "this worker of the server ends; GET /jobs says how it goes on",
            "timestamp": time.time(),
        }
        yield b"id: %d\ndata: %b\n\n" % (number + 1, orjson.dumps(last))
