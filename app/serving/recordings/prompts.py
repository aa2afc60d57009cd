"""The prompts of a recording in progress: what is asked now, and what is done about it."""

from __future__ import annotations

from app.emg.recording.course import Action, course_of
from app.emg.recording.label_plan import LabelPlan
from app.emg.recording.prompt_log import Begun, Line, PromptsSoFar
from app.errors import BusyError


class RunningPrompts:
    """What is known of them, and the lines of it that the disk does not have yet.

    All but `now`, which any thread may read, is for one caller at a time.
    """

    def __init__(self, plan: LabelPlan, rate: float) -> None:
        self.now = PromptsSoFar(course_of(plan, rate))
        self._lines: list[Line] = []
        self._closed = False

    def begin(self, first: int) -> None:
        """The recording's first sample has that index."""
        self.add(Begun(first))

    def add(self, line: Line) -> None:
        """Take something as known.

        Raises:
            BusyError: an action that makes no sense there.
        """
        self.now = self.now.after(line)
        self._lines.append(line)

    def act(self, action: str, index: int | None, position: int) -> None:
        """Do that at the sample of that distance from the first.

        Raises:
            BusyError: it makes no sense there, or the recording ends.
        """
        if self._closed:
            raise BusyError("the recording is over; nothing is prompted")
        self.add(Action(position, action, index))

    def close_if_over(self, position: int) -> bool:
        """Whether the plan is over; no action is taken any more then."""
        if self.now.course.over(position):
            self.close()
        return self._closed

    def close(self) -> None:
        """Take no action any more."""
        self._closed = True

    def take(self) -> list[Line]:
        """Return the lines since the last time."""
        lines, self._lines = self._lines, []
        return lines
