"""A job as the worker has it that does it, from its request to what its process is told."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from app.learning.jobs.order import TrainingOrder
from app.serving.jobs.job import Job, TrainingRequest
from app.serving.jobs.training_models import TrainingModels

MEMORY = 6 * 2**30  # bytes that a process may map, of which PyTorch's libraries can take half
SECONDS = 120  # of a processor


class CancelledError(Exception):
    """Somebody has asked for the end of a job."""


class ClosedError(Exception):
    """The server ends."""


@dataclass(slots=True, eq=False)
class Task:
    """A job of this worker."""

    job: Job
    asked: TrainingRequest
    cancel: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


def new_job(job_id: str, asked: TrainingRequest, *, owner: str, run: str, now: float) -> Job:
    """Return a job that waits for its turn, asked for at `now` (Unix s)."""
    return Job(
        id=job_id,
        owner=owner,
        name=asked.name,
        recordings=asked.recordings,
        base=asked.base,
        person=asked.person,
        use=asked.use,
        source=asked.source,
        unlabelled=asked.unlabelled,
        values=asked.values,
        classes=asked.classes,
        run=run,
        created_at=round(now, 3),
    )


def order_of(asked: TrainingRequest, work: Path, models: TrainingModels) -> TrainingOrder:
    """Return what the process is told that makes the model in the folder `work`.

    Raises:
        TrainingFieldError: the base is there no more.
    """
    base = models.base(asked.base)
    return TrainingOrder(
        recordings=asked.recordings,
        root=str(models.recordings),
        aside=str(work.resolve()),
        name=asked.name,
        base=None if base is None else str(base.path.resolve()),
        rival=models.rival(asked),
        person=asked.person,
        classes=asked.classes,
        mains=models.settings.mains_hz,
        unlabelled=asked.unlabelled,
        values=asked.values,
        memory=MEMORY,
        seconds=SECONDS,
    )
