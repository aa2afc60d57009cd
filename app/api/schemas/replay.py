"""Bodies and answers of `/emg/source/position`."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validates_schema
from marshmallow.validate import Range

from app.api.schemas.fields import Flag, Number, about
from app.api.schemas.params import MoveJob


class PositionSchema(Schema):
    """Where a replay is."""

    file = fields.String(required=True, metadata={"example": "S06.npz"})
    position_seconds = fields.Float(
        required=True, **about("Played so far of all files, of the signal's own seconds; gaps take none")
    )
    duration_seconds = fields.Float(required=True, **about("Of all files together"))
    paused = fields.Boolean(required=True)


class MoveSchema(Schema):
    """Where a replay is to go on, and whether; at least one of the two."""

    position_seconds = Number(
        allow_none=True,
        load_default=None,
        validate=Range(0, error="must be 0 or more"),
        **about("At most its duration"),
    )
    paused = Flag(allow_none=True, load_default=None, **about("True: it waits; false: it plays on"))

    @validates_schema
    def check_any(self, values: dict[str, Any], **_: Any) -> None:
        if values.get("position_seconds") is None and values.get("paused") is None:
            raise ValidationError("say where it is to go on, or whether it is to wait", "position_seconds")

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> MoveJob:
        return MoveJob(**values)
