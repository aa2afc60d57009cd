from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from app.errors import BackendUnavailableError, NotReadyError
from app.inference.backend import Batch, Inference
from app.inference.remote.backend import RemoteAnswer
from app.inference.remote.target import RemoteError
from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.counters.worker_group import WorkerGroup
from app.serving.engine.backends import BackendOpener
from app.serving.engine.benchmark import Benchmark
from app.serving.engine.elsewhere import Elsewhere
from app.serving.engine.engine import Engine
from app.serving.engine.together import Asked, infer_together
from app.serving.models.open_models import OpenModel
from tests.fakes import FakeBackend
from tests.inference.artefacts import make_artefact
from tests.serving.engine.test_engine import MODEL, PATIENT_S, windows

TROUBLE = "it is gone"


class FarBackend(FakeBackend):
    """Elsewhere: says class 2 of every window, until it is told to fail, or to be known to be gone."""

    name = "remote"

    def __init__(self) -> None:
        super().__init__()
        self.error: RemoteError | None = None
        self.trouble: str | None = None
        self.cure, self.opened, self.ticks = "wait", 0, 0
        self.gate = threading.Event()
        self.gate.set()
        self.inside = threading.Event()
        self.seen: list[Batch] = []

    def ask(self, batch: Batch, steps: int | None = None) -> RemoteAnswer:
        self.threads.add(threading.get_ident())
        self.batches.append(len(batch))
        self.seen.append(batch)
        if not self.gate.is_set():
            self.inside.set()
            assert self.gate.wait(PATIENT_S)
        if self.trouble is not None:
            raise RemoteError(self.trouble, self.cure)
        if self.error is not None:
            raise self.error
        logits = np.zeros((len(batch), 3), np.float32)
        logits[:, 2] = 1.0
        return RemoteAnswer(Inference(logits, np.zeros(len(batch), np.float32)), 0.001, 0.002, len(batch))

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        return self.ask(batch, steps).inference

    def tick(self) -> None:
        self.ticks += 1


@contextmanager
def opened(far: FarBackend, near: FakeBackend | None, *others: str) -> Iterator[Engine]:
    """An engine with the fleet first, and behind it a backend of this machine."""
    openers = {"remote": BackendOpener(lambda: far)}
    if near is not None:
        openers["near"] = BackendOpener(lambda: near)
    engine = Engine(MODEL, openers)
    engine.open()
    try:
        yield engine
    finally:
        engine.close()


def test_the_real_backend_and_no_other_is_elsewhere() -> None:
    from app.inference.remote.backend import RemoteBackend

    assert issubclass(type(FarBackend()), FakeBackend)
    assert isinstance(FarBackend(), Elsewhere)
    assert not isinstance(FakeBackend(), Elsewhere)
    assert all(hasattr(RemoteBackend, name) for name in ("ask", "tick", "trouble", "cure", "opened", "infer"))


def test_a_fleet_answers_in_the_thread_that_asks() -> None:
    far, near = FarBackend(), FakeBackend()
    with opened(far, near) as engine:
        tried = len(near.batches)
        answer = engine.infer(windows())
    assert (answer.backend, answer.prediction.prediction.tolist()) == ("remote", [2])
    assert (answer.latency_ms, answer.wait_ms) == (2.0, 1.0)
    assert far.threads == {threading.get_ident()}
    assert len(near.batches) == tried


def test_windows_come_to_it_normalised() -> None:
    far = FarBackend()
    with opened(far, None) as engine:
        engine.infer(windows(value=3.0))
        engine.infer(windows(value=3.0), preprocess=False)
    assert [batch[0, 0].tolist() for batch in far.seen] == [[2.0, 0.5], [3.0, 3.0]]


@pytest.mark.parametrize("known", [True, False], ids=["known to be gone", "fails"])
def test_the_next_backend_answers_where_the_fleet_does_not(known: bool) -> None:
    far, near = FarBackend(), FakeBackend()
    with opened(far, near) as engine:
        far.trouble = TROUBLE if known else None
        far.error = None if known else RemoteError("too late", "wait", late=True)
        answer = engine.infer(windows())
        stream = engine.infer(windows(), backend=engine.backends.for_stream(None, use_tensorrt=True))
    assert (answer.backend, stream.backend) == ("near", "near")
    assert answer.prediction.prediction.tolist() == [1]


def test_who_names_the_fleet_gets_it_or_its_reason() -> None:
    far = FarBackend()
    with opened(far, FakeBackend()) as engine:
        assert engine.infer(windows(), backend="remote").backend == "remote"
        far.error = RemoteError("too late", "wait", late=True)
        with pytest.raises(BackendUnavailableError, match=r"remote is not available: too late\. wait"):
            engine.infer(windows(), backend="remote")
        far.trouble = TROUBLE
        with pytest.raises(BackendUnavailableError, match=TROUBLE):
            engine.backends.for_stream("remote", use_tensorrt=True)


