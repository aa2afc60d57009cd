"""What a live socket says: JSON texts, and decisions and frames as records of 32 bytes where that was asked for."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple, get_args

import orjson

from app.api.live.framing import BINARY, TEXT, frame
from app.inference.gestures.events import GestureEvent, Phase, Reason, Variant
from app.serving.streams.client_stream import ClientEvent
from app.serving.streams.events import FRAMES, Predicted, SourceChange

# version, kind, prediction, sample index, age in ms, confidence, intensity, decision, dropped since the last, frame
RECORD = struct.Struct("<BBHQfffHHI")
FRAME, DECISION, WINDOW, GESTURE = 1, 2, 3, 4
NOTHING = 65535  # for a prediction or a decision: there is none
_VERSION, _MOST_DROPPED, _WRAP = 1, 65535, 2**32
_ID_KEYS = {"gesture": b"event_id"}  # a gesture has an id of its own

# In the place of a decision a record of a gesture has two bits of its phase, two of the variant, four of the reason.
PHASES, VARIANTS = get_args(Phase), get_args(Variant)
REASONS = (None, *get_args(Reason))


class Decided(NamedTuple):
    """A decision that is another than the one before."""

    sample_index: int
    decision: int
    label: str
    confidence: float
    age_ms: float


def said(kind: str, **fields: Any) -> bytes:
    """Return one message of that type, as a frame."""
    return frame(TEXT, orjson.dumps({"type": kind, **fields}))


def acknowledged(next_sample: int | None, received: int, duplicates: int, lost: int) -> bytes:
    """Return what tells a pusher how far its samples are taken in; the counts are since the acknowledgement before."""
    known = b"null" if next_sample is None else b"%d" % next_sample
    return frame(
        TEXT,
        b'{"type":"ack","next_sample":%b,"received":%d,"duplicates":%d,"lost":%d}'
        % (known, received, duplicates, lost),
    )


def event_text(sent: ClientEvent, kind: str) -> bytes:
    """Return an event of the stream as JSON: the fields of Server-Sent Events, with its type and its id."""
    body, before, stream, k, frames, dropped, _, told = sent
    return frame(
        TEXT,
        b'{"type":"%b",%b,"%b":"%b.%d.%d.%d%b","frame":%d,"dropped":%d}'
        % (
            kind.encode(),
            body[1:],
            _ID_KEYS.get(kind, b"id"),
            stream,
            k,
            frames,
            dropped,
            told,
            before,
            dropped,
        ),
    )


def kind_of(event: object) -> str:
    """Return the type of message that an event of the stream is."""
    return "frame" if isinstance(event, FRAMES) else "state"


def predicted_in(event: object) -> Predicted | None:
    """Return what a frame of a model of classes predicted and decided; None of any other event."""
    return getattr(event, "predicted", None)


def frame_record(event: Predicted, number: int, dropped: int) -> bytes:
    """Return one frame in 32 bytes; `dropped` are those left out since the one before."""
    return frame(
        BINARY,
        RECORD.pack(
            _VERSION,
            FRAME,
            event.prediction,
            event.sample_index,
            event.age_ms,
            event.confidence,
            event.intensity,
            event.decision,
            min(dropped, _MOST_DROPPED),
            number % _WRAP,
        ),
    )


def decision_record(decided: Decided, number: int) -> bytes:
    """Return a new decision in 32 bytes."""
    return frame(
        BINARY,
        RECORD.pack(
            _VERSION,
            DECISION,
            NOTHING,
            decided.sample_index,
            decided.age_ms,
            decided.confidence,
            0.0,
            decided.decision,
            0,
            number % _WRAP,
        ),
    )


def gesture_record(gesture: GestureEvent) -> bytes:
    """Return a gesture that begins, is held or ends in 32 bytes.

    The class is in place of the prediction, s since the onset of the age, the strength of the intensity, the samples
    since the muscle began (at most 65535) of what was dropped, and its id of the number of the frame.
    """
    what = (
        PHASES.index(gesture.phase)
        | VARIANTS.index(gesture.variant) << 2
        | REASONS.index(gesture.reason) << 4
    )
    return frame(
        BINARY,
        RECORD.pack(
            _VERSION,
            GESTURE,
            gesture.index,
            gesture.sample_index,
            gesture.held_s,
            gesture.confidence,
            gesture.strength,
            what,
            min(gesture.sample_index - gesture.began_at, _MOST_DROPPED),
            gesture.id % _WRAP,
        ),
    )


def decision_text(decided: Decided) -> bytes:
    """Return a new decision as JSON."""
    return said(
        "decision",
        sample_index=decided.sample_index,
        decision=decided.decision,
        decision_label=decided.label,
        confidence=round(decided.confidence, 4),
        age_ms=round(decided.age_ms, 3),
    )


def window_record(identity: int, place: int, prediction: int, confidence: float, latency_ms: float) -> bytes:
    """Return what was predicted for one of the windows that came as message `identity`, in 32 bytes."""
    return frame(
        BINARY,
        RECORD.pack(_VERSION, WINDOW, prediction, identity, latency_ms, confidence, 0.0, NOTHING, 0, place),
    )


def decided_by(sent: ClientEvent, last: int | None, reached: int) -> Decided | None:
    """Return the decision of an event, where it is another than the last; a stall decides for rest at `reached`."""
    event = sent.event
    seen = predicted_in(event)
    if seen is not None and seen.decision != last:
        return Decided(seen.sample_index, seen.decision, seen.decision_label, seen.confidence, seen.age_ms)
    if isinstance(event, SourceChange) and event.decision is not None and event.decision != last:
        return Decided(reached, event.decision, event.decision_label or "", 0.0, 0.0)
    return None
