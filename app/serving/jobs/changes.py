"""A job's changes, one by one, for whoever follows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from app.errors import MyostreamError
from app.serving.jobs.job import PROGRESS, RUNNING, Job


class JobsElsewhere(Protocol):
    """The trainings of other machines, by their ids."""

    def find(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            JobNameError: no machine has it.
            NotReadyError: one that may have it does not answer.
        """

    def cancel(self, job_id: str) -> Job:
        """End it there; raises as `find`."""


def watched(find: Callable[[], Job], stopping: Callable[[], bool], look_s: float) -> Iterator[Job | None]:
    """Yield a job at once and at each change, None at each look without one; ends with it, and when `stopping`.

    A stage that is over between two looks is a change as well, and comes before the next.
    """
    last: Job | None = None
    while not stopping():
        try:
            job = find()
        except MyostreamError:  # it is over for long, or its machine is gone
            return
        if job == last:
            yield None
        else:
            yield from _between(last, job)
            yield job
        if job.over:
            return
        last = job
        time.sleep(look_s)


def _between(last: Job | None, job: Job) -> Iterator[Job]:
    """Yield the job as it was in the stages that it has passed since, but for the one in which it is."""
    if last is None:
        return
    passed, progress = job.passed[len(last.passed) :], last.progress
    for stage in passed[:-1] if job.stage is not None else passed:
        progress = max(progress, PROGRESS.get(stage, 0.0))  # as it is counted: it never goes back
        yield replace(last, state=RUNNING, started_at=job.started_at, stage=stage, progress=progress)
