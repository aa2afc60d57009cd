"""`/models`: those that lie here, one's archive, and those that clients bring and delete."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from typing import Any, BinaryIO

from flask import Response, request
from flask_smorest import Blueprint
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from app.api.access.access import CONTROL, READ, current_caller, needs
from app.api.codec.decoding import RAW, UNDECLARED, body_pieces, expect_plain, load_query
from app.api.context import current_runtime
from app.api.openapi import fails, named, query
from app.api.schemas.model_field import NAME
from app.api.schemas.models import ModelSchema, ModelsSchema, UploadedSchema, UploadSchema
from app.api.schemas.params import UploadJob
from app.errors import NotReadyError

bp = needs(CONTROL)(
    Blueprint("models", __name__, url_prefix="/models", description="The models that lie here")
)

ZIP = "application/zip"
KINDS = (ZIP, "application/x-zip-compressed", RAW)
PIECE_BYTES = 2**18
_FILE = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
_upload = UploadSchema()


@bp.get("")
@bp.response(200, ModelsSchema)
@fails(bp, 503)
@needs(READ)
def models() -> dict[str, Any]:
    """All models: what each reads and tells, where it comes from, how good it is, and which sources it fits."""
    runtime = current_runtime()
    return {**runtime.models.all(), "elsewhere": runtime.elsewhere("models")}


@bp.post("")
@bp.doc(parameters=query(UploadSchema), requestBody={"required": True, "content": {RAW: _FILE}})
@bp.response(201, UploadedSchema)
@fails(bp, 400, 409, 413, 415, 422, 429, 503)
def upload() -> dict[str, Any]:
    """Take a model in: a zip of the files of its folder, as `/models/<name>/archive` gives it.

    Or somebody's own graph: a zip of `manifest.json` without `files`, `model.onnx` and `golden.npz` (docs/models.md).
    It is tried in a process of its own before it is kept: its files against their sha256, its graphs against its
    weights or golden vectors. Of one that fails nothing is left. It is used when EMG_MODEL names it.
    """
    expect_plain()
    if request.mimetype not in KINDS:
        kind = "no content type" if request.mimetype in UNDECLARED else request.mimetype
        raise UnsupportedMediaType(f"the body is a zip ({RAW} or {ZIP}); got {kind}")
    job: UploadJob = load_query(_upload)
    runtime = current_runtime()
    if runtime.stopping():
        raise NotReadyError("the server is shutting down")
    close = runtime.exports.open(current_caller().name)
    try:
        with runtime.models.uploads.receiving() as arriving:
            for piece in body_pieces():
                arriving.write(piece)
            if not arriving.size:
                raise BadRequest("the body is empty; send the zip")
            model, proof = arriving.keep(replacing=job.replace, sha256=job.sha256)
    finally:
        close()
    told = {"by": proof.by, "windows": proof.windows, "difference": proof.difference}
    return {**runtime.models.one(model.manifest.name), "proof": told}


@bp.get("/<name>", parameters=named(NAME.pattern))
@bp.response(200, ModelSchema)
@fails(bp, 404, 503)
@needs(READ)
def model(name: str) -> dict[str, Any]:
    """One model."""
    return current_runtime().models.one(name)


@bp.get("/<name>/archive", parameters=named(NAME.pattern))
@bp.doc(responses={HTTPStatus.OK: {"description": "The zip", "content": {RAW: _FILE, ZIP: _FILE}}})
@fails(bp, 404, 429, 503)
@needs(READ)
def archive(name: str) -> Response:
    """Return a model as a zip; the same bytes for the same model, and what `POST /models` takes elsewhere."""
    runtime = current_runtime()
    with ExitStack() as held:
        held.callback(runtime.exports.open(current_caller().name))
        model = runtime.models.shelf.sound(name)
        file, size = runtime.models.shelf.archive(model)
        held.callback(file.close)
        answer = Response(
            _pieces(file),
            mimetype=ZIP,
            headers={
                "Content-Disposition": f"attachment; filename={name}.zip",
                "Content-Length": str(size),
                "Cache-Control": "no-store",
            },
        )
        answer.call_on_close(held.pop_all().close)
    return answer


@bp.delete("/<name>", parameters=named(NAME.pattern))
@bp.response(204)
@fails(bp, 404, 409, 503)
def delete(name: str) -> None:
    """Delete a model for good; not one that this server runs, starts or came with, or that a profile names."""
    current_runtime().models.delete(name)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """gunicorn's own way with files sends without a pause to a client that reads fast, and all streams wait."""
    while piece := file.read(PIECE_BYTES):
        yield piece
        time.sleep(0)
