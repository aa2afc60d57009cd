from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.errors import BackendUnavailableError, NotReadyError, OverloadedError, WindowError
from app.inference.backend import Backend, Batch, Inference
from app.serving.engine.answer import Answer
from app.serving.engine.backends import BackendOpener
from app.serving.engine.engine import Engine
from app.serving.engine.model_input import ModelInput
from tests.fakes import FakeBackend, FakeClock
from tests.serving.station import until

LENGTH, CHANNELS = 5, 2
MODEL = ModelInput(
    length=LENGTH,
    channels=CHANNELS,
    mean=np.array([1.0, 2.0], np.float32),
    std=np.array([1.0, 2.0], np.float32),
)
PATIENT_S = 20.0  # for what another thread has to do on a busy machine


class GatedBackend(FakeBackend):
    """Once `gate` is closed, waits there with every batch until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.inside = threading.Event()  # a batch waits at the gate
        self.seen: list[Batch] = []

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        found = super().infer(batch, steps)
        self.seen.append(batch)
        if not self.gate.is_set():
            self.inside.set()
            assert self.gate.wait(PATIENT_S)
        return found


class TimedBackend(FakeBackend):
    """Takes `seconds` of the fake clock for each window, and may run on any thread."""

    def __init__(self, clock: FakeClock, seconds: float, reentrant: bool = True) -> None:
        super().__init__()
        self.reentrant = reentrant
        self._clock, self._seconds = clock, seconds

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        self._clock.advance(self._seconds * len(batch))
        return super().infer(batch, steps)


def windows(count: int = 1, value: float = 0.0) -> Batch:
    return np.full((count, LENGTH, CHANNELS), value, np.float32)


@contextmanager
def opened(*backends: Backend, **changes: Any) -> Iterator[Engine]:
    """An engine with these backends, called a, b, ... in the operator's order."""
    openers = {name: _opener(backend) for name, backend in zip("abc", backends, strict=False)}
    engine = Engine(MODEL, openers, **changes)
    engine.open()
    try:
        yield engine
    finally:
        engine.close()


def _opener(backend: Backend) -> BackendOpener:
    return BackendOpener(lambda: backend)


class Caller(threading.Thread):
    """Asks on a thread of its own, and keeps what came of it."""

    def __init__(self, engine: Engine, batch: Batch | None = None, **options: Any) -> None:
        super().__init__()
        self._ask: Callable[[], Answer] = lambda: engine.infer(
            windows() if batch is None else batch, **{"timeout_s": PATIENT_S, **options}
        )
        self.answer: Answer | None = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = self._ask()
        except Exception as error:
            self.error = error


@contextmanager
def held(engine: Engine, backend: GatedBackend) -> Iterator[None]:
    """The engine is busy with one window until the end; what was asked before is forgotten."""
    backend.gate.clear()
    first = Caller(engine)
    assert backend.inside.wait(PATIENT_S)
    backend.batches.clear()
    backend.seen.clear()
    try:
        yield
    finally:
        backend.gate.set()
        first.join(PATIENT_S)


def waiting(engine: Engine, count: int) -> None:
    until(lambda: len(engine._queue) == count, PATIENT_S)


# --- batches ----------------------------------------------------------------------------------------


def test_requests_that_wait_together_run_together_and_each_gets_its_own_rows() -> None:
    backend = GatedBackend()
    with opened(backend) as engine:
        with held(engine, backend):
            callers = [Caller(engine, windows(n, n)) for n in (1, 2, 3)]
            waiting(engine, 3)
        for caller in callers:
            caller.join(PATIENT_S)
    assert backend.batches == [6]
    answers = [caller.answer for caller in callers]
    assert [len(answer.logits) for answer in answers if answer] == [1, 2, 3]
    assert [len(answer.spikes) for answer in answers if answer] == [1, 2, 3]
    assert [len(answer.prediction.confidence) for answer in answers if answer] == [1, 2, 3]


def test_a_batch_is_capped() -> None:
    backend = GatedBackend()
    with opened(backend, max_batch=4) as engine:
        with held(engine, backend):
            callers = [Caller(engine, windows(2)) for _ in range(5)]
            waiting(engine, 5)
        for caller in callers:
            caller.join(PATIENT_S)
            assert caller.answer is not None
    assert backend.batches == [4, 4, 2]


