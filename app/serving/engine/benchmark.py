"""How fast each backend answers, measured on the engine thread in slices that let live streams through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from app.errors import BackendUnavailableError, BusyError, NotReadyError
from app.inference.backend import Backend
from app.inference.latency import WARM_UP, Latency, summary
from app.serving.counters.worker_group import WorkerGroup
from app.serving.engine.engine import Engine

BUSY = "a benchmark is running already; try again when it is done"
SLICE_S = 0.002  # the longest that a stream's window waits behind the benchmark


class Benchmark:
    """Runs once at a time, in all workers together."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], float] = time.perf_counter,
        worker_group: WorkerGroup | None = None,
    ) -> None:
        self._engine, self._clock, self._worker_group = engine, clock, worker_group or WorkerGroup.alone()
        self._running = threading.Lock()
        self.latest: Mapping[str, Latency | None] = {}

    def run(
        self, backends: tuple[str, ...], iterations: int, wanted: Callable[[], bool] = lambda: True
    ) -> dict[str, Latency | None]:
        """Return the latency of each of `backends`; None for one that is not available.

        `wanted` is asked between slices: a caller who has left ends the benchmark.

        Raises:
            BusyError: another benchmark runs.
            NotReadyError: the caller left, or the engine closed.
        """
        with self._alone():
            found = {name: self._measure(name, iterations, wanted) for name in backends}
        self.latest = found
        return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._running.acquire(blocking=False):
            raise BusyError(BUSY)
        try:
            lock = self._worker_group.try_lock("benchmark")
            if lock is None:
                raise BusyError(BUSY)
            with lock:
                yield
        finally:
            self._running.release()

    def _run(self, name: str, some: Callable[[Mapping[str, Backend]], None]) -> None:
        """Run a slice: on the engine's thread, but for what only waits for an answer from elsewhere."""
        if name in self._engine.backends.elsewhere:
            some(self._engine.backends.opened)
        else:
            self._engine.run(some)

    def _measure(self, name: str, iterations: int, wanted: Callable[[], bool]) -> Latency | None:
        try:
            self._engine.backends.named(name)
        except BackendUnavailableError:
            return None
        model = self._engine.model
        window = np.random.default_rng(0).normal(model.mean, model.std, (1, model.reads, model.channels))
        emg = window.astype(np.float32)
        times: list[float] = []

        def some(backends: Mapping[str, Backend]) -> None:
            ends = self._clock() + SLICE_S
            while len(times) < WARM_UP + iterations:
                began = self._clock()
                try:
                    self._engine.answer(backends[name], emg)
                except BackendUnavailableError as error:
                    if not getattr(error, "late", False):
                        raise  # an answer that did not come in time was waited for: that counts
                now = self._clock()
                times.append(now - began)
                if now > ends:
                    return

        while len(times) < WARM_UP + iterations:
            if not wanted():
                raise NotReadyError("the caller has left")
            self._run(name, some)
        return summary(np.array(times[WARM_UP:]) * 1e3, windows=1)
