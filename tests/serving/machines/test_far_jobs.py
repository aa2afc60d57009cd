"""A training is found, followed and cancelled at any machine, and not taken for gone where its machine is silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.errors import JobNameError, NodeGoneError, NotReadyError
from app.serving.jobs.changes import watched
from app.serving.jobs.job import CANCELLED, DONE, Job
from app.serving.machines.far_jobs import FIND, FarJobs
from app.serving.machines.machines import Machine, Machines
from tests.serving.bus.memory_bus import MemoryHub
from tests.serving.machines.test_lists import job


class At:
    """The jobs of one machine."""

    def __init__(self, hub: MemoryHub, name: str) -> None:
        self.jobs: dict[str, Job] = {}
        machines = Machines(hub.node(name), Machine(f"key of {name}", name))
        self.far = FarJobs(machines, self.find, self.cancel)

    def find(self, job_id: str) -> Job:
        if job_id not in self.jobs:
            raise JobNameError(f"no job {job_id}")
        return self.jobs[job_id]

    def cancel(self, job_id: str) -> Job:
        self.jobs[job_id] = replace(self.find(job_id), state=CANCELLED)
        return self.jobs[job_id]


@pytest.fixture
def hub() -> MemoryHub:
    return MemoryHub()


@pytest.fixture
def add(hub: MemoryHub) -> Callable[[str], At]:
    return lambda name: At(hub, name)


def test_a_job_is_found_as_it_is_and_cancelled_where_it_is(add: Callable[[str], At]) -> None:
    one, two, _ = add("one"), add("two"), add("three")
    one.jobs["ben-1"] = job("ben")
    assert two.far.find("ben-1") == job("ben")
    assert two.far.cancel("ben-1").state == CANCELLED
    assert one.jobs["ben-1"].state == CANCELLED


def test_what_no_machine_has_is_said_to_be_nowhere(add: Callable[[str], At]) -> None:
    two, _ = add("two"), add("one")
    with pytest.raises(JobNameError, match="no job 'anna-1' on any machine"):
        two.far.find("anna-1")


def test_a_machine_that_does_not_answer_may_have_it(add: Callable[[str], At], hub: MemoryHub) -> None:
    one, two = add("one"), add("two")
    one.jobs["ben-1"] = job("ben")
    assert two.far.find("ben-1").name == "ben"

    def silent(_: bytes) -> bytes:
        raise NodeGoneError("one has not answered in time")

    hub.nodes["one"].serve(FIND, silent)
    with pytest.raises(NotReadyError, match="one does not answer; try again"):
        two.far.find("ben-1")


def test_its_changes_are_followed_to_its_end_or_to_its_machines(add: Callable[[str], At]) -> None:
    one, two = add("one"), add("two")
    one.jobs["ben-1"] = job("ben")
    followed = watched(lambda: two.far.find("ben-1"), lambda: False, 0.0)
    assert next(followed) == job("ben")
    assert next(followed) is None
    one.jobs["ben-1"] = replace(job("ben"), progress=0.5)
    assert next(followed) == replace(job("ben"), progress=0.5)
    one.jobs["ben-1"] = replace(job("ben"), state=DONE, progress=1.0)
    assert [one for one in followed if one is not None][-1].state == DONE
