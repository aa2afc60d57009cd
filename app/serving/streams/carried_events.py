"""Events of a group as they go from the worker that makes them to the others: encoded there, and read by nobody else.

A message has a version, so that workers of two versions never take each other's for something else.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from app.errors import DataError
from app.inference.gestures.events import GestureEvent
from app.serving.streams.events import (
    CarriedFrame,
    Frame,
    ModelChange,
    Predicted,
    SourceChange,
    Told,
    Trouble,
)
from app.serving.streams.group_events import GroupEvent

VERSION = 1

_BEAT, _PREDICTED, _FRAME, _SOURCE, _MODEL, _TROUBLE, _GESTURE = range(7)
# version, kind, which opening of the topic, number, k, position, when it was made, bytes of what stands before the body
_HEAD = struct.Struct("<BBIqqqdI")
# prediction, confidence, intensity, decision, sample index, age in ms; then the label of the decision
_NUMBERS = struct.Struct("<HddHqd")
_INDEX = struct.Struct("<q")
_SIZE = struct.Struct("<I")


class Carried(NamedTuple):
    """What one message says: an event, or that there were so many of them by now."""

    opening: int
    number: int  # of the event in the owner's group; of a beat, the number of events so far
    at: float  # on the owner's own clock, in s; 0: before anybody asked for it
    event: GroupEvent | None  # None: a beat


def encode(opening: int, told: GroupEvent, at: float) -> bytes:
    """Return the message of an event that was made at that time of the owner's clock."""
    kind, facts = _facts(told.event)
    head = _HEAD.pack(VERSION, kind, opening, told.number, told.k, told.position, at, len(facts))
    return head + facts + told.body


def encode_beat(opening: int, count: int, at: float) -> bytes:
    """Return the message that says how many events there were: to hear it is to know that the owner is there."""
    return _HEAD.pack(VERSION, _BEAT, opening, count, 0, -1, at, 0)


def decode(message: bytes) -> Carried:
    """Return what a message says.

    Raises:
        DataError: it is of another version, or none of ours.
    """
    if message[:1] != bytes((VERSION,)):
        raise DataError(f"an event of version {message[:1].hex() or 'nothing'}; this worker reads {VERSION}")
    try:
        _, kind, opening, number, k, position, at, size = _HEAD.unpack_from(message)
        if kind == _BEAT:
            return Carried(opening, number, at, None)
        if len(message) < _HEAD.size + size:
            raise ValueError(f"it ends {_HEAD.size + size - len(message)} bytes before its body begins")
        facts, body = message[_HEAD.size : _HEAD.size + size], message[_HEAD.size + size :]
        return Carried(opening, number, at, GroupEvent(number, k, position, body, _told(kind, facts)))
    except (struct.error, ValueError, TypeError, KeyError) as error:
        raise DataError(f"an event that cannot be read: {error}") from None


def joined(parts: Iterable[bytes]) -> bytes:
    """Return several messages as one."""
    return b"".join(_SIZE.pack(len(part)) + part for part in parts)


def parted(message: bytes) -> list[bytes]:
    """Return the messages that `joined` has made one.

    Raises:
        DataError: it ends within one of them.
    """
    parts, at = [], 0
    while at < len(message):
        try:
            (size,) = _SIZE.unpack_from(message, at)
        except struct.error:
            raise DataError("an answer that ends within a length") from None
        at += _SIZE.size
        if at + size > len(message):
            raise DataError(f"an answer that ends {at + size - len(message)} bytes before its part does")
        parts.append(message[at : at + size])
        at += size
    return parts


def model_fields(model: ModelChange | None) -> dict[str, Any] | None:
    """Return a change of the model as JSON has it."""
    return None if model is None else asdict(model)


def model_of(fields: Mapping[str, Any] | None) -> ModelChange | None:
    """Return what `model_fields` was given."""
    return None if fields is None else ModelChange(**{**fields, "classes": tuple(fields["classes"])})


def _facts(event: Told) -> tuple[int, bytes]:
    if isinstance(event, SourceChange):
        return _SOURCE, json.dumps(asdict(event)).encode()
    if isinstance(event, ModelChange):
        return _MODEL, json.dumps(model_fields(event)).encode()
    if isinstance(event, Trouble):
        return _TROUBLE, json.dumps(asdict(event)).encode()
    if isinstance(event, GestureEvent):
        return _GESTURE, json.dumps(asdict(event)).encode()
    seen = event.predicted if isinstance(event, Frame | CarriedFrame) else None
    if seen is None:
        return _FRAME, _INDEX.pack(event.sample_index)
    numbers = _NUMBERS.pack(
        seen.prediction, seen.confidence, seen.intensity, seen.decision, seen.sample_index, seen.age_ms
    )
    return _PREDICTED, numbers + seen.decision_label.encode()


def _told(kind: int, facts: bytes) -> Told:
    if kind == _PREDICTED:
        prediction, confidence, intensity, decision, index, age_ms = _NUMBERS.unpack_from(facts)
        label = facts[_NUMBERS.size :].decode()
        seen = Predicted(prediction, confidence, intensity, decision, label, index, age_ms)
        return CarriedFrame(sample_index=index, predicted=seen)
    if kind == _FRAME:
        return CarriedFrame(sample_index=_INDEX.unpack(facts)[0])
    if kind == _SOURCE:
        return SourceChange(**json.loads(facts))
    if kind == _TROUBLE:
        return Trouble(**json.loads(facts))
    if kind == _GESTURE:
        return GestureEvent(**json.loads(facts))
    model = model_of(json.loads(facts)) if kind == _MODEL else None
    if model is None:
        raise ValueError(f"kind {kind}")
    return model
