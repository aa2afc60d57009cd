"""The prompts of a recording in progress: what is asked now, what is done about it, and how it went."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from app.emg.recording.prompts.course import DONE, OFFER, Action, course_of
from app.emg.recording.prompts.label_plan import LabelPlan
from app.emg.recording.prompts.prompt_log import Begun, Line, PromptsSoFar, Verdict
from app.emg.recording.prompts.step_judge import StepJudge
from app.emg.source import Chunk
from app.errors import BusyError

log = logging.getLogger(__name__)


class RunningPrompts:
    """What is known of them, and the lines of it that the disk does not have yet.

    Anybody may read `now`, and `judged` is for the thread that writes; all else is for one caller at a time.
    """

    def __init__(
        self, plan: LabelPlan, rate: float, judge: StepJudge | None = None, offers: bool = True
    ) -> None:
        """`offers`: whoever prompts can have a step done again."""
        self.now = PromptsSoFar(course_of(plan, rate))
        self._lines: list[Line] = []
        self._judge = judge
        self._closed, self._offers = False, offers
        self._offered: int | None = None  # the entry that has been offered to be done again

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

    def judged(self, chunks: Iterable[Chunk]) -> list[Verdict]:
        """Return how the steps went that end with these samples; they must come in their order."""
        if self._judge is None or self.now.first is None:
            return []
        found = []
        try:
            for chunk in chunks:
                found += self._judge.take(chunk, self.now.first, self.now.course)
        except Exception:  # a recording is worth more than what is thought of it
            log.exception("repetitions are judged no more")
            self._judge = None
        return found

    def close_if_over(self, position: int) -> bool:
        """Whether the plan is over; no action is taken any more then.

        Where the last step did not go well it is not yet: for a while it can be done again.
        """
        if self._closed or not self.now.course.over(position):
            return self._closed
        if self._judge is not None and self._judge.until < self.now.course.end:
            return False
        if self._offers and self._offer(position):
            return False
        self.close()
        return True

    def close(self) -> None:
        """Take no action any more."""
        self._closed = True

    def take(self) -> list[Line]:
        """Return the lines since the last time."""
        lines, self._lines = self._lines, []
        return lines

    def _offer(self, position: int) -> bool:
        """Wait for a redo, once for each entry at the end that is not good."""
        entries = self.now.course.entries(position)
        last = len(entries) - 1
        said = self.now.verdicts.get(last)
        if said is None or said.verdict == "good" or entries[last].state != DONE or last == self._offered:
            return False
        self._offered = last
        self.add(Action(position, OFFER))
        return True
