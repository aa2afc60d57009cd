"""Two workers whose bus is in memory: who has a pushed source, and what becomes of it when its owner dies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.api.routes.sources_elsewhere import default_of_all
from app.api.sse import events as sse
from app.config import NO_MODEL, EmgMode, Settings
from app.emg.auxiliary import AuxStream
from app.emg.pushed_source import AuxSamples
from app.emg.source import Samples
from app.errors import BusyError, DataError, OverloadedError, SourceElsewhereError, SourceNameError
from app.serving.engine.opening import no_engine
from app.serving.pipelines.owned_sources import OwnedSources
from app.serving.runtime import Runtime
from app.serving.sources.declaration import read, written
from app.serving.sources.declared import Declared
from tests.serving.bus.memory_bus import MemoryHub
from tests.serving.station import until

ARM = Declared(name="arm", channels=2, sampling_rate=1000.0, units="uV")
MOST = 3  # sources of one worker


class Workers:
    """Two, by name; a killed one does nothing any more, as a dead process does."""

    def __init__(self, folder: Path) -> None:
        self.hub = MemoryHub()
        self.here, self.there = (self._worker(folder / name, name) for name in ("here", "there"))

    def _worker(self, instance: Path, name: str) -> Runtime:
        settings = Settings(
            emg_mode=EmgMode.PUSH, model=NO_MODEL, instance=instance, max_sources=MOST, mains_hz=None
        )
        runtime = Runtime(
            settings=settings, artefact=None, engine=no_engine(), encode=sse.encode, bus=self.hub.node(name)
        )
        runtime.start()
        return runtime


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(tmp_path)
    yield workers
    for runtime in (workers.here, workers.there):
        runtime.close()


def owned(runtime: Runtime) -> OwnedSources:
    assert runtime.sharing is not None
    return runtime.sharing.owned


def chunk(count: int = 50, channels: int = 2) -> Samples:
    return np.arange(count * channels, dtype=np.float32).reshape(count, channels)


def test_whoever_is_first_asked_has_the_source_and_the_other_says_who(workers: Workers) -> None:
    pipeline, new = workers.here.declare(ARM)
    assert new
    assert workers.here.declare(ARM) == (pipeline, False)
    with pytest.raises(SourceElsewhereError, match="arm") as raised:
        workers.there.declare(ARM)
    assert (raised.value.node, raised.value.alive) == ("here", True)
    for name in ("arm", None):  # that which nobody names is the oldest, at both
        with pytest.raises(SourceElsewhereError):
            workers.there.pipelines.named(name)
        assert workers.here.pipelines.named(name) is pipeline


def test_the_oldest_source_is_meant_where_none_is_named_at_every_worker(workers: Workers) -> None:
    workers.here.declare(ARM)
    workers.there.declare(Declared(name="leg", channels=2, sampling_rate=1000.0, units="uV"))
    assert workers.here.pipelines.named().name == "arm"
    with pytest.raises(SourceElsewhereError) as raised:
        workers.there.pipelines.named()
    assert raised.value.source == "arm"
    workers.hub.kill("here")  # nobody reads that any more
    assert workers.there.pipelines.named().name == "leg"
    assert default_of_all(owned(workers.there).bus, "leg") == "leg"  # what a list says is meant


def test_many_who_declare_a_source_at_once_open_one(workers: Workers) -> None:
    opened: list[object] = []

    def declare(runtime: Runtime) -> None:
        try:
            opened.append(runtime.declare(ARM)[1])
        except SourceElsewhereError:
            opened.append(None)

    threads = [
        threading.Thread(target=declare, args=(runtime,))
        for runtime in (workers.here, workers.there)
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(opened) == 16
    assert opened.count(True) == 1
    assert len(workers.here.pipelines.names + workers.there.pipelines.names) == 1


def test_what_is_pushed_to_another_worker_is_read_by_the_one_that_has_the_source(workers: Workers) -> None:
    beside = AuxStream(name="trigger", channel_names=("t",), units="", sampling_rate=100.0)
    pipeline, _ = workers.here.declare(
        Declared(name="arm", channels=2, sampling_rate=1000.0, units="uV", aux=(beside,))
    )
    remote = owned(workers.there).remote("arm")
    assert remote is not None
    assert (remote.channels, remote.aux_streams, remote.next_sample) == (2, (beside,), None)
    came: list[tuple[int, list[list[float]], int]] = []
    pipeline.acquisition.taps.append(
        lambda taken, _: came.append((taken.index, taken.samples.tolist(), len(taken.aux)))
    )
    receipt = remote.push(100, chunk(3), [AuxSamples(0, 10, np.ones((2, 1), np.float32))])
    assert (receipt.accepted, receipt.next_sample, remote.next_sample) == (3, 103, 103)
    until(lambda: came == [(100, [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], 1)])
    assert remote.push(100, chunk(3)).duplicates == 3


@pytest.mark.parametrize(
    ("samples", "said"),
    [(chunk(3, channels=4), r"samples are \(n, 2\)"), (np.full((3, 2), np.nan, np.float32), "NaN")],
    ids=["channels", "nan"],
)
def test_what_the_owner_refuses_is_refused_by_the_other(
    workers: Workers, samples: Samples, said: str
) -> None:
    workers.here.declare(ARM)
    remote = owned(workers.there).remote("arm")
    assert remote is not None
    with pytest.raises(DataError, match=said):
        remote.push(0, samples)


def test_the_next_push_after_a_death_takes_the_source_over_where_it_was(workers: Workers) -> None:
    workers.here.declare(ARM)
    remote = owned(workers.there).remote("arm")
    assert remote is not None
    remote.push(0, chunk())
    workers.hub.kill("here")
    with pytest.raises(SourceElsewhereError, match="goes on at another with the next samples") as raised:
        workers.there.pipelines.named("arm")
    assert not raised.value.alive
    receipt = remote.push(50, chunk())
    assert (receipt.accepted, receipt.next_sample) == (50, 100)
    pipeline = workers.there.pipelines.named("arm")
    until(lambda: pipeline.acquisition.samples == 100)
    assert pipeline.acquisition.look().lost_samples == 0
    assert remote.push(100, chunk()).next_sample == 150
    assert workers.hub.owners["arm"].node == "there"


def test_the_first_samples_after_a_takeover_say_that_they_continue_nothing(workers: Workers) -> None:
    workers.here.declare(ARM)
    remote = owned(workers.there).remote("arm")
    assert remote is not None
    remote.push(0, chunk())
    workers.hub.kill("here")
    owner = workers.hub.owners["arm"]
    owned(workers.there).take_over(owner)
    said: list[tuple[int, bool]] = []
    workers.there.pipelines.named("arm").acquisition.taps.append(
        lambda taken, _: said.append((taken.index, taken.restart))
    )
    remote.push(50, chunk())
    until(lambda: len(said) == 1)
    remote.push(100, chunk())
    until(lambda: len(said) == 2)
    assert said == [(50, True), (100, False)]


def test_a_worker_that_is_fenced_falls_silent_and_its_streams_may_go_on_elsewhere(workers: Workers) -> None:
    pipeline, _ = workers.here.declare(ARM)
    lease = pipeline.lease
    assert lease is not None
    workers.hub.fence("arm")
    until(lambda: workers.here.pipelines.find("arm") is None)
    assert pipeline.moved
    assert lease.lost
    taken, new = workers.there.declare(ARM)
    assert new
    assert not taken.moved
    remote = owned(workers.here).remote("arm")
    assert remote is not None
    assert remote.push(0, chunk()).accepted == 50
    until(lambda: taken.acquisition.samples == 50)


def test_a_lease_that_is_lost_while_the_source_opens_leaves_it_to_the_other(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = workers.here.source_models.pushed
    opens = pushed.declare

    def slow(declared: Declared, **more: bool) -> object:
        monkeypatch.setattr(pushed, "declare", opens)
        workers.hub.fence(declared.name)
        workers.there.declare(declared)
        return opens(declared, **more)

    monkeypatch.setattr(pushed, "declare", slow)
    with pytest.raises(SourceElsewhereError):
        workers.here.declare(ARM)
    assert workers.here.pipelines.find("arm") is None
    remote = owned(workers.here).remote("arm")
    assert remote is not None
    assert remote.push(0, chunk()).accepted == 50


def test_a_source_that_is_ended_is_free_and_forgotten(workers: Workers) -> None:
    pipeline, _ = workers.here.declare(ARM)
    remote = owned(workers.there).remote("arm")
    assert remote is not None
    workers.here.pipelines.remove(pipeline)
    until(lambda: "arm" not in workers.hub.owners)
    assert owned(workers.there).remote("arm") is None
    with pytest.raises(SourceNameError, match="declare it again"):
        remote.push(0, chunk())
    assert not workers.there.declare(ARM)[0].moved


def test_a_worker_that_leaves_leaves_its_sources_to_others(workers: Workers) -> None:
    workers.here.declare(ARM)
    remote = owned(workers.there).remote("arm")
    assert remote is not None
    workers.here.close()
    assert workers.hub.owners["arm"].alive is False
    assert remote.push(0, chunk()).accepted == 50
    assert workers.hub.owners["arm"].node == "there"


def test_the_source_of_a_dead_worker_can_be_ended(workers: Workers) -> None:
    workers.here.declare(ARM)
    assert not owned(workers.there).forget("arm")  # its worker is to be asked
    workers.hub.kill("here")
    assert owned(workers.there).forget("arm")
    assert "arm" not in workers.hub.owners


def test_a_source_that_cannot_be_opened_is_nobodys(workers: Workers) -> None:
    for number in range(MOST):
        workers.here.declare(Declared(name=f"s{number}", channels=2, sampling_rate=1000.0, units="uV"))
    with pytest.raises(OverloadedError, match="EMG_MAX_SOURCES"):
        workers.here.declare(ARM)
    assert "arm" not in workers.hub.owners
    assert workers.there.declare(ARM)[1]


def test_a_takeover_that_fails_leaves_the_source_to_others(workers: Workers) -> None:
    workers.here.declare(ARM)
    for number in range(MOST):
        workers.there.declare(Declared(name=f"s{number}", channels=2, sampling_rate=1000.0, units="uV"))
    remote = owned(workers.there).remote("arm")
    assert remote is not None
    workers.hub.kill("here")
    with pytest.raises(OverloadedError, match="EMG_MAX_SOURCES"):
        remote.push(0, chunk())
    left = workers.hub.owners["arm"]
    assert (left.alive, read(left.declaration)) == (False, ARM)


def test_who_pushes_on_to_a_source_that_is_another_by_now_is_told_so(workers: Workers) -> None:
    pipeline, _ = workers.here.declare(ARM)
    remote = owned(workers.there).remote("arm")
    assert remote is not None
    workers.here.pipelines.remove(pipeline)
    workers.here.declare(Declared(name="arm", channels=4, sampling_rate=1000.0, units="uV"))
    with pytest.raises(BusyError, match="declared anew"):
        remote.push(0, chunk())


def test_a_live_socket_may_declare_at_any_worker(workers: Workers) -> None:
    assert owned(workers.here).declare_anywhere(ARM) is workers.here.pipelines.named("arm")
    assert owned(workers.there).declare_anywhere(ARM) is None
    other = Declared(name="arm", channels=2, sampling_rate=500.0, units="uV")
    with pytest.raises(BusyError, match=r"sampling_rate 1000\.0, not 500\.0"):
        owned(workers.there).declare_anywhere(other)


def test_what_is_declared_survives_being_written() -> None:
    beside = AuxStream(name="acc", channel_names=("x", "y"), units="g", sampling_rate=100.0)
    for declared in (
        ARM,
        Declared(name="x", channels=8, sampling_rate=200.0, units=None, aux=(beside,), model="m"),
    ):
        assert read(written(declared)) == declared
