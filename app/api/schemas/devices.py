"""Devices, and the settings that choose one."""

from __future__ import annotations

from marshmallow import Schema, fields
from marshmallow.validate import Length, Range

from app.api.schemas.fields import Number, about
from app.serving.sources.chosen_settings import MAX_CHARACTERS, NAMES

MAX_SECONDS = 10.0


class DevicesQuerySchema(Schema):
    """How long to look."""

    seconds = Number(
        load_default=1.5,
        validate=Range(0, MAX_SECONDS, error="must be from 0 to {max} s"),
        **about("For which streams may answer and probes may dial in", default=1.5),
    )


class DeviceSchema(Schema):
    """Something that EMG can come from."""

    kind = fields.String(required=True, metadata={"example": "lsl"})
    name = fields.String(required=True)
    there = fields.Boolean(required=True, **about("Seen just now; false: only opening it would tell"))
    settings = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        **about("That open it, for PUT /emg/source"),
    )
    needs = fields.String(required=True, **about("Further settings that it needs, with examples for values"))
    channels = fields.Integer(required=True, allow_none=True, **about("Null where only opening it tells"))
    sampling_rate_hz = fields.Float(required=True, allow_none=True)
    about = fields.String(required=True)  # last: it hides the function


class DevicesSchema(Schema):
    """What there is, and what is read now."""

    devices = fields.List(fields.Nested(DeviceSchema), required=True)
    current = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, **about("The settings of the source now")
    )


class SourceSettingsSchema(Schema):
    """Which source to read."""

    settings = fields.Dict(
        keys=fields.String(validate=Length(1, 64)),
        values=fields.String(validate=Length(1, MAX_CHARACTERS)),
        required=True,
        validate=Length(
            1, len(NAMES), error="name a source as GET /emg/devices does, such as EMG_MODE=dummy"
        ),
        **about(
            "EMG_* settings of a source, as GET /emg/devices has them; the others are as if never set",
            example={"EMG_MODE": "lsl", "EMG_LSL": "type=EMG"},
        ),
    )
