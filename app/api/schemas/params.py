"""What a request asks for, once it is read and valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from app.emg.auxiliary import AuxStream
from app.emg.files.imported import ImportHints
from app.emg.recording.prompts.label_plan import LabelPlan, plan_of
from app.emg.recording.prompts.trajectory import Trajectory
from app.emg.source import Samples
from app.inference.decision_rule import DecisionRule
from app.inference.gestures.events import GestureRuleSet
from app.serving.sources.declared import Declared


@dataclass(frozen=True, slots=True, kw_only=True)
class InferJob:
    """Windows of a running source, or the caller's own."""

    source: str | None = None
    batch: int | None = None
    channels: int | None = None
    length: int | None = None  # samples
    steps: int | None = None
    preprocess: bool = True
    model: str | None = None  # None: the source's, or for own windows the server's
    emg: Samples | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileJob:
    """A profile, but for its name."""

    person: str | None = None
    model: str | None = None
    montage: str | None = None
    rule: DecisionRule | None = None
    gesture_rules: GestureRuleSet | None = None
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamJob:
    """A stream, as the client describes it."""

    duration_seconds: float | None = None
    use_tensorrt: bool = True
    fps: float = 30.0
    preprocess: bool = True
    backend: str | None = None
    votes: int | None = None  # None: decisions are made as the model says
    min_confidence: float = 0.0
    enter: float | None = None
    leave: float | None = None
    change: float | None = None
    include_signal: bool = False
    include_aux: bool = False
    events: bool = False
    gesture_rules: GestureRuleSet | None = None  # None: as the model says
    source: str | None = None
    model: str | None = None  # None: the source's, also after it was changed
    last_event_id: str | None = None  # of the event after which it goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkJob:
    """What `POST /benchmark` asks for."""

    num_iterations: int = 1000
    backends: tuple[str, ...] | None = None  # None: those that are open


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob:
    """What is said of a file that becomes a recording."""

    filename: str = "file"
    name: str | None = None
    subject: str | None = None
    hints: ImportHints = field(default_factory=ImportHints)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadJob:
    """What is said of a model that comes in."""

    replace: bool = False
    sha256: str | None = None  # of the body


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareJob:
    """A source that a client is going to push."""

    channels: int
    sampling_rate_hz: float
    units: str | None = None
    model: str | None = None
    profile: str | None = None
    aux: tuple[AuxStream, ...] | None = None

    def named(self, name: str) -> Declared:
        """Return what is declared under that name."""
        return Declared(
            name=name,
            channels=self.channels,
            sampling_rate=self.sampling_rate_hz,
            units=self.units,
            model=self.model,
            profile=self.profile,
            aux=self.aux,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveJob:
    """What a client wants of a live socket."""

    declare: DeclareJob | None = None
    stream: StreamJob = StreamJob()
    windows: InferJob | None = None
    send: frozenset[str] = frozenset()
    format: str = "json"
    scale: float = 1.0

    @property
    def listens(self) -> bool:
        """Whether anything of a stream is to come back."""
        return self.stream.events or bool(self.send & {"frames", "decisions", "states"})

    def resuming(self, event_id: str) -> LiveJob:
        """Return the same, going on after that event."""
        return replace(self, stream=replace(self.stream, last_event_id=event_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class UseJob:
    """Which model is to read a source, None: none; or a profile, which may name one."""

    model: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveJob:
    """Where a replay is to go on, and whether it is to wait; None: as it is."""

    position_seconds: float | None = None
    paused: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushJob:
    """Samples of such a source; those of a binary body are still in it."""

    first_sample: int
    samples: Samples = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    dtype: str = "float32"
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingJob:
    """A recording to begin."""

    name: str | None = None
    source: str | None = None
    subject: str | None = None
    plan: Mapping[str, Any] | None = None
    follow: Trajectory | None = None

    def plan_with(self, rest: str) -> LabelPlan | None:
        """Return the plan, with pauses of that name.

        Raises:
            DataError: a part of it is out of range.
        """
        return None if self.plan is None else plan_of(**self.plan, rest=rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptJob:
    """What is to be done about the prompts; `index` is the repetition that is to be done again."""

    action: str
    index: int | None = None
