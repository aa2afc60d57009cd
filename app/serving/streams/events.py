"""What a stream can say: a frame, a change of the source's state, trouble, and the last word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.inference.artefact import Artefact
from app.inference.decision_rule import DecisionRule
from app.inference.gestures.events import GestureEvent, GestureRuleSet
from app.inference.manifest import Manifest
from app.serving.streams.value_reader import ValueWindow
from app.serving.streams.window_classifier import WindowResult

ENDED = "source ended"  # why streams end whose source is over
MOVED = "restart"  # and where another worker reads it by now: clients know that word, and come back


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What a reader asks for. Readers who ask for the same share one computation.

    Without `votes` decisions are made as the model says that reads the source, also after another took its place;
    with them as these five fields say.
    """

    fps: float
    backend: str
    preprocess: bool = True
    votes: int | None = None
    min_confidence: float = 0.0
    enter: float | None = None
    leave: float | None = None
    change: float | None = None
    include_signal: bool = False
    include_aux: bool = False
    events: bool = False  # whether gestures that begin, are held and end are told beside the frames
    gesture_rules: GestureRuleSet | None = None  # None: the model's own

    def rules_with(self, manifest: Manifest) -> GestureRuleSet:
        """Return when gestures begin and end where that model reads the source."""
        return self.gesture_rules or manifest.gesture_rules or GestureRuleSet()

    def rule_with(self, manifest: Manifest | None) -> DecisionRule:
        """Return how decisions are made where that model reads the source."""
        if self.votes is None:
            return DecisionRule() if manifest is None else manifest.rule
        return DecisionRule(
            votes=self.votes,
            min_confidence=self.min_confidence,
            enter=self.enter,
            leave=self.leave,
            change=self.change,
        )


class Predicted(NamedTuple):
    """What a frame says as numbers: all that a record of a live socket has of it."""

    prediction: int
    confidence: float
    intensity: float
    decision: int
    decision_label: str
    sample_index: int
    age_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One window's prediction and what was decided from it."""

    timestamp: float  # Unix s, when the event was made
    window: WindowResult
    label: str  # of the prediction
    decision: int
    decision_label: str
    strength: float = 0.0  # of the decision, 0 at rest to 1 at the effort that is comfortable to the person
    cpu_percent: float
    sample_index: int  # samples since the source started, up to the window's end
    age_ms: float  # last sample acquired -> event made
    quality: Mapping[str, Sequence[int]] | None = None  # what is wrong with which channels; None: nothing
    signal: Sequence[Sequence[float]] | None = None  # (channels, points) of the hop, on request
    aux: Mapping[str, Any] | None = None  # what came beside the EMG meanwhile, by its name: see AuxReader
    model: Artefact | None = None  # whose it is; None in tests that have none
    gestures: tuple[
        GestureEvent, ...
    ] = ()  # that it began, held or ended: events of their own, told after it

    @property
    def predicted(self) -> Predicted:
        window = self.window
        return Predicted(
            window.prediction,
            window.confidence,
            window.intensity,
            self.decision,
            self.decision_label,
            self.sample_index,
            self.age_ms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedFrame:
    """A frame that another worker has made and encoded: what this one must know of it beside its bytes."""

    sample_index: int
    predicted: Predicted | None = None  # None: no model of classes reads the source


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFrame:
    """The same of a source that no model reads."""

    timestamp: float  # Unix s, when the event was made
    cpu_percent: float
    sample_index: int
    age_ms: float
    truth: str | None
    missing: int  # samples of the hop, lost and filled
    quality: Mapping[str, Sequence[int]] | None = None
    signal: Sequence[Sequence[float]] | None = None
    aux: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueFrame:
    """One window's values, of a model that gives such."""

    timestamp: float  # Unix s, when the event was made
    window: ValueWindow
    values: Mapping[str, float]  # what the model said, within the ranges
    output: Mapping[str, float]  # the same, or rest where the signal is too bad: what should be acted upon
    cpu_percent: float
    sample_index: int
    age_ms: float
    quality: Mapping[str, Sequence[int]] | None = None
    signal: Sequence[Sequence[float]] | None = None
    aux: Mapping[str, Any] | None = None
    model: Artefact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """The source stalled (decisions and outputs fall to rest) or recovered."""

    status: str  # stalled | recovered
    timestamp: float
    source_state: str
    decision: int | None = None  # None: no model of classes reads it
    decision_label: str | None = None
    output: Mapping[str, float] | None = None  # None: no model of values reads it


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChange:
    """Another model reads the source: every window that ends at its sample `from_sample` or later, and none before."""

    timestamp: float
    from_sample: int
    model: str | None = None  # None: none reads it from there on
    sha256: str | None = None
    classes: tuple[str, ...] = ()
    rest_class: str | None = None
    outputs: Mapping[str, Any] | None = None  # what it gives, with the ranges of values

    def source_change(self, status: str, source_state: str, timestamp: float) -> SourceChange:
        """Return the event of a source, read by this model, from which nothing more is heard, or is again: rest."""
        values = {} if self.outputs is None else {one["name"]: one["rest"] for one in self.outputs["values"]}
        return SourceChange(
            status=status,
            timestamp=timestamp,
            source_state=source_state,
            decision=self.classes.index(self.rest_class) if self.rest_class is not None else None,
            decision_label=self.rest_class,
            output=values or None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A frame could not be made; the stream goes on."""

    error: str
    timestamp: float


CUT_SHORT = ("shutdown", "reload", MOVED)  # why the server ends a stream that could go on


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The last event of every stream."""

    total_frames: int
    duration_seconds: float
    reason: str | None = None  # None: the duration asked for is over

    @property
    def cut_short(self) -> bool:
        """Whether the server has ended it and, perhaps in another worker, it can go on."""
        return self.reason in CUT_SHORT

    @property
    def fields(self) -> Mapping[str, object]:
        rate = self.total_frames / self.duration_seconds if self.duration_seconds > 0 else 0.0
        return {
            "status": "completed",
            "total_frames": self.total_frames,
            "duration_seconds": round(self.duration_seconds, 3),
            "avg_fps": round(rate, 2),
            **({"reason": self.reason} if self.reason else {}),
        }


Event = Frame | SignalFrame | ValueFrame | GestureEvent | SourceChange | ModelChange | Trouble
Told = Event | CarriedFrame  # what readers get: a carried one is encoded already
FRAMES = (Frame, SignalFrame, ValueFrame, CarriedFrame)


def must_be_told(event: Told | None) -> bool:
    """Whether no reader may miss it, however slowly it reads: what comes after it cannot be understood without."""
    if isinstance(event, GestureEvent):
        return event.phase != "hold"
    return isinstance(event, (SourceChange, ModelChange))