def test_a_request_larger_than_the_cap_runs_alone() -> None:
    backend = GatedBackend()
    with opened(backend, max_batch=4) as engine:
        assert len(engine.infer(windows(9)).logits) == 9
    assert backend.batches[-1] == 9


@pytest.mark.parametrize(
    "options", [{"preprocess": False}, {"steps": 7}, {"backend": "b"}], ids=["preprocess", "steps", "backend"]
)
def test_requests_that_differ_do_not_share_a_batch(options: dict[str, Any]) -> None:
    first, second = GatedBackend(), GatedBackend()
    with opened(first, second) as engine:
        second.batches.clear()
        with held(engine, first):
            same = Caller(engine)
            waiting(engine, 1)
            other = Caller(engine, **options)
            waiting(engine, 2)
        same.join(PATIENT_S)
        other.join(PATIENT_S)
    assert first.batches + second.batches == [1, 1]


def test_windows_are_normalised_with_the_models_statistics_unless_they_are_already() -> None:
    backend = GatedBackend()
    with opened(backend) as engine:
        engine.infer(windows(value=5.0))
        np.testing.assert_allclose(backend.seen[-1][0, 0], [4.0, 1.5])
        engine.infer(windows(value=5.0), preprocess=False)
        np.testing.assert_array_equal(backend.seen[-1], windows(value=5.0))


def test_statistics_of_zero_and_one_cost_no_copy() -> None:
    backend = GatedBackend()
    mean, std = np.zeros(2, np.float32), np.ones(2, np.float32)
    engine = Engine(replace(MODEL, mean=mean, std=std), {"fake": BackendOpener(lambda: backend)})
    engine.open()
    emg = windows(value=5.0)
    engine.infer(emg)
    assert np.shares_memory(backend.seen[-1], emg)
    np.testing.assert_array_equal(backend.seen[-1], windows(value=5.0))
    engine.close()


# --- opening ----------------------------------------------------------------------------------------


def counted(backend: Backend, calls: list[str], name: str) -> Callable[[], Backend]:
    def open_it() -> Backend:
        calls.append(name)
        return backend

    return open_it


def failing(error: Exception) -> Callable[[], Backend]:
    def open_it() -> Backend:
        raise error

    return open_it


NO_LIBRARY = BackendUnavailableError("a", "its library is not installed", "pip install it")


def test_a_backend_is_warmed_by_a_real_inference_before_it_serves() -> None:
    backend = FakeBackend()
    with opened(backend):
        assert backend.batches == [1]


def test_a_lazy_backend_opens_when_it_is_first_asked_for() -> None:
    calls: list[str] = []
    openers = {
        "a": BackendOpener(counted(FakeBackend(), calls, "a")),
        "b": BackendOpener(counted(FakeBackend(), calls, "b"), lazy=True),
    }
    engine = Engine(MODEL, openers)
    engine.open()
    assert calls == ["a"]
    assert engine.backends.states["b"].available
    assert engine.infer(windows(), backend="b").backend == "b"
    engine.infer(windows(), backend="b")
    assert calls == ["a", "b"]
    engine.close()


def test_what_a_machine_lacks_is_logged_once_and_not_for_each_model(caplog: pytest.LogCaptureFixture) -> None:
    """Every model that somebody wanted wrote again that there is no GPU."""
    openers = {"a": BackendOpener(failing(NO_LIBRARY)), "b": _opener(FakeBackend())}
    first = Engine(MODEL, openers)
    first.open()
    other = BackendUnavailableError("a", "its plan is of another GPU", "build it again")
    for opener in (failing(NO_LIBRARY), failing(NO_LIBRARY), failing(other)):
        model = first.sibling(MODEL, {"a": BackendOpener(opener), "b": _opener(FakeBackend())})
        model.open()
        assert not model.backends.states["a"].available
        model.close()
    first.close()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert NO_LIBRARY.reason in said[0]
    assert other.reason in said[1]


def test_a_lazy_backend_opens_at_once_where_nothing_else_does() -> None:
    calls: list[str] = []
    openers = {
        "a": BackendOpener(failing(NO_LIBRARY)),
        "b": BackendOpener(counted(FakeBackend(), calls, "b"), lazy=True),
    }
    engine = Engine(MODEL, openers)
    engine.open()
    assert calls == ["b"]
    assert engine.backends.best == "b"
    engine.close()


