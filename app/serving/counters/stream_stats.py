"""What the streams of all workers have done and how long each stage took, since the start."""

from __future__ import annotations

import threading

import numpy as np

from app.serving.counters.histograms import LogHistogram
from app.serving.counters.slot import ACTIVE, DROPPED, SENT, STAGES, Slot
from app.serving.counters.stream_quota import SharedQuota, StreamQuota
from app.serving.counters.worker_group import WorkerGroup

PERCENTS = (50, 95, 99)


class StreamStats:
    """Counters and latencies; a worker writes its own slot of the shared memory, and reads the sum of all."""

    def __init__(
        self, worker_group: WorkerGroup | None = None, everywhere: SharedQuota | None = None
    ) -> None:
        """`everywhere` counts what a key or address has open at other machines as well."""
        worker_group = worker_group or WorkerGroup.alone()
        self._slots = worker_group.slots
        self._counts = [slot.doubles("streams") for slot in self._slots]
        self._own = self._counts[worker_group.slot]
        self._stages = {stage: LogHistogram(_part(worker_group.own, stage)) for stage in STAGES}
        self._lock = threading.Lock()
        self.callers, self._everywhere = StreamQuota(worker_group), everywhere

    @property
    def active_streams(self) -> int:
        return self._sum(ACTIVE)

    @property
    def frames_sent(self) -> int:
        return self._sum(SENT)

    @property
    def frames_dropped(self) -> int:
        return self._sum(DROPPED)

    def stream_opened(self, caller: str = "", most: int | None = None) -> bool:
        """Count a stream of one key or address; False, and nothing counted, when it has `most` already."""
        with self._lock:
            if most is not None and not self.callers.opened(caller, most):
                return False
            self._own[ACTIVE] += 1
        if most is None or self._everywhere is None or self._everywhere.opened(caller, most):
            return True
        self._closed(caller)
        return False

    def stream_closed(self, caller: str = "") -> None:
        self._closed(caller)
        if self._everywhere is not None:
            self._everywhere.closed(caller)

    def close(self) -> None:
        """Let other machines know that nothing is open here. Safe to call twice."""
        if self._everywhere is not None:
            self._everywhere.close()

    def _closed(self, caller: str) -> None:
        with self._lock:
            self._own[ACTIVE] -= 1
            self.callers.closed(caller)

    def sent(self, dropped: int) -> None:
        """One frame more, `dropped` of the same stream passed over before it. Needs no lock: see histograms.py."""
        self._own[SENT] += 1
        if dropped:
            self._own[DROPPED] += dropped

    def frame_made(
        self, *, age_ms: float, wait_ms: float | None = None, infer_ms: float | None = None
    ) -> None:
        """Count one frame; without a model nothing was waited for and nothing inferred."""
        for stage, value in (("wait", wait_ms), ("infer", infer_ms), ("age", age_ms)):
            if value is not None:
                self._stages[stage].add(value)

    def frame_encoded(self, encode_ms: float) -> None:
        self._stages["encode"].add(encode_ms)

    def distribution(self, stage: str) -> LogHistogram:
        """How long that stage took, in all workers together."""
        return self._summed(stage)

    def mean_infer_ms(self) -> float | None:
        """Mean engine latency of all frames; None before the first."""
        return self._summed("infer").mean

    def percentiles(self) -> dict[str, dict[str, float]]:
        """p50, p95 and p99 in ms of each stage that has run."""
        found = {}
        for stage in STAGES:
            times = self._summed(stage)
            values = {f"p{percent}": times.percentile(percent) for percent in PERCENTS}
            if times.count:
                found[stage] = {name: value for name, value in values.items() if value is not None}
        return found

    def _sum(self, counter: int) -> int:
        return int(sum(counts[counter] for counts in self._counts))

    def _summed(self, stage: str) -> LogHistogram:
        return LogHistogram(
            memoryview(np.sum([np.asarray(_part(slot, stage)) for slot in self._slots], axis=0))
        )


def _part(slot: Slot, stage: str) -> memoryview[float]:
    first = STAGES.index(stage) * LogHistogram.SIZE
    return slot.doubles("stages")[first : first + LogHistogram.SIZE]
