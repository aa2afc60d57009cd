"""A backend's call that does not return is seen, said and ended; one that takes long or is new each time is not."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.counters.worker_group import WorkerGroup
from app.serving.engine.backends import BackendOpener
from app.serving.engine.engine import Engine
from app.serving.engine.model_input import ModelInput
from app.serving.engine.watchdog import GRACE_S, OPENING_S, TICK_S, Call, Watchdog
from tests.fakes import FakeBackend
from tests.inference.artefacts import make_manifest

PATIENCE_S = 2.0
TICKS = round(PATIENCE_S / TICK_S)


class Ended:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def calls() -> dict[int, Call]:
    return {}


@pytest.fixture
def ended() -> Ended:
    return Ended()


@pytest.fixture
def meters() -> SharedMetrics:
    return SharedMetrics(WorkerGroup.alone())


@pytest.fixture
def watchdog(calls: dict[int, Call], meters: SharedMetrics, ended: Ended) -> Watchdog:
    return Watchdog(calls, PATIENCE_S, meters.engine, ended)


def look(watchdog: Watchdog, ticks: int) -> None:
    for _ in range(ticks):
        watchdog.tick()


def test_a_call_that_does_not_return_is_said_once(
    watchdog: Watchdog, calls: dict[int, Call], meters: SharedMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    calls[1] = ("tensorrt", 0.0)
    look(watchdog, TICKS)
    assert watchdog.hung is None
    look(watchdog, 3)
    assert watchdog.hung == "the engine hangs: tensorrt has not returned for 2 s"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert meters.engines()["tensorrt"].hung == 1


def test_the_process_ends_after_a_grace(watchdog: Watchdog, calls: dict[int, Call], ended: Ended) -> None:
    calls[1] = ("tensorrt", 0.0)
    look(watchdog, TICKS + round(GRACE_S / TICK_S))
    assert ended.times == 0
    look(watchdog, 1)
    assert ended.times == 1


def test_a_call_that_returns_in_the_grace_ends_nothing(
    watchdog: Watchdog, calls: dict[int, Call], ended: Ended
) -> None:
    calls[1] = ("tensorrt", 0.0)
    look(watchdog, TICKS + 1)
    assert watchdog.hung is not None
    calls.clear()
    look(watchdog, 100)
    assert (watchdog.hung, ended.times) == (None, 0)


def test_a_busy_engine_does_not_hang(watchdog: Watchdog, calls: dict[int, Call], ended: Ended) -> None:
    for number in range(10 * TICKS):
        calls[1] = ("onnxruntime", float(number))  # there is one under way at every look, but not the same
        watchdog.tick()
    assert (watchdog.hung, ended.times) == (None, 0)


def test_a_process_that_was_stopped_for_long_does_not_hang(
    watchdog: Watchdog, calls: dict[int, Call]
) -> None:
    """The clock may have jumped by hours while a call was under way: only looks count."""
    calls[1] = ("onnxruntime", -3600.0)
    look(watchdog, TICKS)
    assert watchdog.hung is None


def test_an_opening_may_take_longer_than_a_call_but_not_for_ever(meters: SharedMetrics, ended: Ended) -> None:
    opening: dict[int, Call] = {1: ("opening tensorrt", 0.0)}
    watchdog = Watchdog({}, PATIENCE_S, meters.engine, ended, opening)
    look(watchdog, round(OPENING_S / TICK_S))
    assert watchdog.hung is None
    look(watchdog, 1)
    assert watchdog.hung == f"the engine hangs: opening tensorrt has not returned for {OPENING_S:g} s"
    assert meters.engines()["tensorrt"].hung == 1
    look(watchdog, round(GRACE_S / TICK_S))
    assert ended.times == 1


class SlowBackend(FakeBackend):
    """Waits in `infer` while it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.going = threading.Event()
        self.going.set()
        self.entered = threading.Event()

    def infer(self, batch, steps=None):
        self.entered.set()
        assert self.going.wait(20)
        return super().infer(batch, steps)


def test_an_engine_shows_its_calls_under_way_and_opening_is_none_of_them() -> None:
    manifest = make_manifest(channels=4, length=20, rate=200)
    shape = ModelInput(length=20, channels=4, mean=manifest.mean, std=manifest.std)
    backend = SlowBackend()
    backend.going.clear()
    engine = Engine(shape, {"slow": BackendOpener(lambda: backend)})
    opening = threading.Thread(target=engine.open)
    opening.start()
    assert backend.entered.wait(20)
    assert not engine.calls
    assert [name for name, _ in engine.backends.opening.values()] == ["opening slow"]
    backend.going.set()
    opening.join(20)
    assert not engine.backends.opening
    backend.going.clear()
    backend.entered.clear()
    asking = threading.Thread(target=lambda: engine.infer(np.zeros((1, 20, 4), np.float32), timeout_s=20))
    asking.start()
    assert backend.entered.wait(20)
    assert [name for name, _ in engine.calls.values()] == ["fake"]
    backend.going.set()
    asking.join(20)
    assert not engine.calls
    engine.close()


def test_a_call_that_raised_is_not_under_way() -> None:
    manifest = make_manifest(channels=4, length=20, rate=200)
    shape = ModelInput(length=20, channels=4, mean=manifest.mean, std=manifest.std)
    backend = FakeBackend()
    engine = Engine(shape, {"fake": BackendOpener(lambda: backend)})
    engine.open()
    backend.fails = True
    with pytest.raises(RuntimeError, match="the device was lost"):
        engine.infer(np.zeros((1, 20, 4), np.float32))
    assert not engine.calls
    engine.close()
