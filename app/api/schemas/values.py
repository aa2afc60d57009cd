"""What is told of a model's outputs."""

from __future__ import annotations

from marshmallow import Schema, fields

from app.api.schemas.fields import about


class NamedValueSchema(Schema):
    """One value that a model gives."""

    name = fields.String(required=True, **about("As in `values` and `output`", example="wrist_flexion"))
    low = fields.Float(required=True, **about("What is lower is clipped"))
    high = fields.Float(required=True, **about("What is higher is clipped"))
    units = fields.String(
        required=True, allow_none=True, **about("Where its author says them", example="deg")
    )
    rest = fields.Float(required=True, **about("What `output` is where the signal cannot be trusted"))


class ModelOutputsSchema(Schema):
    """What a model's graph gives."""

    kind = fields.String(
        required=True, **about("logits or probabilities of the classes, or values", example="logits")
    )
    values = fields.List(
        fields.Nested(NamedValueSchema),
        required=True,
        **about("In their order; empty for a model of classes"),
    )
