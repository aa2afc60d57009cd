"""The end of a plan: not before the last step is judged, and not at once where it did not go well."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pytest

from app.emg.recording.prompts.course import OFFER_S, Course
from app.emg.recording.prompts.label_plan import LabelPlan, Step
from app.emg.recording.prompts.prompt_log import Verdict
from app.emg.source import Chunk
from app.errors import BusyError
from app.serving.recordings.prompts import RunningPrompts

RATE = 10.0
PLAN = LabelPlan((Step("rest", 1.0, 1), Step("fist", 1.0, 1)), countdown_s=1.0)
END = 30
OFFERED = int(OFFER_S * RATE)


class HandJudge:
    """Thinks what the test says, when it has heard so many samples."""

    def __init__(self, verdicts: dict[int, list[Verdict]]) -> None:
        self.until, self._verdicts = 0, verdicts

    def take(self, chunk: Chunk, first: int, course: Course) -> list[Verdict]:
        assert first == 7
        self.until = chunk.index - first + len(chunk.samples)
        return self._verdicts.pop(self.until, [])


def prompts(verdicts: dict[int, list[Verdict]] | None = None) -> RunningPrompts:
    judge = HandJudge({} if verdicts is None else verdicts)
    made = RunningPrompts(PLAN, RATE, judge)  # type: ignore[arg-type]  # by what is asked of it
    made.begin(7)
    return made


def hear(running: RunningPrompts, until: int) -> Sequence[Verdict]:
    at = running._judge.until  # type: ignore[union-attr]  # there is one
    found = running.judged([Chunk(index=7 + at, samples=np.zeros((until - at, 1), np.float32))])
    for one in found:
        running.add(one)
    return found


def test_a_plan_is_not_over_before_its_last_step_is_judged() -> None:
    running = prompts()
    hear(running, END - 1)
    assert not running.close_if_over(END + 5)
    hear(running, END + 2)
    assert running.close_if_over(END + 9)  # more has come meanwhile
    with pytest.raises(BusyError, match="is over"):
        running.act("redo", None, END + 9)


def test_a_last_step_that_went_wrong_is_offered_again_once() -> None:
    running = prompts({END: [Verdict(1, "nothing", "do it again")]})
    hear(running, END)
    assert not running.close_if_over(END)
    prompt = running.now.course.prompt(END)
    assert prompt is not None
    assert (prompt.label, prompt.next_label, prompt.seconds_left) == (None, None, OFFER_S)
    last = END + OFFERED
    assert not running.close_if_over(last - 1)
    hear(running, last)
    assert running.close_if_over(last)
    assert [one.verdict for one in running.now.repetitions(last)] == [None, "nothing"]


def test_what_is_done_again_at_the_end_is_judged_and_ends_it_when_it_is_good() -> None:
    running = prompts({END: [Verdict(1, "other", "again")], 60: [Verdict(2, "good")]})
    hear(running, END)
    running.close_if_over(END)
    running.act("redo", None, 40)  # get ready until 50
    hear(running, 59)
    assert not running.close_if_over(60)
    hear(running, 60)
    assert running.close_if_over(60)
    found = [(one.label, one.state, one.verdict, one.first_sample) for one in running.now.repetitions(60)]
    assert found == [
        ("rest", "done", None, 17),
        ("fist", "redone", "other", 27),
        ("fist", "done", "good", 57),
    ]


def test_bad_again_is_offered_again() -> None:
    running = prompts({END: [Verdict(1, "other", "again")], 60: [Verdict(2, "other", "again")]})
    hear(running, END)
    running.close_if_over(END)
    running.act("redo", None, 40)
    hear(running, 60)
    assert not running.close_if_over(60)
    assert running.now.course.prompt(60) is not None


def test_a_judge_that_fails_ends_no_recording(caplog: pytest.LogCaptureFixture) -> None:
    running = RunningPrompts(PLAN, RATE, object())  # type: ignore[arg-type]  # it can do nothing
    running.begin(7)
    with caplog.at_level(logging.ERROR):
        assert running.judged([Chunk(index=7, samples=np.zeros((40, 1), np.float32))]) == []
    assert "judged no more" in caplog.text
    assert running.close_if_over(40)
