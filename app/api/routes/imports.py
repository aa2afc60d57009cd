"""`/recordings/import`: a file of the field becomes a recording."""

from __future__ import annotations

from math import sin
from typing import Any

from flask import request
from flask_smorest import Blueprint
from werkzeug.exceptions import BadRequest, UnsupportedMediaType
from werkzeug.http import parse_options_header

from app.api.access.access import CONTROL, current_caller, needs
from app.api.codec.decoding import JSON, RAW, body_pieces, expect_plain, load_query, query_values, validated
from app.api.codec.forms import FILE, read_form
from app.api.context import current_runtime
from app.api.errors import InvalidBody
from app.api.openapi import fails, query
from app.api.routes.recordings import described
from app.api.schemas.imports import ImportedSchema, ImportSchema
from app.api.schemas.params import ImportJob
from app.errors import NotReadyError
from app.serving.recordings.file_imports import Received

bp = needs(CONTROL)(
    Blueprint("imports", __name__, url_prefix="/recordings", description="Record what the sources deliver")
)

FORM = "multipart/form-data"
_FILE = {"type": "string", "format": "binary", "minLength": 1}
_OPTIONS = ImportSchema()
_EXAMPLE = "time,ch1,ch2\n" + "".join(
    f"{k / 200:.3f},{90 * sin(k * k):.1f},{60 * sin(k**3):.1f}\n" for k in range(100)
)


@bp.post("/import")
@bp.doc(
    parameters=query(ImportSchema),
    requestBody={
        "required": True,
        "content": {
            RAW: {"schema": _FILE, "example": _EXAMPLE},
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "array", "items": _FILE, "minItems": 1}},
                    "required": ["file"],
                }
            },
        },
    },
)
@bp.response(201, ImportedSchema)
@fails(bp, 400, 409, 413, 415, 422, 429, 503)
def import_file() -> dict[str, Any]:
    """Make a recording of a file: CSV and text of any kind, EDF/BDF, XDF, `.mat`, OpenSignals, our own `.npz`.

    What it is, is found by its content; `found` and `assumed` say what was seen, and what overrides an assumption. The
    body is the file, with its name in `filename`, or a form with one or more files (`file`), which become one
    recording; the options may be in the query or fields of the form. Nothing is left of an import that fails.
    """
    expect_plain()
    if request.mimetype == JSON:
        raise UnsupportedMediaType(f"the body is the file ({RAW}), or a form with files ({FORM}); got {JSON}")
    runtime = current_runtime()
    if runtime.stopping():
        raise NotReadyError("the server is shutting down")
    close = runtime.exports.open(current_caller().name)
    try:
        with runtime.recorder.imports.receiving() as received:
            job = _form(received) if request.mimetype == FORM else _raw(received)
            report = received.import_as(job.name, job.subject, job.hints)
    finally:
        close()
    return {**report, **described(runtime.recorder.state(report["name"]))}


def _raw(received: Received) -> ImportJob:
    """Take the body for the file."""
    job: ImportJob = load_query(_OPTIONS)
    came = 0
    with received.open(job.filename) as write:
        for piece in body_pieces():
            write(piece)
            came += len(piece)
    if not came:
        raise BadRequest("the body is empty; send the file")
    return job


def _form(received: Received) -> ImportJob:
    """Take the files of a form, and its other fields for options beside those of the query."""
    _, options = parse_options_header(request.content_type)
    boundary = options.get("boundary", "").encode("ascii", "ignore")
    if not boundary:
        raise BadRequest("the form says no boundary")
    load_query(_OPTIONS)  # refused before the files come
    fields = read_form(body_pieces(), boundary, received.open)
    job: ImportJob = validated(_OPTIONS, query_values(_OPTIONS, {**request.args, **fields}))
    if not received.paths:
        raise InvalidBody({FILE: ["the form needs one file or more, each called file"]})
    return job
