"""Every body and query that the API takes, and every answer it gives, for reading and for `/openapi.json`."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load
from marshmallow.validate import Length, Range

from app.api.schemas.fields import Choice, Choices, Emg, Flag, Number, Whole
from app.api.schemas.params import BenchmarkJob, InferJob, StreamJob
from app.config import BACKENDS
from app.inference.manifest import MAX_CHANNELS, MAX_LENGTH, MAX_STEPS
from app.variables import MAX_BATCH

MAX_ITERATIONS = 100_000
MAX_VOTES = 1000
MAX_DURATION_S = 7 * 24 * 3600.0


def about(text: str, **more: Any) -> dict[str, Any]:
    """Return a field's metadata for `/openapi.json`."""
    return {"metadata": {"description": text, **more}}


class _ShapeSchema(Schema):
    batch = Whole(1, MAX_BATCH, **about("Windows; with your own `emg` it must be theirs", default=1))
    channels = Whole(1, MAX_CHANNELS, **about("Channels of a window; the model's, which is the default"))
    length = Whole(1, MAX_LENGTH, **about("Samples of a window; the model's, which is the default"))
    preprocess = Flag(**about("Normalise with the model's statistics", default=True))


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
            "Your own window (length, channels), or a batch (batch, length, channels), in the model's units",
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


class StreamSchema(Schema):
    """A stream of predictions."""

    duration_seconds = Number(
        allow_none=True,
        load_default=None,
        validate=Range(0, MAX_DURATION_S, min_inclusive=False, error="must be above 0 and at most {max} s"),
        **about("Seconds; null streams until you leave", exclusiveMinimum=True),
    )
    use_tensorrt = Flag(
        load_default=True,
        **about("TensorRT where its engine is open, else the best there is; false: not TensorRT"),
    )
    fps = Number(
        load_default=30.0,
        validate=Range(
            0, min_inclusive=False, error="must be above 0, and at most EMG_MAX_FPS and the sampling rate"
        ),
        **about("Frames a second", exclusiveMinimum=True),
    )
    preprocess = Flag(load_default=True, **about("Normalise with the model's statistics"))
    backend = Choice(
        *BACKENDS,
        allow_none=True,
        load_default=None,
        **about("This backend and no other; overrides use_tensorrt"),
    )
    votes = Whole(
        1, MAX_VOTES, load_default=1, **about("The decision is the majority of so many predictions")
    )
    min_confidence = Number(
        load_default=0.0,
        validate=Range(0, 1, error="must be from 0 to 1"),
        **about("A prediction below this confidence is no vote"),
    )
    include_signal = Flag(load_default=False, **about("Put the filtered samples into every frame"))
    source = fields.String(
        allow_none=True,
        load_default=None,
        validate=Length(1, 64),
        **about("Name of a source; the server's own by default"),
    )

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> StreamJob:
        return StreamJob(**values)


class StreamQuerySchema(StreamSchema):
    """The same in a query, with what a browser's own EventSource needs where there are keys."""

    ticket = fields.String(
        validate=Length(1, 100),
        **about("From POST /stream/tickets, in place of the header X-API-Key; good once"),
    )
    last_event_id = fields.String(
        validate=Length(1, 100),
        **about("In place of the header Last-Event-ID, which counts if there are both"),
    )
    last_event_id_of_polyfills = fields.String(
        data_key="lastEventId",
        validate=Length(1, 100),
        **about("The same, as polyfills of EventSource call it"),
    )

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> StreamJob:
        values.pop("ticket", None)  # it has been looked at before
        other = values.pop("last_event_id_of_polyfills", None)
        values["last_event_id"] = values.get("last_event_id", other)
        return StreamJob(**values)


class BenchmarkSchema(Schema):
    """How long to measure, and what."""

    num_iterations = Whole(
        1, MAX_ITERATIONS, load_default=1000, **about("Inferences of one window, for each backend")
    )
    backends = Choices(
        *BACKENDS,
        load_default=None,
        **about("With commas between; opened where they are not yet. By default those that are open"),
    )

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> BenchmarkJob:
        return BenchmarkJob(**values)


class InferResultSchema(Schema):
    """Figures as texts, predictions as numbers; arrays over the batch when there is more than one window."""

    latency_ms = fields.String(required=True, **about("Normalise, infer, softmax", example="0.142"))
    spikes = fields.String(
        required=True, **about("Spikes of all windows; 0 for a network without", example="0")
    )
    cpu_percent = fields.String(required=True, **about("Of all cores, over the last second", example="12.5"))
    shape = fields.String(required=True, **about("Of the logits: (batch, classes)", example="[1, 7]"))
    prediction = fields.Raw(required=True, **about("Class id", example=3))
    label = fields.Raw(required=True, **about("Its gesture", example="flexion"))
    confidence = fields.Raw(required=True, **about("Its probability", example=0.93))
    probabilities = fields.Raw(required=True, **about("Of every class", example=[0.02, 0.93, 0.05]))
    backend = fields.String(required=True, **about("What ran", example="onnxruntime"))