class Late:
    """A lazy backend whose opening takes until it is let go, on whatever thread."""

    def __init__(self, anywhere: bool = True, error: Exception | None = None) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.threads: list[int] = []
        self._anywhere, self._error = anywhere, error

    def prepare(self) -> bool:
        self.threads.append(threading.get_ident())
        self.begun.set()
        assert self.go_on.wait(PATIENT_S)
        return self._anywhere

    def open(self) -> Backend:
        self.threads.append(threading.get_ident())
        if self._error is not None:
            raise self._error
        return FakeBackend()

    @property
    def opener(self) -> BackendOpener:
        return BackendOpener(self.open, lazy=True, prepare=self.prepare)


@contextmanager
def serving_beside(late: Late) -> Iterator[Engine]:
    """An engine that serves with a, and has b yet to open."""
    engine = Engine(MODEL, {"a": BackendOpener(GatedBackend), "b": late.opener})
    engine.open()
    try:
        yield engine
    finally:
        late.go_on.set()
        engine.close()


@pytest.mark.parametrize("anywhere", [True, False], ids=["any thread", "the engine's thread"])
def test_requests_are_answered_while_a_lazy_backend_opens(anywhere: bool) -> None:
    late = Late(anywhere)
    with serving_beside(late) as engine:
        asking = Caller(engine, backend="b")
        assert late.begun.wait(PATIENT_S)
        assert engine.infer(windows(), backend="a", timeout_s=PATIENT_S).backend == "a"
        late.go_on.set()
        asking.join(PATIENT_S)
        assert asking.answer is not None
        assert asking.answer.backend == "b"
        engines: list[int] = []
        engine.run(lambda _: engines.append(threading.get_ident()))
    prepared, opened_on = late.threads
    assert prepared != engines[0]
    assert (opened_on == prepared, opened_on == engines[0]) == (anywhere, not anywhere)


def test_callers_who_ask_together_open_it_once() -> None:
    late = Late()
    with serving_beside(late) as engine:
        callers = [Caller(engine, backend="b") for _ in range(3)]
        assert late.begun.wait(PATIENT_S)
        late.go_on.set()
        for caller in callers:
            caller.join(PATIENT_S)
            assert caller.answer is not None
    assert len(late.threads) == 2


def test_one_that_fails_beside_the_engine_says_why() -> None:
    late = Late(error=NO_LIBRARY)
    late.go_on.set()
    with serving_beside(late) as engine:
        with pytest.raises(BackendUnavailableError, match="its library is not installed"):
            engine.infer(windows(), backend="b")
        assert not engine.backends.states["b"].available
        assert engine.infer(windows()).backend == "a"


def test_one_that_never_opens_is_given_up_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.serving.engine.backends.OPEN_S", 0.05)
    late = Late()
    with serving_beside(late) as engine:
        for _ in range(2):
            with pytest.raises(BackendUnavailableError, match="not open after"):
                engine.infer(windows(), backend="b")
        assert engine.infer(windows()).backend == "a"
        assert len(late.threads) == 1


def test_one_that_opens_while_the_engine_closes_is_closed_too() -> None:
    late, backend = Late(), FakeBackend()
    late.open = lambda: backend  # type: ignore[method-assign]  # opens without waiting
    with serving_beside(late) as engine:
        asking = Caller(engine, backend="b")
        assert late.begun.wait(PATIENT_S)
        engine.close()
        late.go_on.set()
        asking.join(PATIENT_S)
    assert isinstance(asking.error, NotReadyError)
    assert len(backend.closed_on) == 1


@pytest.mark.parametrize(
    ("error", "reason", "cure"),
    [
        pytest.param(NO_LIBRARY, "its library is not installed", "pip install it", id="unavailable"),
        pytest.param(WindowError("it is damaged"), "it is damaged", None, id="refused by us"),
        pytest.param(OSError("no such device"), "OSError: no such device", None, id="the vendor's own"),
    ],
)
def test_a_backend_that_does_not_open_says_why_and_the_next_takes_over(
    error: Exception, reason: str, cure: str | None
) -> None:
    engine = Engine(MODEL, {"a": BackendOpener(failing(error)), "b": BackendOpener(FakeBackend)})
    engine.open()
    state = engine.backends.states["a"]
    assert (state.available, state.reason, state.cure) == (False, reason, cure)
    assert engine.backends.states["b"].available
    assert engine.infer(windows()).backend == "b"
    with pytest.raises(BackendUnavailableError, match=reason):
        engine.infer(windows(), backend="a")
    engine.close()


