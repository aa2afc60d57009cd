"""What is said of a recording: one that runs, one that is kept, one that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass

from app.emg.recording.header import Model, RecordingHeader
from app.emg.recording.progress import RecordingProgress
from app.emg.recording.prompts.course import Prompt
from app.emg.recording.prompts.prompt_log import Repetition
from app.serving.recordings.cursor import CursorNow


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingInfo:
    """A look at a recording. `state` is recording, complete, failed, or damaged: it cannot be read."""

    name: str
    state: str
    source: str
    subject: str | None
    started_at: float  # Unix s
    samples: int
    seconds: float  # of signal
    gaps: int
    lost_samples: int
    predictions: int
    bytes: int
    model: Model | None  # when it began
    model_changes: int = 0
    error: str | None = None
    recovered: bool = False
    prompt: Prompt | None = None
    cursor: CursorNow | None = None
    repetitions: tuple[Repetition, ...] | None = None  # None: not looked at, in a list of all

    @property
    def over(self) -> bool:
        return self.state != "recording"


def state_of(header: RecordingHeader, progress: RecordingProgress, size: int) -> RecordingInfo:
    """Return what is said of a recording."""
    return RecordingInfo(
        name=header.name,
        state=progress.state,
        source=header.source,
        subject=header.subject,
        started_at=header.started_at,
        samples=progress.samples,
        seconds=progress.samples / header.sampling_rate,
        gaps=progress.gaps,
        lost_samples=progress.lost_samples,
        predictions=progress.predictions,
        bytes=size,
        model=header.model,
        model_changes=progress.model_changes,
        error=progress.error,
        recovered=progress.recovered,
    )


def unreadable(name: str, error: str) -> RecordingInfo:
    """One that is damaged: listed with the reason, so that it can be deleted."""
    nothing = RecordingHeader(
        name=name,
        source="",
        subject=None,
        started_at=0.0,
        sampling_rate=1.0,
        channels=1,
        units="",
        gesture_names=(),
        mains_hz=None,
        model=None,
        plan=None,
    )
    return state_of(nothing, RecordingProgress(state="damaged", error=error), 0)
