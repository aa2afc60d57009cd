"""From the events of a stream to messages on topics. Without ROS: node.py and rosbridge.py send them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from myostream_client import (
    Completed,
    Frame,
    GestureEvent,
    Interrupted,
    SignalFrame,
    SourceChange,
    ValueFrame,
)

STRING, FLOAT, BOOL, JOINTS = "std_msgs/String", "std_msgs/Float32", "std_msgs/Bool", "sensor_msgs/JointState"
SILENT_S = 0.25  # without a frame or a gesture for so long, nothing is known


@dataclass(frozen=True, slots=True)
class Topic:
    """Where messages go; who subscribes later gets the last one where it is `latched`."""

    name: str  # below the node's own name
    type: str
    latched: bool = False


ALIVE = Topic("alive", BOOL, latched=True)  # whether the server is heard
GESTURE = Topic("gesture", STRING)  # each event, as JSON
HELD = Topic("held", STRING, latched=True)  # name of the gesture that is held, "" for none
DECISION = Topic("decision", STRING, latched=True)  # name of the class, "" while nothing is known
STRENGTH = Topic("strength", FLOAT)  # with each frame
JOINT_STATES = Topic("joint_states", JOINTS)  # of a model of values: what a device should follow
TOPICS = (ALIVE, GESTURE, HELD, DECISION, STRENGTH, JOINT_STATES)


@dataclass(frozen=True, slots=True)
class Message:
    """One message: the fields of its type, as rosbridge's JSON has them."""

    topic: Topic
    fields: Mapping[str, Any]


class HandTopics:
    """What is to be published for each event. Each gesture that began ends, whatever happens; used by one thread."""

    def __init__(self, silent_s: float = SILENT_S) -> None:
        self._silent_s, self._heard_at = silent_s, 0.0
        self._said: dict[Topic, Any] = {}  # the last value of those that are told when it is another
        self._held: GestureEvent | None = None

    def begin(self) -> list[Message]:
        """Return what is true before anything was heard."""
        return self._rest("silence")

    def take(self, event: object, now_s: float) -> list[Message]:
        """Return what an event asks for; `now_s` is of any clock that goes on."""
        match event:
            case GestureEvent():
                heard = [] if event.phase == "release" else self._heard(now_s)
                return [*heard, *self._gesture(event)]
            case Frame():
                strength = Message(STRENGTH, {"data": float(event.strength)})
                return [*self._heard(now_s), *self._changed(DECISION, event.decision_label), strength]
            case ValueFrame() | SignalFrame():
                joints = [_joints(event.output)] if isinstance(event, ValueFrame) else []
                return [*self._heard(now_s), *joints]
            case SourceChange(status="stalled"):
                output = [] if event.output is None else [_joints(event.output)]
                return [*self._rest("stalled", event.decision_label or ""), *output]
            case Interrupted() | Completed():
                return self._rest("interrupted" if isinstance(event, Interrupted) else "completed")
        return []

    def tick(self, now_s: float) -> list[Message]:
        """Return what is to be said for the time that has passed; call it often."""
        silent = self._said.get(ALIVE) and now_s - self._heard_at > self._silent_s
        return self._rest("silence") if silent else []

    def _heard(self, now_s: float) -> list[Message]:
        self._heard_at = now_s
        return self._changed(ALIVE, True)

    def _gesture(self, event: GestureEvent) -> list[Message]:
        held = self._held
        if event.phase == "release":
            return self._end(event) if held is not None and held.id == event.id else []
        goes_on = held is not None and held.id == event.id
        ended = [] if held is None or goes_on else self._end(_released(held, "gesture"))
        # held still after a silence, for who listens it begins again
        event = _as(event, "hold" if goes_on else "onset", None)
        self._held = event
        return [*ended, _told(event), *self._changed(HELD, event.gesture)]

    def _end(self, event: GestureEvent) -> list[Message]:
        self._held = None
        return [_told(event), *self._changed(HELD, "")]

    def _rest(self, reason: str, decision: str = "") -> list[Message]:
        ended = [] if self._held is None else self._end(_released(self._held, reason))
        quiet = Message(STRENGTH, {"data": 0.0})
        return [
            *ended,
            *self._changed(HELD, ""),
            *self._changed(DECISION, decision),
            quiet,
            *self._changed(ALIVE, False),
        ]

    def _changed(self, topic: Topic, value: Any) -> list[Message]:
        if topic in self._said and self._said[topic] == value:
            return []
        self._said[topic] = value
        return [Message(topic, {"data": value})]


def _told(event: GestureEvent) -> Message:
    said = {("class" if key == "index" else key): value for key, value in asdict(event).items()}
    return Message(GESTURE, {"data": json.dumps({k: v for k, v in said.items() if v is not None})})


def _released(event: GestureEvent, reason: str) -> GestureEvent:
    return _as(event, "release", reason)


def _as(event: GestureEvent, phase: str, reason: str | None) -> GestureEvent:
    return GestureEvent(**{**asdict(event), "phase": phase, "reason": reason})


def _joints(output: Mapping[str, float]) -> Message:
    return Message(
        JOINT_STATES, {"name": list(output), "position": [float(value) for value in output.values()]}
    )
