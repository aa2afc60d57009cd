"""What the streams have done and how long each stage took, since the start."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

import numpy as np

STAGES = ("wait", "infer", "encode", "age")
KEPT = 4096  # latest values of each stage that the percentiles are computed from


@dataclass(slots=True)
class StreamStats:
    """Counters and recent latencies; written by the groups and streams, read by `/infer/stream/stats`."""

    active_streams: int = 0
    frames_sent: int = 0
    frames_dropped: int = 0
    _stages: dict[str, deque[float]] = field(
        default_factory=lambda: {stage: deque(maxlen=KEPT) for stage in STAGES}
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stream_opened(self) -> None:
        with self._lock:
            self.active_streams += 1

    def stream_closed(self) -> None:
        with self._lock:
            self.active_streams -= 1

    def sent(self, dropped: int) -> None:
        """One frame more, `dropped` of the same stream passed over before it."""
        with self._lock:
            self.frames_sent += 1
            self.frames_dropped += dropped

    def frame_made(self, *, wait_ms: float, infer_ms: float, age_ms: float) -> None:
        self._stages["wait"].append(wait_ms)
        self._stages["infer"].append(infer_ms)
        self._stages["age"].append(age_ms)

    def frame_encoded(self, encode_ms: float) -> None:
        self._stages["encode"].append(encode_ms)

    def mean_infer_ms(self) -> float | None:
        """Mean engine latency of the latest frames; None before the first."""
        values = list(self._stages["infer"])
        return float(np.mean(values)) if values else None

    def percentiles(self) -> dict[str, dict[str, float]]:
        """p50, p95 and p99 in ms of each stage that has run, over its latest values."""
        found = {}
        for stage, values in self._stages.items():
            if kept := list(values):
                p50, p95, p99 = np.percentile(kept, (50, 95, 99)).tolist()
                found[stage] = {"p50": p50, "p95": p95, "p99": p99}
        return found
