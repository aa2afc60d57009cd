"""What a stream says, as frozen dataclasses instead of dictionaries. docs/api.md describes every key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .live.messages import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Aux:
    """What a device delivered beside EMG since the frame before: accelerometer, trigger, battery ..."""

    sample_index: float  # place of its first value in EMG samples of the source, with a fraction
    sampling_rate_hz: float
    units: str
    channels: tuple[str, ...]  # names
    values: tuple[tuple[float, ...], ...]  # (channels, points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One window's prediction and what was decided from it."""

    frame: int  # frames sent before this one
    timestamp: float  # Unix s, when the server made the event
    prediction: int
    label: str
    confidence: float
    probabilities: tuple[float, ...]
    decision: int  # after vote and rejection: what a device should follow
    decision_label: str
    intensity: float  # contraction level, 0..1
    sample_index: int  # samples since the source started, up to the window's end
    age_ms: float  # last sample acquired -> event made
    latency_ms: float  # of the engine
    dropped: int  # frames missed so far
    backend: str
    shape: tuple[int, ...]  # of the logits: (batch, classes)
    cpu_percent: float
    strength: float = 0.0  # of the decision: 0 at rest, 1 at the effort that is comfortable to the person
    unknown: bool = False  # none of the classes is like this window
    truth: str | None = None  # the recording's own label
    missing_samples: int = 0  # of the window: lost and filled
    quality: Mapping[str, list[int]] | None = None  # what is wrong with which channels; None: nothing
    signal: tuple[tuple[float, ...], ...] | None = None  # (channels, points), with include_signal
    aux: Mapping[str, Aux] | None = None  # by name, with include_aux


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFrame:
    """A frame of a source that no model reads: its signal and quality, and no prediction."""

    frame: int  # frames sent before this one
    timestamp: float  # Unix s, when the server made the event
    sample_index: int  # samples since the source started, up to the frame's end
    age_ms: float  # last sample acquired -> event made
    dropped: int  # frames missed so far
    cpu_percent: float
    truth: str | None = None  # the recording's own label
    missing_samples: int = 0  # since the frame before: lost and filled
    quality: Mapping[str, list[int]] | None = None  # what is wrong with which channels; None: nothing
    signal: tuple[tuple[float, ...], ...] | None = None  # (channels, points), with include_signal
    aux: Mapping[str, Aux] | None = None  # by name, with include_aux


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueFrame:
    """One window's values, of a model that gives such: joint angles, forces, proportional control."""

    frame: int  # frames sent before this one
    timestamp: float  # Unix s, when the server made the event
    values: Mapping[str, float]  # what the model says, by name, each in its range
    output: Mapping[str, float]  # the same, or rest where the signal is too bad: what a device should follow
    intensity: float  # contraction level, 0..1
    sample_index: int  # samples since the source started, up to the window's end
    age_ms: float  # last sample acquired -> event made
    latency_ms: float  # of the engine
    dropped: int  # frames missed so far
    backend: str
    shape: tuple[int, ...]  # of the output: (batch, values)
    cpu_percent: float
    clipped: bool = False  # the model said a value outside of its range
    truth: str | None = None  # the recording's own label
    missing_samples: int = 0  # of the window: lost and filled
    quality: Mapping[str, list[int]] | None = None  # what is wrong with which channels; None: nothing
    signal: tuple[tuple[float, ...], ...] | None = None  # (channels, points), with include_signal
    aux: Mapping[str, Aux] | None = None  # by name, with include_aux


