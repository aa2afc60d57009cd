"""A source's own samples as a stream of the Lab Streaming Layer."""

from __future__ import annotations

import platform
import time

from app.emg.description import SourceDescription
from app.emg.lsl.library import load_pylsl
from app.emg.source import Samples

NAME = "MyostreamSignal"
KEPT_S = 60  # for a receiver whose network is away


class SignalOutlet:
    """A stream `MyostreamSignal` of type EMG: all channels, raw, at the source's rate.

    Pushing never waits: liblsl sends on threads of its own, to whoever listens.

    Raises:
        ConfigError: pylsl is not there.
    """

    def __init__(self, source_id: str, description: SourceDescription) -> None:
        self._lsl = load_pylsl()
        info = self._lsl.StreamInfo(
            NAME,
            "EMG",
            description.channels,
            description.sampling_rate,
            "float32",
            f"{source_id}-signal@{platform.node()}",
        )
        if description.channel_names:
            info.set_channel_labels(list(description.channel_names))
        info.set_channel_types(["EMG"] * description.channels)
        info.set_channel_units([description.units] * description.channels)
        self._outlet = self._lsl.StreamOutlet(info, max_buffered=KEPT_S)

    def push(self, samples: Samples, measured_at: float) -> None:
        """Send samples (n, channels); `measured_at` is when the last came, on the clock of `time.perf_counter`."""
        stamp = float(self._lsl.local_clock()) - (time.perf_counter() - measured_at)
        self._outlet.push_chunk(samples.tolist(), stamp)

    def close(self) -> None:
        """Take the stream from the network. Safe to call twice."""
        self._outlet = None
