"""Bodies and answers of `/profiles`."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load
from marshmallow.validate import Length

from app.api.schemas.decision import DecisionSchema
from app.api.schemas.fields import about
from app.api.schemas.gestures import RulesOfGestures
from app.api.schemas.model_field import NAME
from app.api.schemas.models import DamagedSchema
from app.api.schemas.params import ProfileJob
from app.api.schemas.recordings import matches
from app.serving.profiles.profile import MAX_MONTAGE, MAX_NOTES, MAX_PERSON, NAMES


class ProfilePutSchema(Schema):
    """A person's profile; what is not said, or null, is as the server has it."""

    person = fields.String(
        allow_none=True,
        load_default=None,
        validate=Length(1, MAX_PERSON),
        **about("Who it is, as recordings name their subject"),
    )
    model = fields.String(
        allow_none=True,
        load_default=None,
        validate=matches(NAME, NAMES),
        **about("Name of a model that lies here", pattern=f"^{NAME.pattern}$"),
    )
    montage = fields.String(
        allow_none=True,
        load_default=None,
        validate=Length(1, MAX_MONTAGE),
        **about("The source's channels that the model reads, counted from 1: 1-8 or 3,1,2", example="1-8"),
    )
    decision = fields.Nested(
        DecisionSchema,
        allow_none=True,
        load_default=None,
        **about("For streams that ask for no rule of their own; null: as the model says"),
    )
    gesture_rules = RulesOfGestures(
        "For streams with events that ask for no rules of their own; null: as the model says",
        allow_none=True,
        load_default=None,
    )
    notes = fields.String(load_default="", validate=Length(0, MAX_NOTES), **about("Anything"))

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> ProfileJob:
        return ProfileJob(rule=values.pop("decision"), **values)


class ProfileSchema(Schema):
    """A person's profile."""

    name = fields.String(required=True)
    person = fields.String(required=True, allow_none=True)
    model = fields.String(required=True, allow_none=True)
    montage = fields.String(required=True, allow_none=True)
    decision = fields.Nested(DecisionSchema, required=True, allow_none=True)
    gesture_rules = RulesOfGestures(
        "When gestures begin and end; null: as the model says", required=True, allow_none=True
    )
    notes = fields.String(required=True)
    trouble = fields.String(
        required=True,
        allow_none=True,
        **about("Why it cannot be used now, such as that its model is gone; null where it can"),
    )


class ProfileElsewhereSchema(Schema):
    """A profile that lies at another machine; whatever names it here borrows it."""

    machine = fields.String(required=True)
    name = fields.String(required=True)
    person = fields.String(required=True, allow_none=True)
    model = fields.String(required=True, allow_none=True)


class ProfilesSchema(Schema):
    """All profiles."""

    profiles = fields.List(fields.Nested(ProfileSchema), required=True)
    damaged = fields.List(fields.Nested(DamagedSchema), required=True)
    elsewhere = fields.List(fields.Nested(ProfileElsewhereSchema), required=True)


class ProfileDeleteSchema(Schema):
    """What goes with it."""

    recordings = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        **about("All recordings whose subject is the profile's person, also those of their other profiles"),
    )

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> bool:
        also: bool = values["recordings"]
        return also


class DeletedSchema(Schema):
    """What was deleted of a person."""

    profile = fields.String(required=True)
    person = fields.String(required=True)
    recordings = fields.List(fields.String(), required=True)
    models_left = fields.List(
        fields.String(),
        required=True,
        **about("That are this person's, and stay: `DELETE /models/<name>` deletes one that nothing uses"),
    )
