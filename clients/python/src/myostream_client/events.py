"""What a stream says, as frozen dataclasses instead of dictionaries. docs/api.md describes every key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


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
    truth: str | None = None  # the recording's own label
    missing_samples: int = 0  # of the window: lost and filled
    quality: Mapping[str, list[int]] | None = None  # what is wrong with which channels; None: nothing
    signal: tuple[tuple[float, ...], ...] | None = None  # (channels, points), with include_signal


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """The source stalled (the decision falls to rest) or recovered."""

    status: str  # stalled | recovered
    timestamp: float
    decision: int
    decision_label: str
    source_state: str


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


Event = Frame | SourceChange | Trouble | Completed | Interrupted


def event_of(data: Mapping[str, Any]) -> Event | None:
    """Return the typed event; keys that this client does not know are left out. None for a kind it does not know.

    Raises:
        TypeError: a key is missing.
    """
    kind = _kind_of(data)
    if kind is None:
        return None
    known = {field.name for field in fields(kind)}
    return kind(**{name: _frozen(value) for name, value in data.items() if name in known})


def _kind_of(data: Mapping[str, Any]) -> type[Frame | SourceChange | Trouble | Completed] | None:
    if "prediction" in data:
        return Frame
    if "error" in data:
        return Trouble
    kinds = {"completed": Completed, "stalled": SourceChange, "recovered": SourceChange}
    return kinds.get(str(data.get("status")))


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
