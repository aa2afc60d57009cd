"""What a stream takes, what one of its frames is, and what `/infer/stream/stats` answers."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validates_schema
from marshmallow.validate import Length, Range

from app.api.schemas.fields import Choice, Flag, Number, Whole, about
from app.api.schemas.gestures import RulesOfGestures
from app.api.schemas.health import SourceHealthSchema
from app.api.schemas.model_field import model_field
from app.api.schemas.params import StreamJob
from app.config import BACKENDS, REMOTE
from app.inference.decision_rule import MAX_VOTES

MAX_DURATION_S = 7 * 24 * 3600.0
RULE = ("votes", "min_confidence", "enter", "leave", "change")

_SHARE = Range(0, 1, error="must be from 0 to 1")


class StreamSchema(Schema):
    """A stream of predictions.

    Where it names none of `votes`, `min_confidence`, `enter`, `leave` and `change`, decisions are made as the model
    says (`decision` of its manifest; without that as by these defaults). Where it names one, the others have these
    defaults.
    """

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
        REMOTE,
        *BACKENDS,
        allow_none=True,
        load_default=None,
        **about("This backend and no other; overrides use_tensorrt"),
    )
    votes = Whole(1, MAX_VOTES, **about("The decision is the majority of so many predictions", default=1))
    min_confidence = Number(
        validate=_SHARE, **about("A prediction below this confidence is no vote", default=0.0)
    )
    enter = Number(
        allow_none=True,
        validate=_SHARE,
        **about("A gesture begins at this probability; null: at any", default=None),
    )
    leave = Number(
        allow_none=True,
        validate=_SHARE,
        **about(
            "It lasts until its own probability is below this one, which is below `enter`; null: until another "
            "class is likelier",
            default=None,
        ),
    )
    change = Number(
        allow_none=True,
        validate=_SHARE,
        **about(
            "Then another gesture follows at this probability, else rest; null: as `enter`", default=None
        ),
    )
    include_signal = Flag(load_default=False, **about("Put the filtered samples into every frame"))
    include_aux = Flag(
        load_default=False,
        **about(
            "Put what the device delivers beside EMG into every frame: accelerometer, gyroscope, trigger, ..."
        ),
    )
    events = Flag(
        load_default=False, **about("Tell gestures that begin, are held and end, as events of their own")
    )
    gesture_rules = RulesOfGestures(
        "With `events`: when a gesture begins and ends; by default as the model says",
        allow_none=True,
        load_default=None,
    )
    source = fields.String(
        allow_none=True,
        load_default=None,
        validate=Length(1, 64),
        **about("Name of a source; the server's own by default"),
    )
    model = model_field(
        "Which predicts, also after the source is given another; by default the one that reads the source",
        allow_none=True,
        load_default=None,
    )

    @validates_schema
    def check_events(self, values: dict[str, Any], **_: Any) -> None:
        if values.get("gesture_rules") is not None and not values.get("events"):
            raise ValidationError("goes with events: true", "gesture_rules")

    @validates_schema
    def check_thresholds(self, values: dict[str, Any], **_: Any) -> None:
        enter, leave = values.get("enter"), values.get("leave")
        if enter is not None and leave is not None and not leave < enter:
            raise ValidationError(f"must be below enter, {enter:g}, got {leave:g}", "leave")

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> StreamJob:
        return _job(values)


def _job(values: dict[str, Any]) -> StreamJob:
    if any(name in values for name in RULE):  # a rule of the client's own
        values.setdefault("votes", 1)
    return StreamJob(**values)


class StreamTextSchema(StreamSchema):
    """The same in a query."""

    gesture_rules = RulesOfGestures(
        "With `events`: when a gesture begins and ends, as the JSON of an object; by default as the model says",
        in_query=True,
        allow_none=True,
        load_default=None,
    )


class StreamQuerySchema(StreamTextSchema):
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
        return _job(values)


class PercentilesSchema(Schema):
    """Of the latest values, in ms."""

    p50 = fields.Float(required=True)
    p95 = fields.Float(required=True)
    p99 = fields.Float(required=True)


class GestureFiguresSchema(Schema):
    """What gestures told as events are worth by the labels of a recording or a simulated person."""

    rest_seconds = fields.Float(required=True, **about("That were labelled rest"))
    false_activations = fields.Integer(required=True, **about("Gestures that began at rest"))
    false_activations_per_hour = fields.Float(
        required=True, allow_none=True, **about("Of rest; null before there was any")
    )
    gestures = fields.Integer(required=True, **about("That were made from beginning to end"))
    found = fields.Integer(required=True)
    missed = fields.Integer(required=True)
    doubled = fields.Integer(required=True, **about("Begun once more while the same was made"))
    wrong = fields.Integer(required=True, **about("Begun while another was made"))
    onset_p50_s = fields.Float(
        required=True, allow_none=True, **about("From the label to the onset, of the last 256 found")
    )
    onset_p90_s = fields.Float(required=True, allow_none=True)


class GroupSchema(Schema):
    """Readers who share one computation."""

    source = fields.String(required=True)
    fps = fields.Float(required=True)
    backend = fields.String(required=True)
    votes = fields.Integer(required=True)
    min_confidence = fields.Float(required=True)
    enter = fields.Float(required=True, allow_none=True)
    leave = fields.Float(required=True, allow_none=True)
    change = fields.Float(required=True, allow_none=True)
    events = fields.Boolean(required=True, **about("Whether gestures are told as events"))
    readers = fields.Integer(required=True)
    gestures = fields.Nested(
        GestureFiguresSchema,
        required=True,
        allow_none=True,
        **about("Since the group began; null without events, or where nothing says what was made"),
    )
    decision_delay_ms = fields.Float(
        required=True, allow_none=True, **about("Null where no model reads the source")
    )


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
        allow_none=True,
        **about(
            "From the onset of a gesture to its decision, at 30 fps and the model's own votes; computed; null "
            "without a model"
        ),
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


_READ = "Where a model reads the source"
_PREDICTED = "Where a model of classes reads the source"


class FrameSchema(Schema):
    """One frame of a stream, the `data` of an unnamed event."""

    timestamp = fields.Float(required=True, **about("Unix s"))
    frame = fields.Integer(required=True, **about("Frames sent to this client before"))
    latency_ms = fields.Float(**about(_READ))
    prediction = fields.Integer(**about(_PREDICTED))
    confidence = fields.Float(**about(_PREDICTED))
    shape = fields.List(fields.Integer(), **about("Of the output: (batch, classes or values)"))
    backend = fields.String(**about(_READ))
    cpu_percent = fields.Float(required=True)
    label = fields.String(**about(_PREDICTED))
    probabilities = fields.List(fields.Float(), **about(_PREDICTED))
    is_unknown = fields.Boolean(  # Schema has an attribute `unknown` of its own
        data_key="unknown",
        **about("The window is none of the classes, and no vote; only when so, of a model that can tell"),
    )
    decision = fields.Integer(**about(_PREDICTED))
    decision_label = fields.String(**about(_PREDICTED))
    values = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        **about("Where a model of values reads the source: what it says, by name, each in its range"),
    )
    output = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        **about("The same, or each value's `rest` where the signal is too bad: what should be acted upon"),
    )
    clipped = fields.Boolean(**about("The model said a value outside of its range; only when so"))
    intensity = fields.Float(**about(_READ))
    strength = fields.Float(
        **about("How strong the decided gesture is, 0 at rest to 1 at the person's own comfortable effort")
    )
    sample_index = fields.Integer(required=True)
    age_ms = fields.Float(required=True)
    dropped = fields.Integer(required=True)
    truth = fields.String(required=True, allow_none=True)
    missing_samples = fields.Integer(**about("Of the window, lost and filled; only when there are any"))
    quality = fields.Dict(**about("Only when not ok"))
    signal = fields.List(fields.List(fields.Float()), **about("(channels, points); on include_signal"))
    aux = fields.Dict(
        keys=fields.String(), **about("What came beside the EMG meanwhile, by its name; on include_aux")
    )
