"""`/profiles`: people, each with their montage, model and way of deciding."""

from __future__ import annotations

from dataclasses import fields
from http import HTTPStatus
from typing import Any

from flask_smorest import Blueprint

from app.api.access.access import CONTROL, READ, needs
from app.api.codec.decoding import load_json, load_query
from app.api.context import current_runtime
from app.api.errors import InvalidBody
from app.api.openapi import body, fails, named, query
from app.api.schemas.model_field import NAME
from app.api.schemas.params import ProfileJob
from app.api.schemas.profiles import (
    DeletedSchema,
    ProfileDeleteSchema,
    ProfilePutSchema,
    ProfileSchema,
    ProfilesSchema,
)
from app.errors import NotReadyError
from app.serving.person_data import NobodyError, delete_person
from app.serving.profiles.profile import Profile, ProfileFieldError

bp = needs(CONTROL)(
    Blueprint("profiles", __name__, url_prefix="/profiles", description="People, and what is their own")
)

_put, _delete, _deleted = ProfilePutSchema(), ProfileDeleteSchema(), DeletedSchema()


@bp.get("")
@bp.response(200, ProfilesSchema)
@fails(bp, 503)
@needs(READ)
def profiles() -> dict[str, Any]:
    """All profiles, and whether each can be used."""
    runtime = current_runtime()
    return {**runtime.models.profiles.all(), "elsewhere": runtime.elsewhere("profiles")}


@bp.put("/<name>", parameters=named(NAME.pattern))
@bp.doc(requestBody=body(ProfilePutSchema))
@bp.response(200, ProfileSchema)
@bp.alt_response(201, schema=ProfileSchema, description="It is a new one")
@fails(bp, 400, 409, 413, 415, 422, 503)
def put(name: str) -> tuple[dict[str, Any], int]:
    """Keep a profile, in the place of the one of that name: what is not said is not kept.

    A model that is not here, and a montage that does not parse or does not fit the model, are refused. It changes
    nothing that runs: a source takes it up when it is chosen again, `EMG_PROFILE` at a start or reload.
    """
    job: ProfileJob = load_json(_put)
    runtime = current_runtime()
    if runtime.stopping():
        raise NotReadyError("the server is shutting down")
    try:
        values = {field.name: getattr(job, field.name) for field in fields(job)}
        kept, new = runtime.models.profiles.put(Profile(name=name, **values))
    except ProfileFieldError as error:
        raise InvalidBody({error.field: [error.reason]}) from None
    return kept, HTTPStatus.CREATED if new else HTTPStatus.OK


@bp.get("/<name>", parameters=named(NAME.pattern))
@bp.response(200, ProfileSchema)
@fails(bp, 404, 503)
@needs(READ)
def profile(name: str) -> dict[str, Any]:
    """One profile."""
    return current_runtime().models.profiles.one(name)


@bp.delete("/<name>", parameters=named(NAME.pattern))
@bp.doc(parameters=query(ProfileDeleteSchema))
@bp.response(204)
@bp.alt_response(
    200, schema=DeletedSchema, description="With `recordings`: what was deleted, and what is left"
)
@fails(bp, 404, 409, 422, 503)
def delete(name: str) -> tuple[dict[str, Any], int] | None:
    """Delete a profile for good, and with `recordings` all recordings of its person; not what the server starts with.

    Nothing is deleted where one of the recordings runs, or is learned from.
    """
    also, runtime = load_query(_delete), current_runtime()
    if not also:
        runtime.models.profiles.delete(name)
        return None
    try:
        gone = delete_person(name, runtime.models, runtime.recorder, runtime.trainings)
    except NobodyError as error:
        raise InvalidBody({"recordings": [str(error)]}) from None
    return _deleted.dump(gone), HTTPStatus.OK
