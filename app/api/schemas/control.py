"""How values become what should be acted upon, in answers."""

from __future__ import annotations

from marshmallow import Schema, fields

from app.api.schemas.fields import about


class ControlSchema(Schema):
    """A One-Euro filter and a dead-band."""

    min_cutoff_hz = fields.Float(
        allow_none=True, **about("Of the filter while nothing moves; null: there is none")
    )
    beta = fields.Float(
        **about("Hz by which the cutoff rises where a value moves through its range in a second")
    )
    derivative_cutoff_hz = fields.Float(**about("Of the low-pass of that speed"))
    dead_band = fields.Float(
        **about("Of the way from neutral to a range's end, 0 to 0.9: what is nearer is neutral")
    )
