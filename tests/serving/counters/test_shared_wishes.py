"""What any worker asks of the person whom one of them simulates."""

from __future__ import annotations

import numpy as np
import pytest

from app.emg.simulated.simulator import Simulator
from app.serving.counters.shared_wishes import SharedWishes
from app.serving.counters.worker_group import WorkerGroup, board_for

NAMES = ("rest", "fist", "point")


@pytest.fixture
def workers() -> list[WorkerGroup]:
    memory = board_for(2)
    return [WorkerGroup("run", memory, slot, workers=2) for slot in range(2)]


def simulating(worker: WorkerGroup, link: str = "it") -> Simulator:
    source = Simulator(4, 200.0, NAMES, speed=None)
    source.person.control = SharedWishes(worker, link)
    return source


def held(source: Simulator) -> set[int]:
    """What is done in the third of three seconds."""
    return set(np.unique(source.generate(600)[1][400:]).tolist())


def test_a_wish_of_any_worker_is_done_by_the_one_that_simulates(workers: list[WorkerGroup]) -> None:
    owner, other = (simulating(worker) for worker in workers)
    for asks, gesture in ((other, "point"), (owner, "fist"), (other, None)):
        asks.person.ask(gesture, 10.0)
        assert held(owner) == {NAMES.index(gesture or "rest")}


def test_a_wish_for_another_source_is_none(workers: list[WorkerGroup]) -> None:
    owner, other = simulating(workers[0]), simulating(workers[1], "another")
    owner.person.ask("fist", 3600.0)
    other.person.ask("point", 3600.0)
    assert owner.person.control.newest().number == 0  # the newest is of the other
    assert other.person.control.newest().gesture == NAMES.index("point")


def test_a_worker_that_takes_over_goes_on_with_what_is_asked(workers: list[WorkerGroup]) -> None:
    simulating(workers[0]).person.ask("point", 3600.0)
    assert held(simulating(workers[1])) == {NAMES.index("point")}
