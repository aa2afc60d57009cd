"""The gesture of which a stream has told the beginning and not the end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

INTERRUPTED = "interrupted"  # reason of a release that the server did not send


class HeldGesture:
    """Used by who reads the stream. Once a cut has ended a gesture, nothing more is told of it."""

    def __init__(self) -> None:
        self._held: dict[str, Any] | None = None
        self._ended: int | None = None  # id of the one that a cut has ended

    def tells(self, said: Mapping[str, Any]) -> bool:
        """Take note of an event; whether it is to be told."""
        phase = said.get("phase")
        if phase is None:
            return True
        if said["id"] == self._ended:
            return False
        self._held = None if phase == "release" else dict(said)
        return True

    def cut(self) -> dict[str, Any] | None:
        """Return the release that is owed where nothing is heard for a while; None where nothing is held."""
        held, self._held = self._held, None
        if held is None:
            return None
        self._ended = held["id"]
        return {**held, "phase": "release", "reason": INTERRUPTED, "timestamp": time.time()}
