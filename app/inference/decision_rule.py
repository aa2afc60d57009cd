"""How predictions become decisions: a model's own rule, or what a client asks for."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import ArtefactError

MAX_VOTES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRule:
    """What `Decider` goes by. As it is: every prediction is the decision, whatever its confidence.

    Raises:
        ArtefactError: a value is out of range; the message names the field as manifest.json spells it.
    """

    votes: int = 1  # the decision is the majority of so many windows
    min_confidence: float = 0.0  # a prediction below is no vote
    enter: float | None = None  # a gesture begins at this probability; None: at any
    leave: float | None = None  # and lasts until its own is below; None: until another class is likelier
    change: float | None = None  # another gesture follows it at this probability, else rest; None: enter

    def __post_init__(self) -> None:
        if not 1 <= self.votes <= MAX_VOTES:
            raise ArtefactError(f"decision.votes must be from 1 to {MAX_VOTES}, got {self.votes}")
        for name in ("min_confidence", "enter", "leave", "change"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ArtefactError(f"decision.{name} must be from 0 to 1, got {value}")
        if self.enter is not None and self.leave is not None and not self.leave < self.enter:
            raise ArtefactError(
                f"decision.leave must be below decision.enter, {self.enter:g}, got {self.leave:g}"
            )
