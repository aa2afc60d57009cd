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

    def __init__(
        self, source_id: str, model: str, classes: Sequence[str], rest: str, *, of_model: str = ""
    ) -> None:
        """`of_model` tells the stream of predictions from those of other models on this machine."""
        self._lsl = load_pylsl()
        self._source_id, self._host = source_id, platform.node()
        self._predictions = self._opened(model, classes, rest, of_model)
        info = self._info(MARKERS_NAME, "Markers", 1, "string", f"{source_id}-markers@{self._host}")
        self._markers = self._lsl.StreamOutlet(info, max_buffered=KEPT_S)
        self._last: str | None = None

    def change(self, model: str, classes: Sequence[str], rest: str, *, of_model: str = "") -> None:
        """Have another model's predictions: a new stream, as a stream's channels never change, and a marker.

        It has an id of its own: receivers find the stream again by that, and would take its channels for those before.
        """
        self._predictions = None  # the one before goes first
        self._predictions = self._opened(model, classes, rest, of_model)
        self._last = None  # the label that follows is of the new model
        self._markers.push_sample([f"model: {model}"], self._lsl.local_clock())

    def _opened(self, model: str, classes: Sequence[str], rest: str, of_model: str) -> Any:
        labels = [*FIRST_CHANNELS, *(f"p_{name}" for name in classes)]
        name = f"{self._source_id}-{of_model}" if of_model else self._source_id
        info = self._info(NAME, "Predictions", len(labels), "float32", f"{name}@{self._host}")
        info.set_channel_labels(labels)
        about = info.desc().append_child("model")
        for key, value in (("name", model), ("classes", ",".join(classes)), ("rest_class", rest)):
            about.append_child_value(key, value)
        return self._lsl.StreamOutlet(info, max_buffered=KEPT_S)

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