@dataclass(frozen=True, slots=True, kw_only=True)
class GestureEvent:
    """A gesture began, is held or ended: with `events=True`, beside the frames. docs/events.md has the rules.

    Each that began ends: also where the signal or the server does, and, with the reason `interrupted`, where the
    connection does. Samples are the source's.
    """

    gesture: str  # name of the class
    phase: str  # onset | hold | release
    id: int  # the same from onset to release; counts up
    variant: str  # single | double | long
    index: int  # number of the class
    sample_index: int  # at which it was decided
    began_at: int  # at which the muscle began, found backwards
    refined_by: int  # samples from `began_at` to the end of the first window that showed it
    strength: float  # 0..1
    confidence: float  # 0..1, probability of the class
    held_s: float  # since the onset, in s of samples
    timestamp: float  # Unix s
    reason: str | None = None  # of a release


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """The source stalled (decision and output fall to rest) or recovered.

    After `recovered` it may be another one, with other channels, or with a model where there was none: see
    `client.sources()`. Another model on the same source is a `ModelChange`.
    """

    status: str  # stalled | recovered
    timestamp: float
    source_state: str
    decision: int | None = None  # None: no model of classes reads it
    decision_label: str | None = None
    output: Mapping[str, float] | None = None  # None: no model of values reads it


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChange:
    """Another model reads the source: every frame after this one is its own, with its classes or values.

    One who comes back after a cut connection is told again, also where it is the same as before.
    """

    timestamp: float
    from_sample: int  # of the source: every window that ends at it or later is the new model's
    model: str | None = None  # its name; None: no model reads the source any more
    sha256: str | None = None  # of its manifest
    classes: tuple[
        str, ...
    ] = ()  # what `probabilities` are of, in order; empty of a model of values, and without one
    rest_class: str | None = None
    outputs: Mapping[str, Any] | None = None  # what it gives: `kind`, and `values` with their ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A frame could not be made; the stream goes on."""

    error: str
    timestamp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The last event."""

    total_frames: int
    duration_seconds: float
    avg_fps: float
    reason: str | None = None  # None: the duration asked for is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """Not from the server: the connection was lost, and another is tried after `delay_s`.

    There is no news meanwhile, so whatever follows the decision should stop.
    """

    reason: str
    attempt: int  # connections tried since the last event
    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a device should follow from now on; a live source says it when it changes."""

    sample_index: int  # samples since the source started, up to the end of the window that decided it
    decision: int
    decision_label: str
    confidence: float
    age_ms: float  # last sample acquired -> event made


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Whether the electrodes deliver a signal worth judging, as `GET /emg/quality` says it."""

    ok: bool
    sample_index: int  # up to which samples were looked at
    loss: float  # share of the samples of the last 5 s
    advice: str | None = None
    channels: tuple[Mapping[str, Any], ...] = ()


Event = (
    Frame
    | SignalFrame
    | ValueFrame
    | GestureEvent
    | SourceChange
    | ModelChange
    | Trouble
    | Completed
    | Interrupted
)
LiveEvent = Event | Decision | Quality | Record


def event_of(data: Mapping[str, Any]) -> Event | None:
    """Return the typed event; keys that this client does not know are left out. None for a kind it does not know.

    Raises:
        TypeError: a key is missing.
    """
    kind = _kind_of(data)
    if kind is None:
        return None
    given = known_fields(kind, data)
    if kind is GestureEvent:
        given["index"] = data.get("class")
    if given.get("aux") is not None:
        given["aux"] = {name: Aux(**known_fields(Aux, one)) for name, one in data["aux"].items()}
    return kind(**given)


def live_event_of(data: Mapping[str, Any]) -> Event | Decision | Quality | None:
    """Return the typed event of a message of a live socket. None for a kind that this client does not know.

    Raises:
        TypeError: a key is missing.
    """
    if data.get("type") == "decision":
        return Decision(**known_fields(Decision, data))
    if data.get("type") == "quality":
        return Quality(**known_fields(Quality, data))
    return event_of(data)


def known_fields(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a dataclass has fields for; lists become tuples."""
    names = {field.name for field in fields(kind)}
    return {name: _frozen(value) for name, value in data.items() if name in names}


def _kind_of(
    data: Mapping[str, Any],
) -> (
    type[Frame | SignalFrame | ValueFrame | GestureEvent | SourceChange | ModelChange | Trouble | Completed]
    | None
):
    if "prediction" in data:
        return Frame
    if "phase" in data:
        return GestureEvent
    if "values" in data:
        return ValueFrame
    if "truth" in data:
        return SignalFrame
    if "error" in data:
        return Trouble
    kinds = {
        "completed": Completed,
        "model": ModelChange,
        "stalled": SourceChange,
        "recovered": SourceChange,
    }
    return kinds.get(str(data.get("status")))


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
