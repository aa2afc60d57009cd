"""The engine: this worker's backends, the one thread that drives them, and the queue in front of it.

A caller queues its request and then queues a `_drain` job on the engine thread. Whichever job comes first runs all
that waits, together where it can: requests batch naturally, with no added delay and no batching thread. The jobs of
those served early find the queue empty and end at once. A call that is shorter than that way, and that a backend
allows on any thread, is run in place.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.errors import BackendUnavailableError, MyostreamError, NotReadyError, OverloadedError, WindowError
from app.inference.backend import Backend, Batch, Inference, Logits
from app.inference.prediction import Prediction, normalise, predict
from app.serving.engine_thread import EngineThread, engine_thread

log = logging.getLogger(__name__)

# A call this short is run where it is asked for, by a backend that allows it: the way to the engine thread and back
# takes 0.05 ms and more, and a hub that is held up for 0.5 ms keeps every stream on time (docs/decisions/0006).
INLINE_S = 0.0005
TIMED = 9  # calls that decide it


@dataclass(frozen=True, slots=True)
class Opener:
    """How to open one backend. A lazy one is opened when it is first asked for."""

    open: Callable[[], Backend]
    lazy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInput:
    """What the engine must know of the model: the window's shape and the statistics that normalise it."""

    length: int  # samples
    channels: int
    mean: npt.NDArray[np.float32]  # (channels,)
    std: npt.NDArray[np.float32]  # (channels,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one request. Arrays are over its windows."""

    prediction: Prediction
    logits: Logits
    spikes: npt.NDArray[np.float32]
    backend: str
    latency_ms: float  # normalise, infer and softmax, timed on the engine thread; no wait in it
    wait_ms: float  # from the request until the engine thread took it


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


@dataclass(frozen=True, slots=True)
class BackendState:
    """Whether a backend can be used, and if not, why and what would help."""

    available: bool
    reason: str | None = None
    cure: str | None = None


class Meter(Protocol):
    """Who wants to know of each call of a backend. Called on the thread that ran it."""

    def served(self, backend: str, windows: int, latency_s: float, waits_s: Sequence[float]) -> None:
        """One call, of so many windows, for requests that had waited so long."""

    def failed(self, backend: str) -> None:
        """The call raised."""


