"""The engine: the one thread that drives this worker's backends, and the queue in front of it.

A caller queues its request and then queues a `_drain` job on the engine thread. Whichever job comes first runs all
that waits, together where it can: requests batch naturally, with no added delay and no batching thread. The jobs of
those served early find the queue empty and end at once. A call that is shorter than that way, and that a backend
allows on any thread, is run in place.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from app.errors import BackendUnavailableError, NotReadyError, OverloadedError, WindowError
from app.inference.backend import Backend, Batch, Inference
from app.inference.history import with_history
from app.inference.prediction import Prediction, normalise
from app.inference.values import Values
from app.serving.engine.answer import Answer
from app.serving.engine.backends import BackendOpener, Backends
from app.serving.engine.elsewhere import Elsewhere, FleetMeter, after, first
from app.serving.engine.meters import Meter, ModelMeter
from app.serving.engine.model_input import ModelInput
from app.serving.process.native_thread import NativeThread, native_thread

if TYPE_CHECKING:
    from app.inference.remote.backend import RemoteAnswer

# A call this short is run where it is asked for, by a backend that allows it: the way to the engine thread and back
# takes 0.05 ms and more, and a hub that is held up for 0.5 ms keeps every stream on time (docs/decisions/0006).
INLINE_S = 0.0005
TIMED = 9  # calls that decide it
TOGETHER = 16  # windows in one call in place at most; more make each hardly cheaper


@dataclass(slots=True)
class _Request:
    windows: Batch
    preprocess: bool
    backend: str
    steps: int | None
    asked_at: float
    wanted: Callable[[], bool]
    answer: Answer | None = None
    error: Exception | None = None
    abandoned: bool = False

    def goes_with(self, other: _Request) -> bool:
        return (self.backend, self.preprocess, self.steps) == (other.backend, other.preprocess, other.steps)


def _always() -> bool:
    return True


def _still_wanted(request: _Request) -> bool:
    if request.abandoned:
        return False
    if not request.wanted():
        request.error = NotReadyError("the caller has left")
        return False
    return True


@dataclass(slots=True)
class Engine:
    """Answers requests with the backends, on its thread or, where a call is short, in place."""

    model: ModelInput
    openers: Mapping[str, BackendOpener]  # best first
    max_batch: int = 8  # batching buys nothing on a CPU; a small cap bounds the wait of the last in a batch
    max_queue: int = 64
    clock: Callable[[], float] = time.perf_counter
    thread: NativeThread = field(default_factory=native_thread)
    meter: Meter | None = None
    of_model: ModelMeter | None = None
    fleet: FleetMeter | None = None
    backends: Backends = field(init=False)
    _queue: deque[_Request] = field(default_factory=deque)
    _inline_s: dict[str, float] = field(default_factory=dict)  # time of one window, where it is run in place
    _together_s: dict[str, float] = field(default_factory=dict)  # the same of each of TOGETHER in one call
    calls: dict[int, tuple[str, float]] = field(default_factory=dict)  # under way, by thread: see Watchdog
    beside: bool = False  # another engine, whose thread it shares, which it opens and closes beside

    def __post_init__(self) -> None:
        self.backends = Backends(self.openers, self.thread, self._try_out)

    def sibling(self, model: ModelInput, openers: Mapping[str, BackendOpener]) -> Engine:
        """Return an engine for another model on the same thread, watched and metered as this one; not yet open."""
        engine = Engine(
            model, openers, self.max_batch, self.max_queue, self.clock, self.thread, self.meter, beside=True
        )
        engine.fleet = self.fleet
        engine.calls, engine.backends.opening = self.calls, self.backends.opening
        engine.backends.told = self.backends.told
        return engine

    def open(self) -> None:
        """Open and warm the backends.

        Raises:
            BackendUnavailableError: none of them opened.
        """
        self.backends.open(self.beside)

    def close(self) -> None:
        """Close the backends on their own thread, then end it where it is this engine's. Safe to call twice."""
        if self.backends.close() and not self.beside:
            self.thread.close()

    def _try_out(self, name: str, backend: Backend) -> None:
        """Run a real inference, and time it where that decides where it is run. What is elsewhere tries itself."""
        if isinstance(backend, Elsewhere):
            return
        backend.infer(np.zeros((1, self.model.reads, self.model.channels), np.float32))
        if backend.reentrant:
            self._inline_s[name] = self._time(backend)
            if self._inline_s[name] <= INLINE_S:
                self._together_s[name] = self._time(backend, TOGETHER) / TOGETHER

    def _time(self, backend: Backend, windows: int = 1) -> float:
        """Median time of a call, in s."""
        window = np.zeros((windows, self.model.reads, self.model.channels), np.float32)
        times = []
        for _ in range(TIMED):
            began = self.clock()
            self.answer(backend, window)
            times.append(self.clock() - began)
        return float(np.median(times))

    def infer(
        self,
        windows: Batch,
        *,
        preprocess: bool = True,
        backend: str | None = None,
        steps: int | None = None,
        wanted: Callable[[], bool] = _always,
        timeout_s: float = 2.0,
    ) -> Answer:
        """Run windows (batch, length, channels) and wait for the answer.

        They may bring context in front, all the same number of samples; what the model reads beyond is their mirror.
        `backend` may be several, with commas between: of them the first that can answer does. Without one it is the
        best, and where that is elsewhere those behind it.
        `wanted` is asked just before: a request whose caller has left is not run.

        Raises:
            WindowError: not float32 windows of the model's shape.
            BackendUnavailableError: that backend is not open.
            OverloadedError: the queue is full, or no answer came within `timeout_s`.
            NotReadyError: the engine is closed, or the caller has left.
        """
        asked_at = self.clock()
        if self.backends.elsewhere:
            found, backend = self._elsewhere(windows, preprocess, backend, steps)
            if found is not None:
                return found
        self._check(windows)
        windows = with_history(windows, self.model.reads)
        request = _Request(windows, preprocess, self.backends.named(backend), steps, asked_at, wanted)
        if self._inline_s.get(request.backend, np.inf) * len(windows) <= INLINE_S:
            self._serve([request])
            return self._answer(request)
        if len(self._queue) >= self.max_queue:
            raise OverloadedError(f"{self.max_queue} requests wait for the engine already")
        self._queue.append(request)
        if not self.thread.run(self._drain, timeout_s):
            request.abandoned = True
            raise OverloadedError(f"the engine gave no answer within {timeout_s:g} s")
        return self._answer(request)

    def _elsewhere(
        self, windows: Batch, preprocess: bool, backend: str | None, steps: int | None
    ) -> tuple[Answer | None, str | None]:
        """Return the answer of a backend elsewhere, asked in the caller's thread; None, and who is to answer instead.

        Raises:
            BackendUnavailableError: that backend and no other was wanted, and cannot answer.
            WindowError: as `infer`.
        """
        wanted = backend or (self.backends.default if self.backends.ready else "")
        name, others = first(wanted), after(wanted)
        remote = self.backends.elsewhere.get(name)
        if remote is None:
            return None, backend
        ready = self.ready(windows, preprocess)
        try:
            if remote.trouble is not None:
                raise BackendUnavailableError(name, remote.trouble, remote.cure)
            found = self._asked(remote, ready, steps)
        except BackendUnavailableError:
            if not others:
                raise
            if self.fleet is not None:
                self.fleet.passed_on()
            return None, others
        if found.windows:
            if self.meter is not None:
                self.meter.served(name, found.windows, found.latency_s, [found.wait_s])
            if self.of_model is not None:
                self.of_model.served(found.windows, found.latency_s)
        inference = found.inference
        return Answer(
            told=self.model.told(inference.logits),
            logits=inference.logits,
            spikes=inference.spikes,
            backend=name,
            latency_ms=found.latency_s * 1e3,
            wait_ms=found.wait_s * 1e3,
        ), None

    def _asked(self, remote: Elsewhere, windows: Batch, steps: int | None) -> RemoteAnswer:
        try:
            return remote.ask(windows, steps)
        except BackendUnavailableError as error:
            if self.meter is not None:
                self.meter.failed(remote.name)
            if self.fleet is not None and getattr(error, "late", False):
                self.fleet.late()
            raise

    def inline_s(self, backend: str) -> float:
        """Return the time of one window where it is run in place; infinite where it is not."""
        return self._inline_s.get(backend, np.inf)

    def in_place(self, backend: str) -> bool:
        """Return whether one window is answered where it is asked for, before anybody else can ask."""
        return self.inline_s(self.backends.standing(backend)) <= INLINE_S

    def most_together(self, backend: str) -> int:
        """Return how many windows one call in place may have, so that nobody else waits for long."""
        each_s = self._together_s.get(backend, self.inline_s(backend))
        return min(max(1, int(INLINE_S / each_s)), TOGETHER)

    def ready(self, windows: Batch, preprocess: bool) -> Batch:
        """Return windows as the backends take them: with all that the model reads, and normalised.

        Raises:
            WindowError: not float32 windows of the model's shape.
        """
        self._check(windows)
        windows = with_history(windows, self.model.reads)
        normalises = preprocess and self.model.normalises
        return normalise(windows, self.model.mean, self.model.std) if normalises else windows

    def _answer(self, request: _Request) -> Answer:
        if request.error is not None:
            raise request.error
        assert request.answer is not None  # its own drain has run, or one before it
        return request.answer

    def run(self, job: Callable[[Mapping[str, Backend]], None]) -> None:
        """Run `job` with the open backends on the engine thread, between two batches. Keep it short."""
        if not self.backends.ready:
            raise NotReadyError("the engine is closed")
        errors: list[Exception] = []

        def guarded() -> None:
            try:
                job(self.backends.opened)
            except Exception as error:  # carried to the caller's thread
                errors.append(error)

        self.thread.run(guarded)
        if errors:
            raise errors[0]

    def _check(self, windows: Batch) -> None:
        model = self.model
        fits = windows.ndim == 3 and model.length <= windows.shape[1] <= model.reads
        if not fits or windows.shape[2] != model.channels or windows.dtype != np.float32:
            samples = f"{model.length} to {model.reads}" if model.context else str(model.length)
            raise WindowError(
                f"the model takes float32 windows of {samples} samples x {model.channels} channels, "
                f"got {windows.dtype} {'x'.join(map(str, windows.shape[1:]))}"
            )

    def _drain(self) -> None:
        """Serve all that waits, requests alike in one call; on the engine thread."""
        while self._queue:
            batch = [self._queue.popleft()]
            size = len(batch[0].windows)
            while self._queue and batch[0].goes_with(self._queue[0]):
                size += len(self._queue[0].windows)
                if size > self.max_batch:
                    break
                batch.append(self._queue.popleft())
            if left := [request for request in batch if _still_wanted(request)]:
                self._serve(left)

    def _serve(self, requests: list[_Request]) -> None:
        began = self.clock()
        first = requests[0]
        try:
            windows = (
                first.windows if len(requests) == 1 else np.concatenate([r.windows for r in requests])
            )  # (sum of batches, length, channels)
            inference, told = self.answer(
                self.backends.opened[first.backend], windows, first.preprocess, first.steps
            )
        except Exception as error:  # one bad batch answers its callers; the engine goes on
            for request in requests:
                request.error = error
            if self.meter is not None:
                self.meter.failed(first.backend)
            if self.of_model is not None:
                self.of_model.failed()
            return
        latency_ms = (self.clock() - began) * 1e3
        if self.meter is not None:
            waits_s = [began - request.asked_at for request in requests]
            self.meter.served(first.backend, len(windows), latency_ms / 1e3, waits_s)
        if self.of_model is not None:
            self.of_model.served(len(windows), latency_ms / 1e3)
        start = 0
        for request in requests:
            rows = slice(start, start + len(request.windows))
            alone = len(requests) == 1
            request.answer = Answer(
                told=told if alone else told[rows],
                logits=inference.logits if alone else inference.logits[rows],
                spikes=inference.spikes if alone else inference.spikes[rows],
                backend=first.backend,
                latency_ms=latency_ms,
                wait_ms=(began - request.asked_at) * 1e3,
            )
            start = rows.stop

    def answer(
        self, backend: Backend, windows: Batch, preprocess: bool = True, steps: int | None = None
    ) -> tuple[Inference, Prediction | Values]:
        """Return what every request costs, and so what the benchmark times. For the engine thread."""
        if preprocess and self.model.normalises:
            windows = normalise(windows, self.model.mean, self.model.std)
        thread = threading.get_ident()
        self.calls[thread] = (backend.name, self.clock())
        try:
            inference = backend.infer(windows, steps)
        finally:
            del self.calls[thread]
        return inference, self.model.told(inference.logits)
