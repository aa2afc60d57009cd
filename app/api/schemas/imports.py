"""What is said of a file that is imported, and what came of it."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load
from marshmallow.validate import Length

from app.api.schemas.fields import Number, Said, about
from app.api.schemas.params import ImportJob
from app.api.schemas.recordings import RecordingSchema, matches
from app.emg.files.imported import ImportHints
from app.emg.recording.folder import ALLOWED, NAME, SUBJECT, SUBJECT_ALLOWED
from app.emg.units import ACCEPTED, accepted

MAX_TEXT = 500  # characters


def _text(words: str, **more: Any) -> fields.String:
    return fields.String(load_default=None, validate=Length(1, MAX_TEXT), **about(words, **more))


class ImportSchema(Schema):
    """What a person says of a file; all the rest is found out, and told."""

    filename = fields.String(
        load_default="file",
        validate=Length(1, MAX_TEXT),
        **about(
            "Of the file in a raw body: a label may stand in it, as in R_1_C_3_EMG.csv", example="try-it.csv"
        ),
    )
    name = fields.String(
        load_default=None,
        validate=matches(NAME, ALLOWED),
        **about("Of the recording; by default the file's", pattern=f"^{NAME.pattern}$"),
    )
    subject = fields.String(
        load_default=None,
        validate=matches(SUBJECT, SUBJECT_ALLOWED),
        **about("Who was recorded: a code, not a name", pattern=f"^{SUBJECT.pattern}$"),
    )
    emg = _text("Columns, variables or stream of the signal: 1-8, 3,1,2, raw")
    label = _text("Column, variable or stream of the labels")
    time = _text("Column that is the clock; none where no column is")
    rest = _text("Name or number of the class that is rest")
    rate = Number(load_default=None, **about("Samples a second", minimum=0, exclusiveMinimum=True))
    units = _text(f"Of the signal: {ACCEPTED}", example="mV")
    gestures = _text("What labels 0, 1, ... are, with commas between: rest,fist,point")
    board = _text("BrainFlow's name or number of the board, of its files without header")

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> ImportJob:
        """Return the job."""
        rate, gestures = values["rate"], values["gestures"]
        if rate is not None and rate <= 0:
            raise ValidationError({"rate": ["must be above 0"]})
        if values["units"] is not None and accepted(values["units"]) is None:
            raise ValidationError({"units": [f"must be {ACCEPTED}"]})
        names = None if gestures is None else tuple(name.strip() for name in gestures.split(","))
        if names is not None and (not all(names) or len(set(names)) != len(names)):
            raise ValidationError({"gestures": ["must be names with commas between, each once"]})
        said = {name: values[name] for name in ("emg", "label", "time", "rest", "board")}
        units = None if values["units"] is None else accepted(values["units"])
        return ImportJob(
            filename=values["filename"],
            name=values["name"],
            subject=values["subject"],
            hints=ImportHints(gesture_names=names, rate_hz=rate, units=units, **said),
        )


class AuxStreamSchema(Schema):
    """What came beside the EMG, at a rate of its own."""

    name = fields.String(required=True)
    channel_names = fields.List(fields.String(), required=True)
    units = fields.String(required=True)
    sampling_rate_hz = fields.Float(required=True)


class ImportedSchema(RecordingSchema):
    """A recording that was imported, with what was found and what was assumed."""

    files = fields.List(fields.String(), required=True, **about("That were read, in order"))
    format = fields.String(required=True, **about("What the file was found to be"))
    channels = fields.Integer(required=True)
    channel_names = fields.List(fields.String(), required=True)
    sampling_rate_hz = fields.Float(required=True)
    rate_source = Said(required=True, **about("How the rate was found"))
    units = fields.String(required=True)
    gesture_names = fields.List(fields.String(), required=True)
    rest = fields.String(required=True, allow_none=True, **about("Which gesture is rest"))
    restarts = fields.Integer(required=True, **about("Where another stretch of signal begins"))
    aux = fields.List(fields.Nested(AuxStreamSchema), required=True)
    labelled_seconds = fields.Dict(keys=fields.String(), values=fields.Float(), required=True)
    found = fields.List(Said(), required=True, **about("A line each"))
    assumed = fields.List(Said(), required=True, **about("A line each, with what overrides the assumption"))
