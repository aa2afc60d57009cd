"""Decisions as streams of the Lab Streaming Layer."""

from __future__ import annotations

import time
from pathlib import Path

from app.config import DEFAULT_MODEL, Settings
from app.emg.lsl.outlet import LslOutlets
from app.inference.gestures.events import GestureEvent, Reason
from app.inference.manifest import Manifest
from app.serving.streams.events import Frame, ValueFrame


class LslSender:
    """To LSL streams, which exist from the first frame on."""

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        self._settings, self._manifest = settings, manifest
        self._outlets = LslOutlets(
            f"myostream:{settings.bind}",
            manifest.name,
            manifest.classes,
            manifest.rest_class,
            of_model=self._of_model,
        )

    def follow(self, manifest: Manifest) -> bool:
        if manifest.gives_values:
            return False
        self._manifest = manifest
        self._outlets.change(manifest.name, manifest.classes, manifest.rest_class, of_model=self._of_model)
        return True

    def frame(self, frame: Frame | ValueFrame) -> None:
        if not isinstance(frame, Frame):
            return
        measured_at = frame.timestamp - frame.age_ms / 1e3
        values = (frame.window.prediction, frame.window.confidence, frame.window.intensity, frame.decision)
        self._outlets.push(values, frame.window.probabilities, measured_at)
        self._outlets.mark(frame.decision_label, measured_at)

    def gesture(self, _event: GestureEvent) -> None:
        """Nothing to do: what is sent is said by frames."""

    def rest(self, _reason: Reason = "stalled") -> None:
        self._outlets.mark(self._manifest.rest_class, time.time())

    def close(self) -> None:
        self._outlets.close()

    @property
    def _of_model(self) -> str:
        """Return what tells its stream from those of other models; empty for the server's own: its id stays."""
        own = Path(self._settings.model or DEFAULT_MODEL).name
        return "" if self._manifest.name == own else self._manifest.name