@dataclass(slots=True)
class Engine:
    """Opens backends on its thread, warms them with a real inference, answers requests, closes them there."""

    model: ModelInput
    openers: Mapping[str, Opener]  # best first
    max_batch: int = 8  # batching buys nothing on a CPU; a small cap bounds the wait of the last in a batch
    max_queue: int = 64
    clock: Callable[[], float] = time.perf_counter
    thread: EngineThread = field(default_factory=engine_thread)
    meter: Meter | None = None
    states: dict[str, BackendState] = field(default_factory=dict)
    _backends: dict[str, Backend] = field(default_factory=dict)
    _queue: deque[_Request] = field(default_factory=deque)
    _inline_s: dict[str, float] = field(default_factory=dict)  # time of one window, where it is run in place
    _closed: bool = False
    calls: dict[int, tuple[str, float]] = field(default_factory=dict)  # under way, by thread: see Watchdog

    def open(self) -> None:
        """Open and warm the backends. One that fails is noted in `states` with its reason.

        Lazy ones wait until they are asked for, unless nothing else opens.

        Raises:
            BackendUnavailableError: none of them opened.
        """
        for name, opener in self.openers.items():
            if opener.lazy:
                self.states[name] = BackendState(available=True, reason="opens when first asked for")
            else:
                self._open(name)
        if not self._backends:
            for name in [name for name, opener in self.openers.items() if opener.lazy]:
                self._open(name)
        if not self._backends:
            reasons = "; ".join(f"{name}: {state.reason}" for name, state in self.states.items())
            raise BackendUnavailableError("no backend", reasons, "Choose another with EMG_BACKENDS")

    def _open(self, name: str) -> None:
        self.thread.run(lambda: self._open_here(name))

    def _open_here(self, name: str) -> None:
        """Runs on the engine thread."""
        if name in self._backends:  # two callers may have asked for a lazy one
            return
        try:
            backend = self.openers[name].open()
            backend.infer(np.zeros((1, self.model.length, self.model.channels), np.float32))
        except BackendUnavailableError as error:
            self.states[name] = BackendState(available=False, reason=error.reason, cure=error.cure)
            log.warning("%s", error)
        except MyostreamError as error:
            self.states[name] = BackendState(available=False, reason=str(error))
            log.warning("%s: %s", name, error)
        except Exception as error:  # a vendor's library may raise anything; the other backends still serve
            self.states[name] = BackendState(available=False, reason=f"{type(error).__name__}: {error}")
            log.exception("%s did not open", name)
        else:
            self._backends[name] = backend
            self.states[name] = BackendState(available=True)
            if backend.reentrant:
                self._inline_s[name] = self._time(backend)

    def _time(self, backend: Backend) -> float:
        """Median time of one window, in s."""
        window = np.zeros((1, self.model.length, self.model.channels), np.float32)
        times = []
        for _ in range(TIMED):
            began = self.clock()
            self.answer(backend, window)
            times.append(self.clock() - began)
        return float(np.median(times))

    @property
    def ready(self) -> bool:
        return bool(self._backends) and not self._closed

    @property
    def best(self) -> str:
        """The first backend, in the operator's order, that is open."""
        return next(name for name in self.openers if name in self._backends)

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

        `wanted` is asked just before: a request whose caller has left is not run.

        Raises:
            WindowError: not float32 windows of the model's shape.
            BackendUnavailableError: that backend is not open.
            OverloadedError: the queue is full, or no answer came within `timeout_s`.
            NotReadyError: the engine is closed, or the caller has left.
        """
        self._check(windows)
        request = _Request(windows, preprocess, self.named(backend), steps, self.clock(), wanted)
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

    def _answer(self, request: _Request) -> Answer:
        if request.error is not None:
            raise request.error
        assert request.answer is not None  # its own drain has run, or one before it
        return request.answer

    def run(self, job: Callable[[Mapping[str, Backend]], None]) -> None:
        """Run `job` with the open backends on the engine thread, between two batches. Keep it short."""
        if not self.ready:
            raise NotReadyError("the engine is closed")
        errors: list[Exception] = []

        def guarded() -> None:
            try:
                job(self._backends)
            except Exception as error:  # carried to the caller's thread
                errors.append(error)

        self.thread.run(guarded)
        if errors:
            raise errors[0]

    def close(self) -> None:
        """Close the backends on their own thread, then end it. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self.thread.run(self._close)
        self.thread.close()

    def _close(self) -> None:
        for backend in self._backends.values():
            backend.close()
        self._backends.clear()

    def named(self, backend: str | None = None) -> str:
        """The backend of that name, opened if need be; without a name the best.

        Raises:
            BackendUnavailableError: it cannot be used, with the reason and the cure.
            NotReadyError: the engine is closed.
        """
        if not self.ready:
            raise NotReadyError("the engine is closed")
        name = backend or self.best
        if name not in self._backends and name in self.openers and self.states[name].available:
            self._open(name)  # a lazy one; one that has failed once is not tried at every request
        if name not in self._backends:
            state = self.states.get(name) or BackendState(
                available=False,
                reason="it is not among this server's EMG_BACKENDS",
                cure=f"Choose one of {', '.join(self._backends)}",
            )
            raise BackendUnavailableError(name, state.reason or "", state.cure or "See the log")
        return name

    def _check(self, windows: Batch) -> None:
        wanted = (self.model.length, self.model.channels)
        if windows.ndim != 3 or windows.shape[1:] != wanted or windows.dtype != np.float32:
            raise WindowError(
                f"the model takes float32 windows of {wanted[0]} samples x {wanted[1]} channels, "
                f"got {windows.dtype} {'x'.join(map(str, windows.shape[1:]))}"
            )

    def _drain(self) -> None:
        """Runs on the engine thread: serve all that waits, requests alike in one call."""
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
            inference, prediction = self.answer(
                self._backends[first.backend], windows, first.preprocess, first.steps
            )
        except Exception as error:  # one bad batch answers its callers; the engine goes on
            for request in requests:
                request.error = error
            if self.meter is not None:
                self.meter.failed(first.backend)
            return
        latency_ms = (self.clock() - began) * 1e3
        if self.meter is not None:
            waits_s = [began - request.asked_at for request in requests]
            self.meter.served(first.backend, len(windows), latency_ms / 1e3, waits_s)
        start = 0
        for request in requests:
            rows = slice(start, start + len(request.windows))
            alone = len(requests) == 1
            request.answer = Answer(
                prediction=prediction if alone else prediction[rows],
                logits=inference.logits if alone else inference.logits[rows],
                spikes=inference.spikes if alone else inference.spikes[rows],
                backend=first.backend,
                latency_ms=latency_ms,
                wait_ms=(began - request.asked_at) * 1e3,
            )
            start = rows.stop

    def answer(
        self, backend: Backend, windows: Batch, preprocess: bool = True, steps: int | None = None
    ) -> tuple[Inference, Prediction]:
        """What every request costs, and so what the benchmark times. For the engine thread."""
        if preprocess:
            windows = normalise(windows, self.model.mean, self.model.std)
        thread = threading.get_ident()
        self.calls[thread] = (backend.name, self.clock())
        try:
            inference = backend.infer(windows, steps)
        finally:
            del self.calls[thread]
        return inference, predict(inference.logits)
