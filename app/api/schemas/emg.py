"""Bodies and answers of `/emg`: sources, pushed samples, quality."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import Schema, fields, post_load
from marshmallow.validate import Length, OneOf, Range

from app.api.codec.live_samples import MAX_SAMPLE
from app.api.codec.raw_samples import DTYPES
from app.api.errors import InvalidBody
from app.api.schemas.fields import Emg, Number, Whole, about
from app.api.schemas.health import SourceHealthSchema
from app.api.schemas.model_field import model_field
from app.api.schemas.params import DeclareJob, PushJob
from app.emg.auxiliary import AuxStream
from app.emg.quality.monitor import PROBLEMS
from app.inference.manifest import MAX_CHANNELS

MAX_RATE_HZ = 100_000.0
MAX_AUX, MAX_AUX_CHANNELS = 8, 64
SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class AuxSchema(Schema):
    """What a device delivers beside EMG."""

    name = fields.String(required=True, metadata={"example": "accelerometer"})
    channel_names = fields.List(fields.String(), required=True)
    units = fields.String(required=True)
    sampling_rate_hz = fields.Float(required=True)


class PickSchema(Schema):
    """What was chosen for a source."""

    model = fields.String(required=True, allow_none=True, **about("Null: none"))
    profile = fields.String(
        required=True, allow_none=True, **about("Of the person; null where none was chosen")
    )


class SourceSchema(SourceHealthSchema):
    """A source and its state."""

    channels = fields.Integer(required=True)
    channel_names = fields.List(fields.String(), required=True, **about("The device's own, or ch1, ch2, ..."))
    model = fields.String(required=True, allow_none=True, **about("Which reads it; null where none does"))
    profile = fields.String(
        required=True, allow_none=True, **about("Of the person; null where none was chosen")
    )
    model_sha256 = fields.String(required=True, allow_none=True, **about("Of that model's manifest.json"))
    models_before = fields.List(
        fields.Nested(PickSchema),
        required=True,
        **about("Those that `DELETE .../model` goes back to, the newest last"),
    )
    advice = fields.String(
        required=True, allow_none=True, **about("Where no model reads it: which could, and what to do")
    )
    montage = fields.String(
        required=True, allow_none=True, **about("Between source and model; null where none is needed")
    )
    signal_channels = fields.List(
        fields.Integer(),
        required=True,
        **about("Of the rows of `signal` in frames, from 0: with a montage those that the model reads"),
    )
    filters = fields.List(
        fields.Dict(), required=True, **about("Of the signal in frames: the model's, or those for the eye")
    )
    aux = fields.List(fields.Nested(AuxSchema), required=True, **about("What comes beside EMG"))
    sampling_rate_hz = fields.Float(required=True, **about("Nominal"))
    units = fields.String(required=True)
    gesture_names = fields.List(fields.String(), required=True, **about("Of its labels; empty without any"))
    pushed = fields.Boolean(required=True, **about("A client sends it"))
    replay = fields.Boolean(
        required=True, **about("It plays recordings: `/emg/source/position` says where it is, and moves it")
    )
    scale = fields.Float(
        required=True,
        **about("What pushed values are multiplied by, from the units declared to the source's"),
    )
    next_sample = fields.Integer(
        required=True, allow_none=True, **about("Of a pushed source: the first sample that is not here yet")
    )
    counters = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        **about("What the device's protocol has counted: frames, CRC errors, lost frames, times opened"),
    )


class SourcesSchema(Schema):
    """All sources; `default` is what is meant where none is named."""

    default = fields.String(required=True, allow_none=True)
    sources = fields.List(fields.Nested(SourceSchema), required=True)


def expect_name(name: str) -> None:
    """See that a source may be called so.

    Raises:
        InvalidBody: it may not.
    """
    if SOURCE_NAME.fullmatch(name) is None:
        raise InvalidBody({"name": ["1 to 64 letters, digits, '.', '_' and '-', a letter or digit first"]})


class AuxDeclarationSchema(Schema):
    """What you are going to send beside the EMG, at its own rate; both count from the same instant."""

    name = fields.String(required=True, validate=Length(1, 64), metadata={"example": "accelerometer"})
    channel_names = fields.List(
        fields.String(validate=Length(1, 64)), required=True, validate=Length(1, MAX_AUX_CHANNELS)
    )
    units = fields.String(load_default="unknown", validate=Length(1, 32))
    sampling_rate_hz = Number(
        required=True,
        validate=Range(0, MAX_RATE_HZ, min_inclusive=False, error="must be above 0 and at most {max} Hz"),
        **about("Of this stream", exclusiveMinimum=True),
    )

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> AuxStream:
        return AuxStream(
            name=values["name"],
            channel_names=tuple(values["channel_names"]),
            units=values["units"],
            sampling_rate=values["sampling_rate_hz"],
        )


class DeclareSchema(Schema):
    """A source that you are going to push."""

    channels = Whole(1, MAX_CHANNELS, required=True, **about("The model's"))
    sampling_rate_hz = Number(
        required=True,
        validate=Range(0, MAX_RATE_HZ, min_inclusive=False, error="must be above 0 and at most {max} Hz"),
        **about("The model's", exclusiveMinimum=True),
    )
    units = fields.String(
        allow_none=True,
        load_default=None,
        validate=Length(1, 32),
        **about("The model's by default; V, mV, uV and nV are converted into them"),
    )
    model = model_field(
        "Which reads it: by default the one it had before, or the server's own where that fits",
        allow_none=True,
        load_default=None,
    )
    profile = model_field(
        "Of the person: its model, montage and decision rule",
        of="profile",
        allow_none=True,
        load_default=None,
    )
    aux = fields.List(
        fields.Nested(AuxDeclarationSchema),
        allow_none=True,
        load_default=None,
        validate=Length(0, MAX_AUX),
        **about("What comes beside the EMG, on the live socket or in a chunked upload"),
    )

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> DeclareJob:
        return declare_job(values)


def declare_job(values: dict[str, Any]) -> DeclareJob:
    """Return what was declared in fields that have been read."""
    aux = values.get("aux")
    return DeclareJob(**{**values, "aux": None if aux is None else tuple(aux)})


_FIRST = about("Your own index of the first of these samples: how many you have taken before it")


class PushSchema(Schema):
    """Consecutive samples of all channels."""

    first_sample = Whole(0, MAX_SAMPLE, required=True, **_FIRST)
    samples = Emg(
        "(n, channels), one sample at least",
        required=True,
        **about("(n, channels)", type="array", items={"type": "array", "items": {"type": "number"}}),
    )

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> PushJob:
        return PushJob(**values)


def _scale() -> Number:
    return Number(
        load_default=1.0,
        validate=Range(0, min_inclusive=False, error="must be above 0"),
        **about("The source's units for one count", exclusiveMinimum=True),
    )


class PushQuerySchema(Schema):
    """What a binary body cannot say of itself."""

    first_sample = Whole(0, MAX_SAMPLE, required=True, **_FIRST)
    dtype = fields.String(
        load_default="float32",
        validate=OneOf(tuple(DTYPES), error="must be one of {choices}"),
        **about("Little-endian, one sample of all channels after the other"),
    )
    scale = _scale()

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> PushJob:
        return PushJob(**values)


class UploadQuerySchema(Schema):
    """What the records of a long upload cannot say of themselves."""

    scale = _scale()

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> float:
        return float(values["scale"])


class ReceiptSchema(Schema):
    """What became of the samples."""

    accepted = fields.Integer(required=True)
    duplicates = fields.Integer(
        required=True, **about("Here already, or too late: their place was given up as lost")
    )
    lost_samples = fields.Integer(
        required=True, **about("Given up as lost since the receipt before: they did not come within 0.25 s")
    )
    next_sample = fields.Integer(required=True, **about("The first that is not here yet"))


class ChannelQualitySchema(Schema):
    """One electrode, over the last second."""

    channel = fields.Integer(required=True, **about("From 0"))
    ok = fields.Boolean(required=True)
    problems = fields.List(fields.String(metadata={"enum": list(PROBLEMS)}), required=True)
    rms = fields.Float(required=True, allow_none=True, **about("In the source's units, without the offset"))
    hum_ratio = fields.Float(
        required=True, allow_none=True, **about("Share of the power at the mains frequency and its harmonics")
    )


class QualitySchema(Schema):
    """Whether the electrodes deliver a signal that is worth judging."""

    source = fields.String(required=True)
    ok = fields.Boolean(required=True)
    sample_index = fields.Integer(required=True, **about("Up to which samples were looked at"))
    loss = fields.Float(required=True, **about("Share of the samples of the last 5 s that were lost"))
    advice = fields.String(
        required=True,
        allow_none=True,
        **about("What to do about a signal that is a thousand times too small or too large as a whole"),
    )
    channels = fields.List(fields.Nested(ChannelQualitySchema), required=True)


class QualityQuerySchema(Schema):
    """Of which source."""

    source = fields.String(
        allow_none=True, load_default=None, validate=Length(1, 64), **about("The default one where unnamed")
    )

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> str | None:
        source: str | None = values["source"]
        return source
