"""Every body and query that the API takes, and every answer it gives, for reading and for `/openapi.json`."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load
from marshmallow.validate import Length

from app.api.schemas.fields import Choices, Emg, Flag, Whole, about
from app.api.schemas.model_field import model_field
from app.api.schemas.params import BenchmarkJob, InferJob
from app.config import BACKENDS, REMOTE
from app.inference.manifest import MAX_CHANNELS, MAX_LENGTH, MAX_STEPS
from app.variables import MAX_BATCH

MAX_ITERATIONS = 100_000


class _ShapeSchema(Schema):
    batch = Whole(1, MAX_BATCH, **about("Windows; with your own `emg` it must be theirs", default=1))
    channels = Whole(1, MAX_CHANNELS, **about("Channels of a window; the model's, which is the default"))
    length = Whole(
        1, MAX_LENGTH, **about("Samples of a window: the model's, or of your own with context in front")
    )
    preprocess = Flag(**about("Normalise with the model's statistics", default=True))
    model = model_field("Which predicts: by default the source's, and for your own windows the server's")


class WindowsSchema(_ShapeSchema):
    """Windows of a running source, or your own in `emg`."""

    source = fields.String(
        allow_none=True,
        load_default=None,
        validate=Length(1, 64),
        **about("Name of the source that windows are taken from; the server's own by default"),
    )
    emg = Emg(
        **about(
            "Your own window (length, channels), or a batch (batch, length, channels), in the model's units; "
            "with as much of the model's context in front as you have",
            type="array",
            items={"type": "array", "items": {}},
        )
    )

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> InferJob:
        return InferJob(**values)


class InferSchema(WindowsSchema):
    """The same, with the number of spiking steps."""

    steps = Whole(1, MAX_STEPS, **about("Steps of a spiking network; the model's own by default"))


class WindowsQuerySchema(_ShapeSchema):
    """What a binary body cannot say of itself."""

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> InferJob:
        return InferJob(**values)


class InferQuerySchema(WindowsQuerySchema):
    """The same, with the number of spiking steps."""

    steps = Whole(1, MAX_STEPS, **about("Steps of a spiking network; the model's own by default"))


class BenchmarkSchema(Schema):
    """How long to measure, and what."""

    num_iterations = Whole(
        1, MAX_ITERATIONS, load_default=1000, **about("Inferences of one window, for each backend")
    )
    backends = Choices(
        REMOTE,
        *BACKENDS,
        load_default=None,
        **about("With commas between; opened where they are not yet. By default those that are open"),
    )

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> BenchmarkJob:
        return BenchmarkJob(**values)


class InferResultSchema(Schema):
    """Figures as texts, predictions as numbers; arrays over the batch when there is more than one window.

    A model of values answers `values` and `clipped` in place of the prediction and all that is said of it.
    """

    latency_ms = fields.String(required=True, **about("Normalise, infer, softmax", example="0.142"))
    spikes = fields.String(
        required=True, **about("Spikes of all windows; 0 for a network without", example="0")
    )
    cpu_percent = fields.String(required=True, **about("Of all cores, over the last second", example="12.5"))
    shape = fields.String(
        required=True, **about("Of the output: (batch, classes or values)", example="[1, 7]")
    )
    prediction = fields.Raw(**about("Class id", example=3))
    label = fields.Raw(**about("Its gesture", example="flexion"))
    confidence = fields.Raw(**about("Its probability", example=0.93))
    probabilities = fields.Raw(**about("Of every class", example=[0.02, 0.93, 0.05]))
    is_unknown = fields.Raw(  # Schema has an attribute `unknown` of its own
        data_key="unknown",
        **about("Whether it is none of the classes; only of a model that can tell", example=False),
    )
    backend = fields.String(required=True, **about("What ran", example="onnxruntime"))
    values = fields.Dict(
        keys=fields.String(), **about("Each by its name, in its range", example={"wrist_flexion": 12.5})
    )
    clipped = fields.Raw(**about("Whether the model said one outside of its range", example=False))


class BackendResultSchema(Schema):
    """The answer of one backend: figures, prediction and confidence as texts.

    A model of values answers `values` and `clipped` in place of the prediction and all that is said of it.
    """

    latency_ms = fields.String(required=True, **about("Normalise, infer, softmax", example="0.142"))
    prediction = fields.String(**about("Class id; a JSON array of them for a batch", example="3"))
    confidence = fields.String(**about("Its probability", example="0.9312"))
    cpu_percent = fields.String(required=True, **about("Of all cores, over the last second", example="12.5"))
    shape = fields.String(
        required=True, **about("Of the output: (batch, classes or values)", example="[1, 7]")
    )
    backend = fields.String(required=True, **about("What ran", example="onnxruntime"))
    values = fields.Dict(
        keys=fields.String(), **about("Each by its name, in its range", example={"wrist_flexion": 12.5})
    )
    clipped = fields.Raw(**about("Whether the model said one outside of its range", example=False))
    label = fields.Raw(**about("The gesture; an array for a batch", example="flexion"))
    probabilities = fields.Raw(**about("Of every class", example=[0.02, 0.93, 0.05]))
    is_unknown = fields.Raw(  # Schema has an attribute `unknown` of its own
        data_key="unknown",
        **about("Whether it is none of the classes; only of a model that can tell", example=False),
    )


class LatencySchema(Schema):
    """One window at a time."""

    mean_latency_ms = fields.Float(required=True)
    median_latency_ms = fields.Float(required=True)
    p99_latency_ms = fields.Float(required=True)
    throughput_qps = fields.Float(required=True)


class BenchmarkResultSchema(Schema):
    """Null for a backend that is not available, or that was skipped: not asked for, or not open."""

    pytorch = fields.Nested(LatencySchema, required=True, allow_none=True)
    tensorrt = fields.Nested(LatencySchema, required=True, allow_none=True)
    onnxruntime = fields.Nested(LatencySchema, required=True, allow_none=True)
    remote = fields.Nested(LatencySchema, allow_none=True, **about("Only where it was measured"))
