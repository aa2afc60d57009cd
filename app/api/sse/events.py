"""Server-Sent Events: how an event becomes bytes (WHATWG HTML, section 9.2), and what its id means."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

import orjson

from app.inference.gestures.events import GestureEvent
from app.serving.streams.client_stream import ClientEvent, StreamCursor
from app.serving.streams.events import (
    FRAMES,
    Completed,
    Event,
    Frame,
    ModelChange,
    SignalFrame,
    SourceChange,
    Trouble,
    ValueFrame,
)
from app.serving.streams.gestures.told import GestureMark

HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
MIMETYPE = "text/event-stream"
COMMENT = b": keep-alive\n"  # part of the next event's block: an empty line would end one, and strict readers yield it
FINISHED = "end"  # id of the last event of a stream that has said all

_ID = re.compile(
    r"([0-9a-z]{1,16})\.(\d{1,15})\.(-?\d{1,15})\.(\d{1,15})\.(\d{1,15})(?:\.(\d{1,15})\.(\d{1,4})\.([01]))?"
)


def encode(event: Event) -> bytes:
    """Return the part of an event that all its readers share: JSON without the closing brace."""
    return orjson.dumps(_fields(event))[:-1]


def frame(sent: ClientEvent) -> bytes:
    """One whole event for one client."""
    body, before, stream, k, frames, dropped, _, told = sent
    return b'id: %b.%d.%d.%d%b\ndata: %b,"frame":%d,"dropped":%d}\n\n' % (
        stream,
        k,
        frames,
        dropped,
        told,
        body,
        before,
        dropped,
    )


def last(event: Completed, place: StreamCursor) -> bytes:
    """Return the last event of a stream. One that the server cut short keeps an id from which it can go on."""
    own = identify(place) if event.cut_short else FINISHED
    return b"id: %b\ndata: %b\n\n" % (own.encode(), orjson.dumps(event.fields))


def identify(place: StreamCursor) -> str:
    """Return the id of the last event that a client at that place has had."""
    told = "" if place.gesture is None else place.gesture.text
    return f"{place.stream}.{place.k}.{place.frames}.{place.dropped}{told}"


def place_of(last_event_id: str | None) -> StreamCursor | None:
    """Return the place that a `Last-Event-ID` names; None for none, and for one that is not ours."""
    found = _ID.fullmatch(last_event_id or "")
    if found is None:
        return None
    run, started, k, frames, dropped, gesture, index, held = found.groups()
    told = None if gesture is None else GestureMark(int(gesture), int(index), held == "1")
    return StreamCursor(run, int(started) / 1000, int(k), int(frames), int(dropped), told)


def _fields(event: Event) -> dict[str, Any]:
    if isinstance(event, FRAMES):
        return _any_frame(event)
    if isinstance(event, SourceChange):
        decided = {"decision": event.decision, "decision_label": event.decision_label}
        return {
            "status": event.status,
            "timestamp": event.timestamp,
            **(decided if event.decision is not None else {}),
            **({"output": event.output} if event.output is not None else {}),
            "source_state": event.source_state,
        }
    if isinstance(event, GestureEvent):
        return event.fields
    return _about_stream(event)


def _any_frame(event: Frame | SignalFrame | ValueFrame) -> dict[str, Any]:
    if isinstance(event, Frame):
        return _frame(event)
    return _signal_frame(event) if isinstance(event, SignalFrame) else _value_frame(event)


def _about_stream(event: ModelChange | Trouble) -> dict[str, Any]:
    if isinstance(event, ModelChange):
        return {"status": "model", **asdict(event)}
    return {"error": event.error, "timestamp": event.timestamp}


def _frame(event: Frame) -> dict[str, Any]:
    window = event.window
    fields = {
        "timestamp": round(event.timestamp, 6),
        "latency_ms": round(window.latency_ms, 3),
        "prediction": window.prediction,
        "label": event.label,
        "confidence": round(window.confidence, 4),
        "probabilities": [round(p, 4) for p in window.probabilities],
        "decision": event.decision,
        "decision_label": event.decision_label,
        "intensity": round(window.intensity, 3),
        "strength": round(event.strength, 3),
        "truth": window.truth,
        "sample_index": event.sample_index,
        "age_ms": round(event.age_ms, 3),
        "shape": (1, len(window.probabilities)),
        "backend": window.backend,
        "cpu_percent": event.cpu_percent,
    }
    if window.unknown:
        fields["unknown"] = True
    _add_seldom(fields, window.missing, event)
    return fields


def _value_frame(event: ValueFrame) -> dict[str, Any]:
    window, facts = event.window, event.window.facts
    fields = {
        "timestamp": round(event.timestamp, 6),
        "latency_ms": round(window.latency_ms, 3),
        "values": event.values,
        "output": event.output,
        "intensity": round(facts.intensity, 3),
        "truth": facts.truth,
        "sample_index": event.sample_index,
        "age_ms": round(event.age_ms, 3),
        "shape": (1, len(window.values)),
        "backend": window.backend,
        "cpu_percent": event.cpu_percent,
    }
    if window.clipped:
        fields["clipped"] = True
    _add_seldom(fields, facts.missing, event)
    return fields


def _signal_frame(event: SignalFrame) -> dict[str, Any]:
    fields = {
        "timestamp": round(event.timestamp, 6),
        "truth": event.truth,
        "sample_index": event.sample_index,
        "age_ms": round(event.age_ms, 3),
        "cpu_percent": event.cpu_percent,
    }
    _add_seldom(fields, event.missing, event)
    return fields


def _add_seldom(fields: dict[str, Any], missing: int, event: Frame | SignalFrame | ValueFrame) -> None:
    """Add what is there only where there is something to say, or on request."""
    if missing:
        fields["missing_samples"] = missing
    if event.quality:
        fields["quality"] = event.quality
    if event.signal is not None:
        fields["signal"] = event.signal
    if event.aux is not None:
        fields["aux"] = event.aux
