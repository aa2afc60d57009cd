"""What the server decides, as two streams of the Lab Streaming Layer: numbers for every frame, and markers."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from typing import Any

from app.emg.lsl.library import load_pylsl

NAME, MARKERS_NAME = "Myostream", "MyostreamMarkers"
FIRST_CHANNELS = ("prediction", "confidence", "intensity", "decision")  # then a probability for every class
KEPT_S = 60  # for a receiver whose network is away


class LslOutlets:
    """A stream `Myostream` of type Predictions and one `MyostreamMarkers` of type Markers.

    Both are of irregular rate. Pushing never waits: liblsl sends on threads of its own, to whoever listens.

    Raises:
        ConfigError: pylsl is not there.
    """

    def __init__(self, source_id: str, model: str, classes: Sequence[str], rest: str) -> None:
        self._lsl = load_pylsl()
        host = platform.node()
        labels = [*FIRST_CHANNELS, *(f"p_{name}" for name in classes)]
        info = self._info(NAME, "Predictions", len(labels), "float32", f"{source_id}@{host}")
        info.set_channel_labels(labels)
        about = info.desc().append_child("model")
        for key, value in (("name", model), ("classes", ",".join(classes)), ("rest_class", rest)):
            about.append_child_value(key, value)
        self._predictions = self._lsl.StreamOutlet(info, max_buffered=KEPT_S)
        info = self._info(MARKERS_NAME, "Markers", 1, "string", f"{source_id}-markers@{host}")
        self._markers = self._lsl.StreamOutlet(info, max_buffered=KEPT_S)
        self._last: str | None = None

    def push(self, values: Sequence[float], probabilities: Sequence[float], measured_at: float) -> None:
        """One frame: `values` in the order of FIRST_CHANNELS; `measured_at` (Unix s) is its last sample's time."""
        self._predictions.push_sample([*values, *probabilities], self._stamp(measured_at))

    def mark(self, label: str, measured_at: float) -> None:
        """Send a marker, when the label is another than before."""
        if label != self._last:
            self._last = label
            self._markers.push_sample([label], self._stamp(measured_at))

    def close(self) -> None:
        """Take the streams from the network. Safe to call twice."""
        self._predictions = self._markers = None

    def _stamp(self, unix_s: float) -> float:
        return float(self._lsl.local_clock()) - (time.time() - unix_s)

    def _info(self, name: str, kind: str, channels: int, form: str, source_id: str) -> Any:
        return self._lsl.StreamInfo(name, kind, channels, self._lsl.IRREGULAR_RATE, form, source_id)
