"""What one client has been told of gestures: it hears of none twice, and of each that began that it ended."""

from __future__ import annotations

from typing import NamedTuple

from app.inference.gestures.events import GestureEvent, Reason


class GestureMark(NamedTuple):
    """The last that a client was told of gestures; part of the id of each of its events."""

    id: int
    class_index: int  # number of the class
    held: bool  # whether its release is still to come

    @property
    def text(self) -> str:
        """Return what the id of an event says of it."""
        return f".{self.id}.{self.class_index}.{self.held:d}"

    def before(self, event: GestureEvent) -> bool:
        """Whether that event comes after it."""
        return event.id > self.id or (event.id == self.id and self.held and event.phase == "release")


class ToldGestures:
    """Of one client; used by one thread at a time."""

    def __init__(self, last: GestureMark | None = None) -> None:
        self.last = last
        self.held: GestureEvent | None = None

    def due(self, event: GestureEvent) -> list[GestureEvent]:
        """Return what the client is to be told for an event: it, nothing, or first the end of another gesture."""
        held = self.held
        if event.phase != "onset":
            return [event] if held is not None and held.id == event.id else []
        if held is None:
            return [event]
        return [] if held.id == event.id else [held.released("gap", event.timestamp), event]

    def after(self, event: GestureEvent) -> GestureMark:
        """Return what is last once the client has been told that."""
        return GestureMark(event.id, event.index, event.phase != "release")

    def told(self, event: GestureEvent) -> None:
        """Take note that it has been told."""
        self.last = self.after(event)
        self.held = None if event.phase == "release" else event

    def end(self, reason: Reason, timestamp: float) -> list[GestureEvent]:
        """Return the release that is owed where the client hears no more."""
        return [] if self.held is None else [self.held.released(reason, timestamp)]
