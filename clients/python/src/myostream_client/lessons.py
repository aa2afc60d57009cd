"""What teaching asks, tells and gives, as frozen dataclasses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Word = Literal["pause", "resume", "redo", "skip", "cancel"]
SUBJECT_CHARACTERS = 32
FREE_MOVEMENT = "free movement"  # any gestures, in any order
USES = ("if-better", "yes", "no")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What is to be learned, and from whom.

    Raises:
        ValueError: it would be refused once all of it had been recorded.
    """

    name: str  # of the model, and of the person's profile
    gestures: Sequence[str]
    repetitions: int = 2  # of each gesture
    seconds: float = 3.0  # of each
    rest_seconds: float = 2.0  # between two gestures
    countdown_seconds: float = 3.0  # before the first
    source: str | None = None  # None: the server's own
    person: str | None = None  # letters and digits; None: those of `name`
    base: str | None = None  # a covariance model that is made this person's own; None: from nothing
    use: str = "if-better"  # yes | no: whether the source is read by it then
    unlabelled: bool = False  # the base is brought to how the electrodes are worn now; the gesture is any
    values: Sequence[str] = ()  # what a cursor moves that is followed, in place of gestures
    one_way: Sequence[str] = ()  # those of `values` that go from 0 to 1
    seed: int = 0  # another one draws other movements of the cursor

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ValueError(
                "name must be 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first, "
                f"got {self.name[:80]!r}"
            )
        if isinstance(self.values, str):
            raise ValueError(f"values must be a list of names, got {self.values!r}")
        if not (self.unlabelled or self.values) and (
            isinstance(self.gestures, str) or len(self.gestures) < 2
        ):
            raise ValueError(f"a model tells at least two gestures apart, got {self.gestures!r}")
        if self.use not in USES:
            raise ValueError(f"use must be one of {', '.join(USES)}, got {self.use!r}")

    @property
    def subject(self) -> str | None:
        """Return what recordings call the person; None where nothing is left of a name."""
        return self.person or re.sub(r"[^A-Za-z0-9]", "", self.name)[:SUBJECT_CHARACTERS] or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the person is to do now."""

    label: str | None  # None: get ready, or it is paused
    next_label: str | None  # None: this is the last
    seconds_left: float
    seconds: float  # of this step
    step: int  # 1..steps; 0 while they get ready
    steps: int
    repetition: int
    repetitions: int
    paused: bool
    total_seconds_left: float
    begins: bool = False  # it is told for the first time: another step, or paused, or gone on with


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where the cursor is that the person follows with the hand."""

    values: Mapping[str, float]  # -1 to 1 each, or 0 to 1
    ahead: Mapping[str, Sequence[float]]  # from now on, every `step_seconds`, for up to two seconds
    step_seconds: float
    seconds_left: float
    seconds: float  # of the whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """What was made of one prompt."""

    index: int  # of all that were asked, from 0
    label: str
    repetition: int
    state: str  # done | skipped
    verdict: str | None  # good | nothing | other | restless | bad_signal; None: not judged
    advice: str | None  # a sentence, where it is not good
    first_sample: int  # of the source
    end_sample: int

    @property
    def good(self) -> bool:
        return self.verdict in ("good", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How it stands with the training."""

    id: str  # of the job
    state: str  # queued | running | done | failed | cancelled
    text: str  # for people
    progress: float  # roughly, from 0 to 1
    stage: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """The model that was made, how good it is on repetitions that it was not taught, and whether it is used."""

    model: str
    classes: tuple[str, ...]
    told: str  # how good it is, in words
    used: bool  # whether the source is read by it now
    recording: str  # what it was learned from
    job: str
    accuracy: float | None = None  # balanced; None: there was nothing to judge it by
    interval: tuple[float, float] | None = None  # of the accuracy, 95 %
    confusion: Mapping[str, Any] | None = None
    alike: Mapping[str, Any] | None = None  # the two gestures that are most mistaken for each other
    more_repetitions: tuple[Mapping[str, Any], ...] = ()  # what more of them would likely bring
    advice: tuple[str, ...] = ()  # what would make it better
    advised: tuple[Mapping[str, Any], ...] = ()  # the same by code and values, for another language
    comparison: Mapping[str, Any] | None = None  # with the model before
    beside: tuple[Mapping[str, Any], ...] = ()  # the new model, others, LDA and guessing, on the same windows
    tested: Mapping[str, Any] | None = None  # by how many windows and repetitions; None: it was not judged
    why_not_used: str | None = None
    source: str | None = None  # that uses it
    previous: str | None = None  # the model that it used before
    from_sample: int | None = None  # the first of the source's samples that the new one reads
    profile: str | None = None  # where it is kept as this person's
    metrics: Mapping[str, Any] = field(default_factory=dict)  # as the model's manifest has them


Action = Word | Repetition  # a repetition: that one again

OnPrompt = Callable[[Prompt], Action | None]
OnCursor = Callable[[Cursor], Word | None]
OnRepetition = Callable[[Repetition], Action | None]
OnProgress = Callable[[Progress], Action | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Who is told; what they return is done."""

    on_prompt: OnPrompt | None = None
    on_repetition: OnRepetition | None = None
    on_progress: OnProgress | None = None
    on_cursor: OnCursor | None = None
