"""Values with names and units, as a stream of the Lab Streaming Layer."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence

from app.emg.lsl.library import load_pylsl
from app.emg.lsl.outlet import KEPT_S, NAME


class ValueOutlet:
    """A stream `Myostream` of type Values: a channel for each value, of irregular rate.

    Pushing never waits: liblsl sends on threads of its own, to whoever listens.

    Raises:
        ConfigError: pylsl is not there.
    """

    def __init__(self, source_id: str, model: str, names: Sequence[str], units: Sequence[str]) -> None:
        self._lsl = load_pylsl()
        info = self._lsl.StreamInfo(
            NAME, "Values", len(names), self._lsl.IRREGULAR_RATE, "float32", f"{source_id}@{platform.node()}"
        )
        info.set_channel_labels(list(names))
        info.set_channel_units(list(units))
        info.desc().append_child("model").append_child_value("name", model)
        self._outlet = self._lsl.StreamOutlet(info, max_buffered=KEPT_S)

    def push(self, values: Sequence[float], measured_at: float) -> None:
        """Send one frame's values; `measured_at` (Unix s) is its last sample's time."""
        stamp = float(self._lsl.local_clock()) - (time.time() - measured_at)
        self._outlet.push_sample(list(values), stamp)

    def close(self) -> None:
        """Take the stream from the network. Safe to call twice."""
        self._outlet = None
