"""Who follows a job is told of each change, however fast they come: docs/api.md, Trainings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from app.errors import JobNameError
from app.learning.jobs.order import COMPARING, READING
from app.learning.progress import CHECKING, EDGES, JUDGING
from app.serving.jobs.changes import watched
from app.serving.jobs.job import DONE, KEEPING, QUEUED, RUNNING, Job, decode, encode

JOB = Job(
    id="anna-1",
    owner="w",
    name="anna",
    recordings=("a",),
    base=None,
    person=None,
    use="no",
    source=None,
    created_at=1.0,
)
BEGUN = replace(JOB, state=RUNNING, started_at=2.0)


def at(*passed: str) -> Job:
    return replace(BEGUN, passed=passed, stage=passed[-1])


def told(*looks: Job) -> list[tuple[str, str | None] | None]:
    """State and stage of each thing that one hears who looks so often."""
    left = iter(looks)

    def find() -> Job:
        try:
            return next(left)
        except StopIteration:
            raise JobNameError("it is over for long") from None

    found: Iterator[Job | None] = watched(find, lambda: False, 0.0)
    return [None if job is None else (job.state, job.stage) for job in found]


def test_each_change_is_told_once() -> None:
    done = replace(at(READING, EDGES), state=DONE, stage=None)
    assert told(JOB, JOB, BEGUN, at(READING), at(READING), at(READING, EDGES), done) == [
        (QUEUED, None),
        None,
        (RUNNING, None),
        (RUNNING, READING),
        None,
        (RUNNING, EDGES),
        (DONE, None),
    ]


def test_stages_that_were_over_between_two_looks_are_told_in_their_order() -> None:
    stages = (READING, EDGES, JUDGING, CHECKING, KEEPING)
    done = replace(at(*stages), state=DONE, stage=None, progress=1.0)
    assert told(JOB, at(READING, EDGES, JUDGING), done) == [
        (QUEUED, None),
        *((RUNNING, stage) for stage in stages),
        (DONE, None),
    ]


def test_progress_never_goes_back() -> None:
    """A model is checked, and then compared, which is the earlier of the two where both take their time."""
    looks = iter([JOB, replace(at(CHECKING, COMPARING, KEEPING), progress=0.95, state=DONE, stage=None)])
    progress = [job.progress for job in watched(lambda: next(looks), lambda: False, 0.0) if job is not None]
    assert progress == [0.0, 0.8, 0.8, 0.95, 0.95]


def test_who_comes_late_hears_how_it_stands_and_not_what_is_past() -> None:
    assert told(at(READING, EDGES), at(READING, EDGES, JUDGING)) == [(RUNNING, EDGES), (RUNNING, JUDGING)]


def test_what_is_past_is_known_to_the_other_workers_and_absent_in_files_of_before() -> None:
    job = at(READING, EDGES)
    assert decode(encode(job)) == job
    before = encode(JOB).replace(b', "passed": []', b"")
    assert b"passed" not in before
    assert decode(before) == JOB
