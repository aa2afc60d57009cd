"""Queries and answers of `/models`."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validates_schema

from app.api.schemas.control import ControlSchema
from app.api.schemas.decision import DecisionSchema
from app.api.schemas.fields import Flag, about
from app.api.schemas.model_field import model_field
from app.api.schemas.params import UploadJob, UseJob
from app.api.schemas.recordings import matches
from app.api.schemas.values import ModelOutputsSchema

SHA256 = re.compile(r"[0-9a-f]{64}")


class UploadSchema(Schema):
    """How a model is taken in."""

    replace = Flag(
        load_default=False,
        **about("Take the place of the model of that name, unless it is in use", default=False),
    )
    sha256 = fields.String(
        load_default=None,
        validate=matches(SHA256, "must be 64 hexadecimal digits, in lower case"),
        **about("Of the body; one that is damaged on its way is refused", pattern=f"^{SHA256.pattern}$"),
    )

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> UploadJob:
        return UploadJob(**values)


class UseSchema(Schema):
    """Which model is to read a source: by its name, or by that of a profile."""

    model = model_field(allow_none=True, about="Its name, of `GET /models`; null: none")
    profile = model_field(
        of="profile",
        about="In its place: its model, or else the one of now, with its montage and decision rule",
    )

    @validates_schema
    def check_one(self, values: dict[str, Any], **_: Any) -> None:
        if len(values) != 1:
            raise ValidationError("say either model or profile", "model")

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> UseJob:
        return UseJob(**values)


class SwapSchema(Schema):
    """What became of it."""

    model = fields.String(required=True, allow_none=True, **about("Which reads the source now; null: none"))
    previous = fields.String(required=True, allow_none=True, **about("Which did before"))
    profile = fields.String(required=True, allow_none=True, **about("Whose montage and decision rule hold"))
    from_sample = fields.Integer(
        required=True,
        **about(
            "Every window that ends at this sample of the source, or later, is the new model's, in all streams"
        ),
    )


class ModelInputSchema(Schema):
    """What a model reads."""

    channels = fields.Integer(required=True)
    length = fields.Integer(required=True, **about("Samples of a window"))
    context = fields.Integer(required=True, **about("Samples before the window that it reads too"))
    sampling_rate_hz = fields.Float(required=True)
    units = fields.String(required=True)
    layout = fields.String(
        required=True, **about("Of its graph: ntc is (windows, samples, channels), nct has channels first")
    )


class ModelParentSchema(Schema):
    """The model that a calibrated one was made from."""

    name = fields.String(required=True)
    sha256 = fields.String(required=True, **about("Of its manifest.json"))
    here = fields.Boolean(required=True, **about("Whether it lies beside its child"))


class LineageSchema(Schema):
    """Where a model comes from."""

    parent = fields.Nested(ModelParentSchema, required=True, allow_none=True)
    children = fields.List(fields.String(), required=True, **about("Models here that were made from it"))
    person = fields.String(required=True, allow_none=True, **about("Whose it is, where it is known"))
    recordings = fields.List(fields.String(), required=True, **about("Hashes of what taught it"))


class SourceFitSchema(Schema):
    """A source beside a model."""

    source = fields.String(required=True)
    fits = fields.Boolean(required=True)
    how = fields.String(required=True, **about("As it is, what the montage does, or why it does not fit"))
    uses = fields.Boolean(required=True, **about("Whether it is read by this model now"))


class ModelSchema(Schema):
    """A model that lies here."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    sha256 = fields.String(required=True, **about("Of its manifest.json, which has that of each file"))
    architecture = fields.String(required=True, **about("onnx: somebody's own graph"))
    input = fields.Nested(ModelInputSchema, required=True)
    outputs = fields.Nested(ModelOutputsSchema, required=True)
    classes = fields.List(fields.String(), required=True, **about("Empty where it gives values"))
    rest_class = fields.String(required=True, allow_none=True, **about("Null where it gives values"))
    control = fields.Nested(
        ControlSchema,
        allow_none=True,
        **about("How the values of a model become what should be acted upon; null of a model of classes"),
    )
    decision = fields.Nested(
        DecisionSchema,
        required=True,
        allow_none=True,
        **about("For streams that ask for no rule of their own; null where the model says nothing"),
    )
    lineage = fields.Nested(LineageSchema, required=True)
    metrics = fields.Dict(
        keys=fields.String(), required=True, **about("By the split that they were measured with")
    )
    files = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, **about("sha256 of each")
    )
    bytes = fields.Integer(required=True)
    used = fields.Boolean(required=True, **about("Whether it may be neither deleted nor replaced"))
    read_only = fields.Boolean(
        required=True,
        **about(
            "Whether it came with the server and lies outside EMG_INSTANCE: it is neither deleted nor replaced, and "
            "one of its name in EMG_INSTANCE would take its place"
        ),
    )
    sources = fields.List(fields.Nested(SourceFitSchema), required=True)


class DamagedSchema(Schema):
    """A folder that does not match its manifest."""

    name = fields.String(required=True)
    reason = fields.String(required=True)


class ModelElsewhereSchema(Schema):
    """A model that lies at another machine; whatever names it here borrows it."""

    machine = fields.String(required=True)
    name = fields.String(required=True)
    version = fields.String(required=True)
    sha256 = fields.String(required=True)
    used = fields.Boolean(required=True, **about("Whether it may be neither deleted nor replaced there"))


class ModelsSchema(Schema):
    """All models."""

    models = fields.List(fields.Nested(ModelSchema), required=True)
    damaged = fields.List(fields.Nested(DamagedSchema), required=True)
    elsewhere = fields.List(fields.Nested(ModelElsewhereSchema), required=True)


class ProofSchema(Schema):
    """How it is known that a model is what it says."""

    by = fields.String(
        required=True, **about("reference: computed from its weights; golden vectors: its author's")
    )
    windows = fields.Integer(required=True)
    difference = fields.Float(
        required=True,
        allow_none=True,
        **about(
            "Largest, from the golden vectors: of a probability, or a share of the largest logit or of a value's range"
        ),
    )


class UploadedSchema(ModelSchema):
    """A model that has just come in."""

    proof = fields.Nested(ProofSchema, required=True)
