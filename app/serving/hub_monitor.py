"""Feels this worker's pulse: how late the hub wakes those who wait, what process and machine do, how its sources are.

A greenlet that computes for too long, or a native call that does not give the hub back, delays every stream. That
shows as lag here, whatever the cause.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable

from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.process.cpu import CpuLoad, usage
from app.serving.streams.pipeline import SourcePipeline

log = logging.getLogger(__name__)

BEAT_S = 0.05
LOOK_BEATS = 20  # beats between two looks at the process and its sources
SILENT = ("stalled", "disconnected")


class HubMonitor:
    """One thread (under gevent: a greenlet). `on_beat` is called at every beat; it must not wait."""

    def __init__(
        self,
        meters: SharedMetrics,
        pipelines: Callable[[], Iterable[SourcePipeline]],
        on_beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.cpu = CpuLoad()
        self._meters, self._pipelines, self._on_beat, self._clock = meters, pipelines, on_beat, clock
        self._stalls: dict[str, int] = {}
        self._silent: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        beats = 0
        while True:
            due = self._clock() + BEAT_S
            if self._stop.wait(BEAT_S):
                return
            self._meters.lag(max(self._clock() - due, 0.0))
            try:
                self.beat(look=beats % LOOK_BEATS == 0)
            except Exception:  # it must go on: readiness and metrics hang on it
                log.exception("a beat failed")
            beats += 1

    def beat(self, look: bool = True) -> None:
        """Count the stalls that have begun; `look` also at what takes longer."""
        self._on_beat()
        pipelines = list(self._pipelines())
        silent = {pipeline.name for pipeline in pipelines if pipeline.acquisition.state in SILENT}
        for name in silent - self._silent:
            self._stalls[name] = self._stalls.get(name, 0) + 1
        self._silent = silent
        if look:
            self._look(pipelines)

    def _look(self, pipelines: list[SourcePipeline]) -> None:
        self.cpu.sample()
        with contextlib.suppress(OSError):  # no descriptor is left: the figures stay as they were
            self._meters.alive(usage())
        for pipeline in pipelines:
            self._meters.source(pipeline.acquisition.look(), self._stalls.setdefault(pipeline.name, 0))
        for name in self._stalls.keys() - {pipeline.name for pipeline in pipelines}:
            self._meters.source_ended(name)
            del self._stalls[name]  # clients may think out any number of names
