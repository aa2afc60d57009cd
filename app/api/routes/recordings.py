"""`/emg/recordings`: record a source, with or without prompts, and take the recordings home."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, BinaryIO

from flask import Response
from flask_smorest import Blueprint

from app.api.access.access import CONTROL, READ, current_caller, needs
from app.api.codec.decoding import load_json, load_query
from app.api.context import current_pipeline, current_runtime
from app.api.openapi import body, fails, named, query
from app.api.schemas.params import PromptJob, RecordingJob
from app.api.schemas.recordings import (
    DownloadSchema,
    PromptActionSchema,
    RecordingSchema,
    RecordingsSchema,
    RecordingStartSchema,
)
from app.emg.recording.folder import NAME
from app.errors import NotReadyError
from app.serving.recordings.exports import FORMATS
from app.serving.recordings.headers import rest_of
from app.serving.recordings.info import RecordingInfo

bp = needs(CONTROL)(
    Blueprint(
        "recordings", __name__, url_prefix="/emg/recordings", description="Record what the sources deliver"
    )
)

PIECE_BYTES = 2**18
_KINDS = {  # by the file's suffix
    "npz": "application/octet-stream",
    "zip": "application/zip",
    "xdf": "application/octet-stream",
}
_start, _download, _prompt_action = RecordingStartSchema(), DownloadSchema(), PromptActionSchema()


@bp.post("")
@bp.doc(requestBody=body(RecordingStartSchema))
@bp.response(201, RecordingSchema)
@fails(bp, 400, 409, 413, 415, 422, 503)
def start() -> dict[str, Any]:
    """Begin to record a source: raw samples, its labels, and the predictions of the model that reads it.

    With a plan, the labels are those of the plan, aligned by sample index; `prompt` says what the person is to do
    now, and the recording ends with the plan. With `follow` there is a cursor in place of labels: `cursor` says where,
    and the recording keeps it beside the signal as the stream `trajectory`.
    """
    job: RecordingJob = load_json(_start)
    runtime = current_runtime()
    if runtime.stopping():
        raise NotReadyError("the server is shutting down")
    pipeline, recorder = current_pipeline(job.source), runtime.recorder
    plan = job.plan_with(rest_of(pipeline.manifest))
    begun = described(recorder.start(pipeline, job.name, job.subject, plan, job.follow))
    if plan is not None or job.follow is not None:  # somebody shows gestures, and will want them learned
        runtime.trainings.expect()
    return begun


@bp.get("")
@bp.response(200, RecordingsSchema)
@fails(bp, 503)
@needs(READ)
def recordings() -> dict[str, Any]:
    """All recordings, the newest first."""
    return {"recordings": [described(state) for state in current_runtime().recorder.states()]}


@bp.post("/<name>/prompt", parameters=named(NAME.pattern))
@bp.doc(requestBody=body(PromptActionSchema, required=True))
@bp.response(200, RecordingSchema)
@fails(bp, 400, 404, 409, 413, 415, 422, 503)
def prompt(name: str) -> dict[str, Any]:
    """Pause or resume the prompts of a recording, have something done again, or leave out what is asked now.

    It counts from the sample that the server had last when it was asked. What was begun and is done again is not
    labelled, and nothing learns from it.
    """
    job: PromptJob = load_json(_prompt_action)
    return described(current_runtime().recorder.prompt(name, job.action, job.index))


@bp.post("/<name>/stop", parameters=named(NAME.pattern))
@bp.response(200, RecordingSchema)
@fails(bp, 404, 422, 503)
def stop(name: str) -> dict[str, Any]:
    """End a recording; when the answer comes, all of it is on the disk. One that has ended stays as it is."""
    return described(current_runtime().recorder.stop(name))


@bp.get("/<name>/download", parameters=named(NAME.pattern))
@bp.doc(
    parameters=query(DownloadSchema),
    responses={
        HTTPStatus.OK: {
            "description": "The file",
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in sorted(set(_KINDS.values()))
            },
        }
    },
)
@fails(bp, 404, 409, 422, 429, 503)
def download(name: str) -> Response:
    """Return a recording that has ended, as one file.

    It needs `control`, as what it is made by does: up to minutes of a core, and a file as large on the server's disk.
    """
    form, runtime = load_query(_download), current_runtime()
    suffix, _ = FORMATS[form]
    with ExitStack() as held:
        held.callback(runtime.exports.open(current_caller().name))
        file, size = runtime.recorder.export(name, form)
        held.callback(file.close)  # its name is gone already, and so is the file then
        answer = Response(
            _pieces(file),
            mimetype=_KINDS[suffix],
            headers={
                "Content-Disposition": f"attachment; filename={name}.{suffix}",
                "Content-Length": str(size),
                "Cache-Control": "no-store",
            },
        )
        answer.call_on_close(held.pop_all().close)
    return answer


@bp.get("/<name>", parameters=named(NAME.pattern))
@bp.response(200, RecordingSchema)
@fails(bp, 404, 422, 503)
@needs(READ)
def recording(name: str) -> dict[str, Any]:
    """One recording: its state, and while it runs with a plan, the prompt."""
    return described(current_runtime().recorder.state(name))


@bp.delete("/<name>", parameters=named(NAME.pattern))
@bp.response(204)
@fails(bp, 404, 409, 422, 503)
def delete(name: str) -> None:
    """Delete a recording for good."""
    current_runtime().recorder.remove(name)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """gunicorn's own way with files sends without a pause to a client that reads fast, and all streams wait."""
    while piece := file.read(PIECE_BYTES):
        yield piece
        time.sleep(0)


def described(state: RecordingInfo) -> dict[str, Any]:
    """Return a look at a recording, for JSON."""
    return {**asdict(state), "seconds": round(state.seconds, 3), "prompt": _prompt(state)}


def _prompt(state: RecordingInfo) -> dict[str, Any] | None:
    if state.prompt is None:
        return None
    rounded = ("seconds_left", "seconds", "total_seconds_left")
    return {**asdict(state.prompt), **{name: round(getattr(state.prompt, name), 3) for name in rounded}}
