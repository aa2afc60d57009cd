"""What a stream's events add up to."""

from __future__ import annotations

import statistics
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from .event_stream import Json
from .events import Interrupted

KEPT = 10_000  # frames that the medians are of: an endless stream must not fill the memory


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSummary:
    """A stream that is over, as this side saw it."""

    frames: int
    dropped: int
    interruptions: int
    seconds: float
    fps: float
    latency_ms: float | None  # medians; None without a frame, and the latency also without a model
    age_ms: float | None
    gestures: Mapping[str, int]  # decision -> frames; empty where no model of classes reads the source


class Tally:
    """Counts, one event after the other."""

    def __init__(self) -> None:
        self._latencies: deque[float] = deque(maxlen=KEPT)
        self._ages: deque[float] = deque(maxlen=KEPT)
        self._gestures: Counter[str] = Counter()
        self._frames = self._dropped = self._interruptions = 0

    def count(self, said: Json | Interrupted) -> None:
        if isinstance(said, Interrupted):
            self._interruptions += 1
        elif "prediction" in said or "truth" in said:
            self._frames += 1
            self._ages.append(said["age_ms"])
            self._dropped = said["dropped"]
            if "latency_ms" in said:
                self._latencies.append(said["latency_ms"])
            if "prediction" in said:
                self._gestures[said["decision_label"]] += 1

    def summary(self, seconds: float) -> StreamSummary:
        frames = self._frames
        return StreamSummary(
            frames=frames,
            dropped=self._dropped,
            interruptions=self._interruptions,
            seconds=seconds,
            fps=frames / seconds if seconds > 0 else 0.0,
            latency_ms=statistics.median(self._latencies) if self._latencies else None,
            age_ms=statistics.median(self._ages) if frames else None,
            gestures=dict(self._gestures.most_common()),
        )
