"""What frames of all kinds tell beside a model's answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.emg.signal.signal_path import SignalPath
from app.serving.counters.stream_stats import StreamStats
from app.serving.streams.hop_signal import AuxReader


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameContext:
    """Where it comes from, for the frames of one group of readers. `aux` is None where nobody asked for it."""

    path: SignalPath
    problems: Callable[
        [], Mapping[str, Sequence[int]]
    ]  # of the channels, over the last second: QualityMonitor
    stats: StreamStats
    cpu_percent: Callable[[], float]
    aux: AuxReader | None = None
    clock: Callable[[], float] = time.perf_counter

    def age_ms(self, acquired_at: float | None) -> float:
        """Return how long ago that was; 0 where it is not known."""
        return 0.0 if acquired_at is None else (self.clock() - acquired_at) * 1e3

    def take_aux(self) -> dict[str, Any] | None:
        """Return the samples beside the EMG since the frame before."""
        return None if self.aux is None else self.aux.take()
