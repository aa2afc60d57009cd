from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from app.errors import BackendUnavailableError, BusyError, NotReadyError
from app.inference.backend import Backend, Batch, Inference
from app.inference.latency import WARM_UP, Latency
from app.serving.engine.backends import BackendOpener
from app.serving.engine.benchmark import SLICE_S, Benchmark
from app.serving.engine.engine import Engine
from app.serving.engine.model_input import ModelInput
from tests.fakes import FakeBackend, FakeClock

MODEL = ModelInput(length=5, channels=2, mean=np.zeros(2, np.float32), std=np.ones(2, np.float32))
CALL_S = 0.0004
PATIENT_S = 20.0


class TimedBackend(FakeBackend):
    """Takes CALL_S of the fake clock for each call."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        self._clock.advance(CALL_S)
        return super().infer(batch, steps)


class SlicedEngine(Engine):
    """Notes how long each job keeps the engine thread, in s of the fake clock."""

    slices: list[float]

    def run(self, job: Callable[..., None]) -> None:
        began = self.clock()
        super().run(job)
        self.slices.append(self.clock() - began)


def _absent() -> Backend:
    raise BackendUnavailableError("b", "no device", "Buy one")


@contextmanager
def bench() -> Iterator[tuple[Benchmark, TimedBackend, SlicedEngine]]:
    """A benchmark of the backends a, which works, and b, which does not open."""
    clock = FakeClock()
    backend = TimedBackend(clock)
    engine = SlicedEngine(
        MODEL, {"a": BackendOpener(lambda: backend), "b": BackendOpener(_absent)}, clock=clock
    )
    engine.slices = []
    engine.open()
    backend.batches.clear()
    try:
        yield Benchmark(engine, clock), backend, engine
    finally:
        engine.close()


@pytest.mark.parametrize("iterations", [1, 7, 100])
def test_as_many_calls_are_timed_as_asked_for_after_the_warm_up(iterations: int) -> None:
    with bench() as (benchmark, backend, _):
        found = benchmark.run(("a",), iterations)["a"]
    assert backend.batches == [1] * (WARM_UP + iterations)
    assert found is not None
    assert found.mean_latency_ms == pytest.approx(CALL_S * 1e3)
    assert found.median_latency_ms == pytest.approx(CALL_S * 1e3)
    assert found.p99_latency_ms == pytest.approx(CALL_S * 1e3)
    assert found.throughput_qps == pytest.approx(1 / CALL_S)


def test_no_slice_keeps_a_stream_waiting_for_long() -> None:
    with bench() as (benchmark, _, engine):
        benchmark.run(("a",), 100)
    assert len(engine.slices) > 10
    assert max(engine.slices) <= SLICE_S + CALL_S + 1e-9


def test_it_runs_on_the_engine_thread() -> None:
    with bench() as (benchmark, backend, _):
        benchmark.run(("a",), 10)
        assert len(backend.threads) == 1
        assert threading.get_ident() not in backend.threads


def test_a_backend_that_is_not_available_has_no_figures() -> None:
    with bench() as (benchmark, _, _):
        found = benchmark.run(("b", "a", "tensorrt"), 5)
    assert list(found) == ["b", "a", "tensorrt"]
    assert found["b"] is found["tensorrt"] is None
    assert isinstance(found["a"], Latency)


def test_the_latest_figures_are_kept() -> None:
    with bench() as (benchmark, _, _):
        assert benchmark.latest == {}
        found = benchmark.run(("a", "b"), 5)
        assert benchmark.latest == found


def test_a_second_benchmark_is_refused_while_one_runs_and_welcome_after_it() -> None:
    running, go_on = threading.Event(), threading.Event()

    def held() -> bool:
        running.set()
        return go_on.wait(PATIENT_S)

    with bench() as (benchmark, _, _):
        first = threading.Thread(target=benchmark.run, args=(("a",), 5, held))
        first.start()
        assert running.wait(PATIENT_S)
        with pytest.raises(BusyError, match="running already"):
            benchmark.run(("a",), 5)
        go_on.set()
        first.join(PATIENT_S)
        assert benchmark.run(("a",), 5)["a"] is not None


def test_a_caller_who_leaves_ends_it_between_two_slices_and_the_next_may_begin() -> None:
    looks = iter([True, True, False])
    with bench() as (benchmark, backend, engine):
        with pytest.raises(NotReadyError, match="left"):
            benchmark.run(("a",), 1000, lambda: next(looks))
        assert len(engine.slices) == 2
        assert len(backend.batches) < 1000
        assert benchmark.latest == {}
        assert benchmark.run(("a",), 5)["a"] is not None


def test_an_engine_that_closes_ends_it() -> None:
    with bench() as (benchmark, _, engine):

        def close_it() -> bool:
            engine.close()
            return True

        with pytest.raises(NotReadyError, match="closed"):
            benchmark.run(("a",), 1000, close_it)
