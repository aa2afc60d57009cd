"""What the streams have done and how long each stage took, since the start."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from app.serving.histogram import Histogram

STAGES = ("wait", "infer", "encode", "age")
PERCENTS = (50, 95, 99)


@dataclass(slots=True)
class StreamStats:
    """Counters and latencies; written by the groups and streams, read by `/infer/stream/stats`."""

    active_streams: int = 0
    frames_sent: int = 0
    frames_dropped: int = 0
    _stages: dict[str, Histogram] = field(default_factory=lambda: {stage: Histogram() for stage in STAGES})
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
        self._stages["wait"].add(wait_ms)
        self._stages["infer"].add(infer_ms)
        self._stages["age"].add(age_ms)

    def frame_encoded(self, encode_ms: float) -> None:
        self._stages["encode"].add(encode_ms)

    def mean_infer_ms(self) -> float | None:
        """Mean engine latency of all frames; None before the first."""
        return self._stages["infer"].mean

    def percentiles(self) -> dict[str, dict[str, float]]:
        """p50, p95 and p99 in ms of each stage that has run."""
        found = {}
        for stage, times in self._stages.items():
            values = {f"p{percent}": times.percentile(percent) for percent in PERCENTS}
            if times.count:
                found[stage] = {name: value for name, value in values.items() if value is not None}
        return found
