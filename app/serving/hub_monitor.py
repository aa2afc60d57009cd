"""Watches this worker: how late the hub wakes those who wait, what process and machine do, how its sources are.

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
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.process.cpu import CpuLoad, usage

log = logging.getLogger(__name__)

TICK_S = 0.05
LOOK_TICKS = 20  # ticks between two looks at the process and its sources
SILENT = ("stalled", "disconnected")


class HubMonitor:
    """One thread (under gevent: a greenlet). `on_tick` is called at every tick; it must not wait."""

    def __init__(
        self,
        metrics: SharedMetrics,
        pipelines: Callable[[], Iterable[SourcePipeline]],
        on_tick: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.cpu = CpuLoad()
        self._metrics, self._pipelines, self._on_tick, self._clock = metrics, pipelines, on_tick, clock
        self._stalls: dict[str, int] = {}
        self._silent: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hub monitor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def announce(self) -> None:
        """Have the other workers know that this one is there."""
        with contextlib.suppress(OSError):  # no descriptor is left: the figures stay as they were
            self._metrics.alive(usage())

    def close(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        ticks = 0
        while True:
            due = self._clock() + TICK_S
            if self._stop.wait(TICK_S):
                return
            self._metrics.lag(max(self._clock() - due, 0.0))
            try:
                self.tick(look=ticks % LOOK_TICKS == 0)
            except Exception:  # it must go on: readiness and metrics hang on it
                log.exception("a tick failed")
            ticks += 1

    def tick(self, look: bool = True) -> None:
        """Count the stalls that have begun; `look` also at what takes longer."""
        self._on_tick()
        pipelines = list(self._pipelines())
        silent = {pipeline.name for pipeline in pipelines if pipeline.acquisition.state in SILENT}
        for name in silent - self._silent:
            self._stalls[name] = self._stalls.get(name, 0) + 1
        self._silent = silent
        if look:
            self._look(pipelines)

    def _look(self, pipelines: list[SourcePipeline]) -> None:
        self.cpu.sample()
        self.announce()
        for pipeline in pipelines:
            self._metrics.source(pipeline.acquisition.look(), self._stalls.setdefault(pipeline.name, 0))
        for name in self._stalls.keys() - {pipeline.name for pipeline in pipelines}:
            self._metrics.source_ended(name)
            del self._stalls[name]  # clients may think out any number of names
