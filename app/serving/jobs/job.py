"""A training as clients see it, and the JSON in which the workers tell each other of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from app.errors import BusyError, DataError, MyostreamError, NotReadyError, TooFastError
from app.learning.jobs import order
from app.learning.progress import CHECKING, EDGES, JUDGING, LEARNING

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
STATES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)
IF_BETTER, YES, NO = "if-better", "yes", "no"
USES = (IF_BETTER, YES, NO)
WHO = order.WHO
KEEPING = "keeping"
STAGES = {**order.STAGES, KEEPING: "keeping it, and putting it into use where that is asked for"}
PROGRESS = {  # roughly the share of the time that has gone by when each begins
    order.READING: 0.3,  # until then libraries are loaded
    EDGES: 0.4,
    JUDGING: 0.5,
    LEARNING: 0.65,
    order.COMPARING: 0.75,
    CHECKING: 0.8,
    KEEPING: 0.95,
}
RESTARTED = "the server was restarted"


class TrainingError(DataError):
    """A training has failed. `failure` is why, with `code` and `values`, where programs can tell."""

    def __init__(self, reason: str, failure: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.failure = failure


def failure_of(code: str, **values: Any) -> dict[str, Any]:
    """Return what programs are told of a failure."""
    return {"code": code, "values": values}


def failure_by(error: MyostreamError) -> dict[str, Any] | None:
    """Return what programs are told where a model that was made could not be kept; None of what has no code."""
    if isinstance(error, BusyError):
        return failure_of("name_taken")
    return failure_of("not_kept") if isinstance(error, NotReadyError) else None


class QueueFullError(TooFastError):
    """As many trainings wait as may."""

    failure = failure_of("queue_full")


class JobNotKeptError(NotReadyError):
    """The disk does not take what is to be known of a training."""

    failure = failure_of("disk")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """What a client asks for."""

    recordings: tuple[str, ...]  # of instance/recordings
    name: str  # of the model that is made
    base: str | None = None  # the model that is made a person's own; None: one from nothing
    person: str | None = None
    classes: Mapping[str, str] = field(
        default_factory=dict
    )  # of gestures, to what they are called from now on
    use: str = IF_BETTER
    source: str | None = None  # None: the default one
    unlabelled: bool = False  # learn from the signal alone how the base is worn now
    values: str | None = None  # the stream beside the EMG that is learned in place of gestures


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """How it stands with a training. `owner` is the worker that has it."""

    id: str
    owner: str
    name: str
    recordings: tuple[str, ...]
    base: str | None
    person: str | None
    use: str
    source: str | None
    created_at: float  # Unix s
    unlabelled: bool = False
    values: str | None = None
    classes: Mapping[str, str] = field(default_factory=dict)
    run: str = ""  # of the server: with another one no job goes on
    taken_up: int = 0  # times, by another worker
    state: str = QUEUED
    stage: str | None = None  # of STAGES, while it runs
    passed: tuple[str, ...] = ()  # the stages so far, in their order
    progress: float = 0.0  # 0 to 1; never goes back
    started_at: float | None = None
    ended_at: float | None = None
    error: str | None = None
    failure: Mapping[str, Any] | None = None  # the same with `code` and `values`, where programs can tell
    result: Mapping[str, Any] | None = None  # of a model that is kept; whether it is used is known at the end

    @property
    def left(self) -> bool:
        """Whether its worker has gone, and another may take it up."""
        return self.owner == "" and not self.over

    @property
    def over(self) -> bool:
        return self.state not in (QUEUED, RUNNING)


_NAMES = frozenset(one.name for one in fields(Job))
_NEW = frozenset(
    {"unlabelled", "values", "classes", "run", "taken_up", "failure", "passed"}
)  # that a version before did not write


def request_of(job: Job) -> TrainingRequest:
    """Return what a client had asked for."""
    return TrainingRequest(**{one.name: getattr(job, one.name) for one in fields(TrainingRequest)})


def encode(job: Job) -> bytes:
    """Return a job as JSON that `decode` takes."""
    return json.dumps(asdict(job), ensure_ascii=False).encode()


def decode(text: bytes) -> Job:
    """Return the job that stands in a file.

    Raises:
        DataError: none stands there.
    """
    try:
        values = json.loads(text)
        if not isinstance(values, dict) or values.keys() | _NEW != _NAMES or values["state"] not in STATES:
            raise ValueError
        names = {name: tuple(values.get(name, ())) for name in ("recordings", "passed")}
        return Job(**{**values, **names})
    except (ValueError, TypeError):
        raise DataError("the file is damaged") from None