def test_where_nothing_is_behind_the_fleet_its_reason_is_told_and_the_engine_is_in_trouble() -> None:
    far = FarBackend()
    with opened(far, None) as engine:
        assert engine.backends.trouble is None
        far.trouble = TROUBLE
        with pytest.raises(BackendUnavailableError, match=TROUBLE):
            engine.infer(windows())
        assert engine.backends.trouble == f"remote: {TROUBLE}"
        with pytest.raises(BackendUnavailableError):
            _ = engine.backends.here


def test_what_the_fleet_is_like_shows_at_once_in_the_states() -> None:
    far = FarBackend()
    with opened(far, FakeBackend()) as engine:
        assert engine.backends.states["remote"].available
        far.trouble = TROUBLE
        state = engine.backends.states["remote"]
        assert (state.available, state.reason, state.cure) == (False, TROUBLE, "wait")
        assert engine.backends.trouble is None
        assert engine.backends.here == "near"


def test_waiting_for_a_fleet_holds_up_no_local_backend() -> None:
    far = FarBackend()
    with opened(far, FakeBackend()) as engine:
        far.gate.clear()
        waiting = threading.Thread(target=lambda: engine.infer(windows()))
        waiting.start()
        assert far.inside.wait(PATIENT_S)
        assert engine.infer(windows(), backend="near").backend == "near"
        engine.run(lambda backends: None)
        far.gate.set()
        waiting.join(PATIENT_S)


def test_a_stream_of_the_fleet_keeps_those_behind_it_also_with_another_model(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    far = FarBackend()
    with opened(far, FakeBackend()) as engine:
        wanted = engine.backends.for_stream(None, use_tensorrt=True)
        assert wanted == "remote,near"
        model = OpenModel(make_artefact(tmp_path_factory.mktemp("far") / "tiny"), engine)
        assert model.backend(wanted) == wanted
        assert model.backend("remote") == "remote"
        assert model.backend("tensorrt") == "remote,near"
        far.trouble = TROUBLE
        assert model.backend(wanted) == wanted, "it is asked again when it is back"


def test_what_failed_and_was_passed_on_is_counted() -> None:
    far, metrics = FarBackend(), SharedMetrics(WorkerGroup.alone())
    with opened(far, FakeBackend()) as engine:
        engine.meter, engine.fleet = metrics.engine, metrics.fleet
        engine.infer(windows(3))
        far.error = RemoteError("too late", "wait", late=True)
        engine.infer(windows())
        far.error = RemoteError("NaN", "wait")
        engine.infer(windows())
        with pytest.raises(BackendUnavailableError):
            engine.infer(windows(), backend="remote")
        far.trouble = TROUBLE
        engine.infer(windows())  # it is not put to the fleet, so that does not fail
    row = metrics.engines()["remote"]
    assert (row.failed, row.windows.cumulative()[-1], row.windows.sum) == (3, 1, 3)
    assert metrics.fleets() == (1, 3, 0)
    metrics.fleet.note(2)
    assert metrics.fleets().trouble == 2


def test_windows_of_several_sources_go_together_here_while_the_fleet_is_gone() -> None:
    far, near = FarBackend(), FakeBackend()
    near.reentrant = True
    with opened(far, near) as engine:
        engine._inline_s["near"] = 0.0001  # whatever else this machine does
        asked = [Asked(engine, windows(), True, "remote,near") for _ in range(3)]
        assert asked[0].kind is None, "the fleet has a batch of its own"
        assert not engine.in_place("remote,near")
        far.trouble = TROUBLE
        assert asked[0].kind == asked[1].kind is not None
        assert engine.in_place("remote,near")
        before = len(near.batches)
        answers = infer_together(asked)
    assert [answer.backend for answer in answers] == ["near"] * 3
    assert near.batches[before:] == [3]


def test_a_benchmark_of_a_fleet_runs_where_it_is_asked_for_and_counts_what_was_too_late() -> None:
    far = FarBackend()
    with opened(far, FakeBackend()) as engine:
        far.error = RemoteError("too late", "wait", late=True)
        found = Benchmark(engine).run(("remote", "near"), 5)
        assert found["remote"] is not None
        assert far.threads == {threading.get_ident()}
        far.trouble = TROUBLE
        assert Benchmark(engine).run(("remote",), 5) == {"remote": None}


def test_a_tick_has_it_tried() -> None:
    far = FarBackend()
    with opened(far, FakeBackend()) as engine:
        engine.backends.tick()
    assert far.ticks == 1


def test_a_closed_engine_says_so() -> None:
    with opened(FarBackend(), None) as engine:
        pass
    with pytest.raises(NotReadyError):
        engine.infer(windows())
