"""What a way out tells of gestures, whatever it was told: never an onset without the release of the one before."""

from __future__ import annotations

import time
from typing import NamedTuple

from app.inference.gestures.events import GestureEvent, Reason


class Told(NamedTuple):
    """An event that a receiver is told."""

    serial: int  # of the gesture, counted here: a source that begins anew counts its ids anew
    event: GestureEvent


class GestureGate:
    """Lets gesture events through so that a receiver who acts on them is left holding nothing.

    What comes of a gesture that has been released here already, or that began before there was this way out, is no
    news to the receiver, and left out.
    """

    def __init__(self) -> None:
        self.held: GestureEvent | None = (
            None  # the newest event of the gesture that the receiver takes for held
        )
        self._serial = 0

    def take(self, event: GestureEvent) -> list[Told]:
        """Return what is to be told because of an event."""
        if event.phase == "onset":
            before = self._released("gesture", event.timestamp)
            self._serial += 1
            self.held = event
            return [*before, Told(self._serial, event)]
        if self.held is None or self.held.id != event.id:
            return []
        self.held = None if event.phase == "release" else event
        return [Told(self._serial, event)]

    def end(self, reason: Reason) -> list[Told]:
        """Return the release of what is held, if anything is."""
        return self._released(reason, time.time())

    def _released(self, reason: Reason, timestamp: float) -> list[Told]:
        held, self.held = self.held, None
        return [] if held is None else [Told(self._serial, held.released(reason, timestamp))]
