"""What the server and the process that trains for it tell each other; here, without all that trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.learning.progress import CHECKING, EDGES, JUDGING, LEARNING

PROCESS = "app.learning.jobs.process"
READING, COMPARING = "reading", "comparing"
STAGES = {  # in the order of the work, with what people are told of each
    READING: "reading the recordings",
    EDGES: "finding where each gesture begins and ends",
    JUDGING: "judging it on repetitions left out",
    LEARNING: "learning from all of it",
    CHECKING: "checking the finished model",
    COMPARING: "comparing it with the model before",
}
DATA, DISK = "data", "disk"  # what went wrong
NEW, IN_USE, PARENT, LDA, CHANCE = "new", "in_use", "parent", "lda", "chance"
WHO = (NEW, IN_USE, PARENT, LDA, CHANCE)  # who is judged on the repetitions left out


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOrder:
    """A training. All paths are absolute."""

    recordings: tuple[str, ...]
    root: str  # the folder that they lie in
    aside: str  # an empty folder, in which the model is made
    name: str
    base: str | None  # path of the model that is made a person's own; None: one from nothing
    rival: str | None  # path of the model with which it is compared
    person: str | None
    classes: Mapping[str, str]  # of gestures, to what they are called from now on
    mains: float | None  # Hz
    unlabelled: bool  # learn from the signal alone how the base is worn now
    values: str | None = None  # the stream beside the EMG that is learned in place of gestures
    memory: int  # bytes that the process may map
    seconds: int  # of a processor that it may take

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> TrainingOrder:
        return cls(**{**values, "recordings": tuple(values["recordings"])})


def too_much_said(order: TrainingOrder) -> dict[str, Any]:
    """Return the last line of a training that takes more than it may, or was killed."""
    failure = {"code": "too_much", "values": {"memory_bytes": order.memory, "seconds": order.seconds}}
    return {"error": too_much(order.memory, order.seconds), "kind": DATA, "failure": failure}


def too_much(memory: int, seconds: int) -> str:
    """Return what is said of a training that takes more than it may."""
    return (
        f"the training takes more than {memory / 2**30:g} GiB of memory or {seconds} s of a processor, or was killed; "
        "`flask model new` has no such bounds"
    )
