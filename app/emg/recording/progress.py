"""How far a recording has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from app.emg.auxiliary import AuxChunk
from app.emg.recording.json_fields import flag_of, maybe, text_of, whole_of
from app.emg.recording.log_format import Entry, RecordedModel, RecordedPrediction

STATES = ("recording", "complete", "failed")


@dataclass(slots=True, kw_only=True)
class RecordingProgress:
    """How a recording ended, or how it goes, and what it holds."""

    state: str = "recording"  # recording | complete | failed
    error: str | None = None
    recovered: bool = False  # its writer was killed; what it had written was found later
    samples: int = 0
    lost_samples: int = 0
    gaps: int = 0
    restarts: int = 0
    predictions: int = 0
    model_changes: int = 0
    position: int = 0  # samples since the first, those lost included
    first: int | None = field(default=None, compare=False)  # sample index; known to its writer alone

    def count(self, entry: Entry) -> None:
        """Add what was written; what came beside the EMG is not counted."""
        if isinstance(entry, AuxChunk):
            return
        if isinstance(entry, RecordedPrediction):
            self.predictions += 1
            return
        if isinstance(entry, RecordedModel):
            self.model_changes += 1
            return
        if self.first is None:
            self.first = entry.index
        elif entry.restart:
            self.restarts += 1
        lost = entry.index - self.first - self.position
        if lost > 0:
            self.gaps += 1
            self.lost_samples += lost
        self.samples += len(entry.samples)
        self.position = entry.index + len(entry.samples) - self.first

    @property
    def over(self) -> bool:
        return self.state != "recording"


SAID = tuple(one.name for one in fields(RecordingProgress) if one.name != "first")  # in end.json


def progress_of(values: Mapping[str, Any]) -> RecordingProgress:
    """Return what end.json says. Nothing in it is trusted.

    Raises:
        ValueError: what is wrong with it.
    """
    state = text_of(values, "state")
    if state not in STATES:
        raise ValueError(f"state must be one of {', '.join(STATES)}, got {state[:40]!r}")
    counted = ("samples", "lost_samples", "gaps", "restarts", "predictions", "position")
    return RecordingProgress(
        state=state,
        error=maybe(text_of, values, "error"),
        recovered=flag_of(values, "recovered"),
        **{name: whole_of(values, name) for name in counted},
        model_changes=whole_of({"model_changes": 0, **values}, "model_changes"),  # since 0.4.0
    )
