"""What `/health` answers."""

from __future__ import annotations

from marshmallow import Schema, fields

from app.api.schemas.fields import about
from app.api.schemas.values import ModelOutputsSchema


class BackendStateSchema(Schema):
    """Whether a backend can be used."""

    available = fields.Boolean(required=True)
    reason = fields.String(required=True, allow_none=True)
    cure = fields.String(required=True, allow_none=True)


class SourceHealthSchema(Schema):
    """How the source is doing."""

    name = fields.String(required=True)
    state = fields.String(
        required=True, metadata={"enum": ["starting", "running", "stalled", "disconnected", "ended"]}
    )
    last_sample_age_ms = fields.Float(required=True, allow_none=True)
    samples = fields.Integer(required=True)
    gaps = fields.Integer(required=True)
    lost_samples = fields.Integer(required=True)
    error = fields.String(required=True, allow_none=True)
    measured_rate_hz = fields.Float(
        required=True,
        allow_none=True,
        **about("Samples against this machine's clock; null before the first seconds"),
    )
    rate_ok = fields.Boolean(required=True, **about("Within 5 % of the nominal rate"))


class ModelInfoSchema(Schema):
    """The server's own model; each source may use another."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    channels = fields.Integer(required=True)
    length = fields.Integer(required=True)
    context = fields.Integer(required=True, **about("Samples before the window that the model reads too"))
    sampling_rate_hz = fields.Float(required=True)
    units = fields.String(required=True, metadata={"example": "uV"})
    classes = fields.List(fields.String(), required=True, **about("Empty where it gives values"))
    outputs = fields.Nested(ModelOutputsSchema, required=True)


class UsedModelSchema(Schema):
    """The model that reads a source."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    sha256 = fields.String(
        required=True, **about("Of its manifest.json, which names that of every other file")
    )


class SourceModelSchema(Schema):
    """A source, and which model reads it."""

    name = fields.String(required=True)
    model = fields.Nested(UsedModelSchema, required=True, allow_none=True, **about("Null where none does"))


class FittingModelSchema(Schema):
    """A model that could read the source."""

    name = fields.String(required=True)
    how = fields.String(required=True, **about("As it is, or through which montage"))


class OutputStateSchema(Schema):
    """A way out besides HTTP: LSL, UDP, OSC, MQTT and so on."""

    state = fields.String(
        required=True,
        metadata={
            "enum": ["closed", "open", "failed"],
            "description": "Of all workers: open where one sends, failed where none can",
        },
    )
    reason = fields.String(
        required=True, allow_none=True, **about("What it failed of last in the worker that answers")
    )


class ActionsStateSchema(Schema):
    """The table that says which gesture becomes which message."""

    rows = fields.Integer(required=True, **about("Messages in use; 0: each way out has its default form"))
    error = fields.String(
        required=True,
        allow_none=True,
        **about("What is wrong with the file as it lies there; the table before it stays in use"),
    )


class HealthSchema(Schema):
    """The state of this worker."""

    status = fields.String(required=True, metadata={"enum": ["ok", "degraded"]})
    tensorrt_available = fields.Boolean(required=True)
    emg_mode = fields.String(required=True, metadata={"example": "dummy"})
    backends = fields.Dict(keys=fields.String(), values=fields.Nested(BackendStateSchema), required=True)
    model = fields.Nested(
        ModelInfoSchema, required=True, allow_none=True, **about("Null with EMG_MODEL=none")
    )
    version = fields.String(required=True)
    source = fields.Nested(
        SourceHealthSchema, required=True, allow_none=True, **about("Null while there is none yet")
    )
    sources = fields.List(
        fields.Nested(SourceModelSchema),
        required=True,
        **about("All that this worker knows, with the model that reads each"),
    )
    fitting_models = fields.List(
        fields.Nested(FittingModelSchema), **about("Where no model reads the source: those that could")
    )
    outputs = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(OutputStateSchema),
        **about("lsl, udp, osc and so on, where the server has been told to send them"),
    )
    actions = fields.Nested(
        ActionsStateSchema, **about("The table of actions.toml, where a way out sends gestures")
    )


class LiveSchema(Schema):
    """The process answers."""

    status = fields.String(required=True, metadata={"example": "alive"})


class ReadySchema(Schema):
    """The worker should get traffic."""

    status = fields.String(required=True, metadata={"example": "ready"})
