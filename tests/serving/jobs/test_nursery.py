"""The process in which trainings are done: loaded once, kept for the next, and gone when none comes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.errors import DataError
from app.learning.jobs.order import PROCESS, READING, TrainingOrder
from app.serving.jobs.nursery import IDLE_S, Nursery
from tests.fakes import FakeClock
from tests.serving.jobs.taught import record
from tests.serving.station import until

LOADED_S = 120.0  # two seconds of a core that is free


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there = tmp_path_factory.mktemp("instance")
    record(there, "anna", there, repetitions=2)
    record(there, "long", there, channels=16, rate=2000.0, held_s=6.0, repetitions=4)  # some seconds of work
    return there


@pytest.fixture
def nursery(clock: FakeClock) -> Iterator[Nursery]:
    found = Nursery(clock)
    yield found
    found.close()
    assert waiting() == []


def order(instance: Path, aside: Path, name: str = "anna", **changes: Any) -> TrainingOrder:
    values: dict[str, Any] = {
        "recordings": (name,),
        "root": str(instance / "recordings"),
        "aside": str(aside),
        "name": "mine",
        "base": None,
        "rival": None,
        "person": None,
        "classes": {},
        "mains": None,
        "unlabelled": False,
        "memory": 6 * 2**30,
        "seconds": 120,
    }
    return TrainingOrder(**{**values, **changes})


def waiting() -> list[psutil.Process]:
    """This process's own children that train."""
    found = []
    for one in psutil.Process().children():
        try:
            if PROCESS in one.cmdline():
                found.append(one)
        except psutil.Error:
            continue
    return found


def pause() -> None:
    time.sleep(0.02)


def done(nursery: Nursery, asked: TrainingOrder, heard: Callable[[str], None] = lambda _: None) -> Path:
    return Path(nursery.do(asked, heard, pause)["folder"])


def test_it_is_kept_for_the_next(nursery: Nursery, instance: Path, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    done(nursery, order(instance, folders[0]))
    (process,) = waiting()
    done(nursery, order(instance, folders[1]))

    assert waiting() == [process]
    until(lambda: process.children() == [])
    assert process.num_threads() == 1, "a fork is without the others, and what they have locked stays locked"


def test_a_training_is_bounded_and_gives_way_and_the_process_is_not_bounded(
    nursery: Nursery, instance: Path, tmp_path: Path
) -> None:
    found = []

    def look(stage: str) -> None:
        if stage == READING:
            (process,) = waiting()
            (fork,) = process.children()
            limits = [one.rlimit(psutil.RLIMIT_AS)[0] for one in (fork, process)]
            found.append((fork.nice() > psutil.Process().nice(), fork.num_threads(), limits))

    done(nursery, order(instance, tmp_path, "long"), look)

    assert found == [(True, 1, [6 * 2**30, psutil.RLIM_INFINITY])]


def test_it_goes_when_none_has_come_for_long(
    nursery: Nursery, instance: Path, tmp_path: Path, clock: FakeClock
) -> None:
    done(nursery, order(instance, tmp_path))
    clock.advance(IDLE_S - 1)
    nursery.tidy()
    assert len(waiting()) == 1
    clock.advance(2)
    nursery.tidy()
    assert waiting() == []


def test_it_loads_what_a_training_needs_when_one_is_expected(nursery: Nursery) -> None:
    nursery.expect()
    (process,) = waiting()
    until(lambda: any("scipy" in one.path for one in process.memory_maps()), LOADED_S)
    nursery.expect()
    assert waiting() == [process]


@pytest.mark.parametrize("which", ["the fork", "the process"])
def test_one_that_is_killed_fails_its_training_and_is_replaced(
    nursery: Nursery, instance: Path, tmp_path: Path, which: str
) -> None:
    def kill(_stage: str) -> None:
        (process,) = waiting()
        forks = process.children()
        if forks:
            os.kill((forks[0] if which == "the fork" else process).pid, signal.SIGKILL)

    with pytest.raises(DataError, match="or was killed"):
        nursery.do(order(instance, tmp_path, "long"), kill, pause)
    aside = tmp_path / "aside"
    aside.mkdir()
    assert done(nursery, order(instance, aside)).name == "mine"


def test_what_cannot_be_taught_fails_and_the_process_stays(
    nursery: Nursery, instance: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="nobody"):
        done(nursery, order(instance, tmp_path, "nobody"))
    assert len(waiting()) == 1


def test_nothing_goes_on_of_a_training_that_nobody_wants_any_more(
    nursery: Nursery, instance: Path, tmp_path: Path
) -> None:
    class UnwantedError(Exception):
        pass

    forks: list[psutil.Process] = []

    def look(_stage: str) -> None:
        forks.extend(waiting()[0].children())

    def wait() -> None:
        pause()
        if forks:
            raise UnwantedError

    with pytest.raises(UnwantedError):
        nursery.do(order(instance, tmp_path, "long"), look, wait)
    until(lambda: not any(goes_on(fork) for fork in forks))  # the kernel ends it a moment after its parent
    assert waiting() == []


def goes_on(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