def test_a_backend_that_opens_but_cannot_infer_is_not_used() -> None:
    with opened(FakeBackend(fails=True), FakeBackend()) as engine:
        assert engine.backends.best == "b"
        assert engine.backends.states["a"].reason == "RuntimeError: the device was lost"


def test_no_backend_at_all_is_one_error_with_every_reason() -> None:
    openers = {
        "a": BackendOpener(failing(NO_LIBRARY)),
        "b": BackendOpener(failing(OSError("no device")), lazy=True),
    }
    engine = Engine(MODEL, openers)
    with pytest.raises(BackendUnavailableError) as caught:
        engine.open()
    assert "a: its library is not installed; b: OSError: no device" in str(caught.value)
    assert "EMG_BACKENDS" in caught.value.cure
    assert not engine.backends.ready
    engine.close()


def test_a_backend_nobody_chose_is_refused_with_those_there_are() -> None:
    with opened(FakeBackend()) as engine, pytest.raises(BackendUnavailableError, match="Choose one of a"):
        engine.infer(windows(), backend="tensorrt")


# --- trouble ----------------------------------------------------------------------------------------


def test_one_bad_batch_answers_its_callers_and_the_engine_goes_on() -> None:
    backend = GatedBackend()
    with opened(backend) as engine:
        backend.fails = True
        with pytest.raises(RuntimeError, match="the device was lost"):
            engine.infer(windows())
        backend.fails = False
        assert engine.infer(windows()).prediction.confidence[0] > 0


def test_all_callers_of_a_bad_batch_are_answered() -> None:
    backend = GatedBackend()
    with opened(backend) as engine:
        with held(engine, backend):
            callers = [Caller(engine) for _ in range(3)]
            waiting(engine, 3)
            backend.fails = True
        for caller in callers:
            caller.join(PATIENT_S)
            assert isinstance(caller.error, RuntimeError)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(np.zeros((1, LENGTH, CHANNELS)), id="float64"),
        pytest.param(np.zeros((1, LENGTH, CHANNELS), np.int16), id="integers"),
        pytest.param(np.zeros((LENGTH, CHANNELS), np.float32), id="no batch"),
        pytest.param(np.zeros((1, LENGTH + 1, CHANNELS), np.float32), id="too long"),
        pytest.param(np.zeros((1, CHANNELS, LENGTH), np.float32), id="transposed"),
    ],
)
def test_what_is_no_window_of_the_model_is_refused_before_it_is_queued(wrong: Batch) -> None:
    backend = FakeBackend()
    with opened(backend) as engine:
        with pytest.raises(WindowError, match="float32 windows of 5 samples x 2 channels"):
            engine.infer(wrong)
        assert not engine._queue
    assert backend.batches == [1]


def test_a_full_queue_refuses_the_next_request() -> None:
    backend = GatedBackend()
    with opened(backend, max_queue=2) as engine:
        with held(engine, backend):
            callers = [Caller(engine) for _ in range(2)]
            waiting(engine, 2)
            with pytest.raises(OverloadedError, match="2 requests wait"):
                engine.infer(windows())
        for caller in callers:
            caller.join(PATIENT_S)
            assert caller.answer is not None


def test_a_request_that_waited_too_long_is_answered_and_not_run() -> None:
    backend = GatedBackend()
    with opened(backend) as engine:
        with held(engine, backend), pytest.raises(OverloadedError, match=r"within 0\.01 s"):
            engine.infer(windows(3), timeout_s=0.01)
        engine.infer(windows())
    assert backend.batches == [1]


def test_a_request_whose_caller_has_left_is_not_run_and_holds_up_nobody() -> None:
    backend = GatedBackend()
    with opened(backend) as engine:
        with held(engine, backend):
            gone = Caller(engine, windows(3), wanted=lambda: False)
            waiting(engine, 1)
            there = Caller(engine)
            waiting(engine, 2)
        gone.join(PATIENT_S)
        there.join(PATIENT_S)
    assert backend.batches == [1]
    assert isinstance(gone.error, NotReadyError)
    assert there.answer is not None


