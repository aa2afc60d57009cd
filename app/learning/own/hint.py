"""What a person can do, for people and for programs: a sentence, and its code with values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from app.errors import DataError

Values = Mapping[str, Any]  # numbers, names of gestures, and lists of them


@dataclass(frozen=True, slots=True)
class Hint:
    """One thing that would make a model better. The codes and their values are in docs/api.md."""

    code: str
    text: str  # an English sentence, without a capital and a full stop
    values: Values = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class LearningError(DataError):
    """Recordings cannot teach a model. `hint` says why, in a form that programs can read."""

    def __init__(self, hint: Hint) -> None:
        super().__init__(hint.text)
        self.hint = hint
