"""Server-Sent Events: how an event becomes bytes (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from typing import Any

import orjson

from app.serving.events import Completed, Event, Frame, SourceChange

HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
MIMETYPE = "text/event-stream"
COMMENT = b": keep-alive\n\n"


def encode(event: Event) -> bytes:
    """The part of an event that all its readers share: JSON without the closing brace."""
    return orjson.dumps(_fields(event))[:-1]


def frame(body: bytes, number: int, dropped: int) -> bytes:
    """One whole event for one client."""
    return b'id: %d\ndata: %b,"frame":%d,"dropped":%d}\n\n' % (number, body, number, dropped)


def last(event: Completed) -> bytes:
    """The last event of a stream."""
    return b"id: %d\ndata: %b\n\n" % (event.total_frames, orjson.dumps(event.fields))


def _fields(event: Event) -> dict[str, Any]:
    if isinstance(event, Frame):
        return _frame(event)
    if isinstance(event, SourceChange):
        return {
            "status": event.status,
            "timestamp": event.timestamp,
            "decision": event.decision,
            "decision_label": event.decision_label,
            "source_state": event.source_state,
        }
    return {"error": event.error, "timestamp": event.timestamp}


def _frame(event: Frame) -> dict[str, Any]:
    fields = {
        "timestamp": round(event.timestamp, 6),
        "latency_ms": round(event.latency_ms, 3),
        "prediction": event.prediction,
        "label": event.label,
        "confidence": round(event.confidence, 4),
        "probabilities": [round(p, 4) for p in event.probabilities],
        "decision": event.decision,
        "decision_label": event.decision_label,
        "intensity": round(event.intensity, 3),
        "truth": event.truth,
        "sample_index": event.sample_index,
        "age_ms": round(event.age_ms, 3),
        "shape": event.shape,
        "backend": event.backend,
        "cpu_percent": event.cpu_percent,
    }
    if event.missing_samples:
        fields["missing_samples"] = event.missing_samples
    if event.signal is not None:
        fields["signal"] = event.signal
    return fields
