"""What the streams have done and how long each stage took, since the start."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

import numpy as np

KEPT = 4096  # latest values of each stage that the percentiles are computed from


@dataclass(slots=True)
class StreamStats:
    """Counters and recent latencies; written by the groups and streams, read by `/infer/stream/stats`."""

    active_streams: int = 0
    frames_sent: int = 0
    frames_dropped: int = 0
    _stages: dict[str, deque[float]] = field(
        default_factory=lambda: {stage: deque(maxlen=KEPT) for stage in ("wait", "infer", "encode", "age")}
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stream_opened(self) -> None:
        with self._lock:
            self.active_streams += 1

    def stream_closed(self) -> None:
        with self._lock:
            self.active_streams -= 1

    def sent(self, frames: int, dropped: int) -> None:
        with self._lock:
            self.frames_sent += frames
            self.frames_dropped += dropped

    def frame_made(self, *, wait_ms: float, infer_ms: float, age_ms: float) -> None:
        self._stages["wait"].append(wait_ms)
        self._stages["infer"].append(infer_ms)
        self._stages["age"].append(age_ms)

    def frame_encoded(self, encode_ms: float) -> None:
        self._stages["encode"].append(encode_ms)

    def mean_infer_ms(self) -> float | None:
        """Mean engine latency of the frames so far; None before the first."""
        values = self._stages["infer"]
        return float(np.mean(values)) if values else None

    def percentiles(self) -> dict[str, dict[str, float]]:
        """p50, p95 and p99 in ms of each stage that has run, over its latest values."""
        return {
            stage: dict(
                zip(("p50", "p95", "p99"), np.percentile(list(values), (50, 95, 99)).tolist(), strict=True)
            )
            for stage, values in self._stages.items()
            if values
        }