# --- threads ----------------------------------------------------------------------------------------


def test_a_backend_is_made_used_and_closed_on_one_native_thread_that_is_not_the_callers() -> None:
    backend, made_on = FakeBackend(), set()

    def make() -> Backend:
        made_on.add(threading.get_ident())
        return backend

    engine = Engine(MODEL, {"a": BackendOpener(make)})
    engine.open()
    callers = [Caller(engine) for _ in range(4)]
    for caller in callers:
        caller.join(PATIENT_S)
    engine.close()
    engine.close()
    assert made_on == backend.threads == set(backend.closed_on)
    assert len(made_on) == len(backend.closed_on) == 1
    assert threading.get_ident() not in made_on


@pytest.mark.parametrize(
    ("seconds", "reentrant", "count", "in_place"),
    [
        pytest.param(0.0002, True, 1, True, id="short and reentrant"),
        pytest.param(0.0002, True, 4, False, id="short, but many windows"),
        pytest.param(0.0010, True, 1, False, id="long"),
        pytest.param(0.0002, False, 1, False, id="not reentrant"),
    ],
)
def test_only_a_short_call_of_a_reentrant_backend_runs_where_it_is_asked_for(
    seconds: float, reentrant: bool, count: int, in_place: bool
) -> None:
    clock = FakeClock()
    backend = TimedBackend(clock, seconds, reentrant)
    with opened(backend, clock=clock) as engine:
        backend.threads.clear()
        answer = engine.infer(windows(count))
    assert (backend.threads == {threading.get_ident()}) is in_place
    assert len(backend.threads) == 1
    assert answer.latency_ms == pytest.approx(seconds * count * 1e3)


def test_wait_and_latency_are_told_apart() -> None:
    clock, backend = FakeClock(), GatedBackend()
    with opened(backend, clock=clock) as engine:
        with held(engine, backend):
            caller = Caller(engine)
            waiting(engine, 1)
            clock.advance(0.25)
        caller.join(PATIENT_S)
    assert caller.answer is not None
    assert caller.answer.wait_ms == pytest.approx(250)
    assert caller.answer.latency_ms == 0


# --- the end ----------------------------------------------------------------------------------------


def test_a_closed_engine_refuses_requests_and_jobs() -> None:
    with opened(FakeBackend()) as engine:
        assert engine.backends.ready
    assert not engine.backends.ready
    with pytest.raises(NotReadyError):
        engine.infer(windows())
    with pytest.raises(NotReadyError):
        engine.run(lambda backends: None)


def test_a_job_that_fails_raises_where_it_was_asked_for() -> None:
    def job(backends: object) -> None:
        raise ValueError("a bad job")

    with opened(FakeBackend()) as engine:
        with pytest.raises(ValueError, match="a bad job"):
            engine.run(job)
        assert engine.infer(windows()).backend == "a"


def test_windows_without_all_their_context_are_given_its_mirror() -> None:
    backend = GatedBackend()
    model = replace(MODEL, context=7)
    engine = Engine(model, {"fake": BackendOpener(lambda: backend)})
    engine.open()
    emg = np.arange(16, dtype=np.float32).reshape(1, 8, 2)

    for windows in (emg[:, 3:], emg, np.resize(emg, (1, 12, 2))):
        engine.infer(windows, preprocess=False)
    for samples in (4, 13):
        with pytest.raises(WindowError, match="windows of 5 to 12 samples x 2 channels"):
            engine.infer(np.zeros((1, samples, 2), np.float32))

    own, part, whole = backend.seen[-3:]
    assert {one.shape for one in backend.seen} == {(1, 12, 2)}  # the first to try it out
    np.testing.assert_array_equal(own, np.pad(emg[:, 3:], ((0, 0), (7, 0), (0, 0)), "symmetric"))
    np.testing.assert_array_equal(part, np.pad(emg, ((0, 0), (4, 0), (0, 0)), "symmetric"))
    np.testing.assert_array_equal(whole, np.resize(emg, (1, 12, 2)))
    engine.close()