class BackendResultSchema(Schema):
    """The answer of one backend: figures, prediction and confidence as texts."""

    latency_ms = fields.String(required=True, **about("Normalise, infer, softmax", example="0.142"))
    prediction = fields.String(
        required=True, **about("Class id; a JSON array of them for a batch", example="3")
    )
    confidence = fields.String(required=True, **about("Its probability", example="0.9312"))
    cpu_percent = fields.String(required=True, **about("Of all cores, over the last second", example="12.5"))
    shape = fields.String(required=True, **about("Of the logits: (batch, classes)", example="[1, 7]"))
    backend = fields.String(required=True, **about("What ran", example="onnxruntime"))
    label = fields.Raw(required=True, **about("The gesture; an array for a batch", example="flexion"))
    probabilities = fields.Raw(required=True, **about("Of every class", example=[0.02, 0.93, 0.05]))


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
    """The model that serves."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    channels = fields.Integer(required=True)
    length = fields.Integer(required=True)
    sampling_rate_hz = fields.Float(required=True)
    units = fields.String(required=True, metadata={"example": "uV"})
    classes = fields.List(fields.String(), required=True)


class OutputStateSchema(Schema):
    """A way out that speaks no HTTP: LSL, UDP."""

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


class HealthSchema(Schema):
    """The state of this worker."""

    status = fields.String(required=True, metadata={"enum": ["ok", "degraded"]})
    tensorrt_available = fields.Boolean(required=True)
    emg_mode = fields.String(required=True, metadata={"example": "dummy"})
    backends = fields.Dict(keys=fields.String(), values=fields.Nested(BackendStateSchema), required=True)
    model = fields.Nested(ModelInfoSchema, required=True)
    version = fields.String(required=True)
    source = fields.Nested(
        SourceHealthSchema, required=True, allow_none=True, **about("Null while there is none yet")
    )
    outputs = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(OutputStateSchema),
        **about("lsl and udp, where the server has been told to send them"),
    )


class LiveSchema(Schema):
    """The process answers."""

    status = fields.String(required=True, metadata={"example": "alive"})


class ReadySchema(Schema):
    """The worker should get traffic."""

    status = fields.String(required=True, metadata={"example": "ready"})


class PercentilesSchema(Schema):
    """Of the latest values, in ms."""

    p50 = fields.Float(required=True)
    p95 = fields.Float(required=True)
    p99 = fields.Float(required=True)


class GroupSchema(Schema):
    """Readers who share one computation."""

    source = fields.String(required=True)
    fps = fields.Float(required=True)
    backend = fields.String(required=True)
    votes = fields.Integer(required=True)
    readers = fields.Integer(required=True)
    decision_delay_ms = fields.Float(required=True)


class StatsSchema(Schema):
    """What the streams have done since the worker started."""

    max_throughput_qps = fields.Float(
        required=True, allow_none=True, **about("1000 / expected_latency_ms: windows a second, one by one")
    )
    expected_latency_ms = fields.Float(
        required=True,
        allow_none=True,
        **about("Mean engine latency of the latest frames; null before the first"),
    )
    active_streams = fields.Integer(required=True)
    frames_sent = fields.Integer(required=True)
    frames_dropped = fields.Integer(required=True)
    gaps = fields.Integer(required=True)
    decision_delay_ms = fields.Float(
        required=True,
        **about("From the onset of a gesture to its decision, at 30 fps and one vote; computed"),
    )
    groups = fields.List(fields.Nested(GroupSchema), required=True)
    source = fields.Nested(
        SourceHealthSchema, required=True, allow_none=True, **about("Null while there is none yet")
    )
    latency_ms = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(PercentilesSchema),
        required=True,
        **about("By stage: wait, infer, encode, age"),
    )


class FrameSchema(Schema):
    """One frame of a stream, the `data` of an unnamed event."""

    timestamp = fields.Float(required=True, **about("Unix s"))
    frame = fields.Integer(required=True, **about("Frames sent to this client before"))
    latency_ms = fields.Float(required=True)
    prediction = fields.Integer(required=True)
    confidence = fields.Float(required=True)
    shape = fields.List(fields.Integer(), required=True, **about("Of the logits: (batch, classes)"))
    backend = fields.String(required=True)
    cpu_percent = fields.Float(required=True)
    label = fields.String(required=True)
    probabilities = fields.List(fields.Float(), required=True)
    decision = fields.Integer(required=True)
    decision_label = fields.String(required=True)
    intensity = fields.Float(required=True)
    sample_index = fields.Integer(required=True)
    age_ms = fields.Float(required=True)
    dropped = fields.Integer(required=True)
    truth = fields.String(required=True, allow_none=True)
    missing_samples = fields.Integer(**about("Of the window, lost and filled; only when there are any"))
    quality = fields.Dict(**about("Only when not ok"))
    signal = fields.List(fields.List(fields.Float()), **about("(channels, points); on include_signal"))
