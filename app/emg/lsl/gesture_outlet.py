"""Gestures that begin, are held and end, as a stream of markers of the Lab Streaming Layer."""

from __future__ import annotations

import platform
import time

from app.emg.lsl.library import load_pylsl
from app.emg.lsl.outlet import KEPT_S

NAME = "MyostreamGestures"


class GestureOutlet:
    """A stream `MyostreamGestures` of type Events, of irregular rate. Who asks for the type Markers gets decisions.

    Pushing never waits: liblsl sends on threads of its own, to whoever listens.

    Raises:
        ConfigError: pylsl is not there.
    """

    def __init__(self, source_id: str) -> None:
        self._lsl = load_pylsl()
        info = self._lsl.StreamInfo(
            NAME, "Events", 1, self._lsl.IRREGULAR_RATE, "string", f"{source_id}-gestures@{platform.node()}"
        )
        self._outlet = self._lsl.StreamOutlet(info, max_buffered=KEPT_S)

    def mark(self, text: str, at: float) -> None:
        """Send a marker of what happened at that time (Unix s)."""
        stamp = float(self._lsl.local_clock()) - (time.time() - at)
        self._outlet.push_sample([text], stamp)

    def close(self) -> None:
        """Take the stream from the network. Safe to call twice."""
        self._outlet = None
