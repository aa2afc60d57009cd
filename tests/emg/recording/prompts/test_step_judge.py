"""Steps are judged when they are over, by sample index: what was not done, what else was, and bad electrodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from app.emg.recording.prompts.course import Action, Course, course_of
from app.emg.recording.prompts.label_plan import LabelPlan, Step
from app.emg.recording.prompts.prompt_log import Verdict
from app.emg.recording.prompts.step_judge import KEPT, StepJudge
from app.emg.source import Chunk, Samples

RATE, CHANNELS, FIRST = 500, 4, 1000
LEVELS = {  # of each channel, in times that of rest
    "rest": [1, 1, 1, 1],
    "fist": [8, 8, 2, 1],
    "open": [1, 2, 8, 8],
    "moving": [4, 4, 4, 4],
}
PLAN = LabelPlan(
    tuple(Step(name, 2.0, k) for k in (1, 2) for name in ("rest", "fist", "rest", "open")), countdown_s=2.0
)
ASKED = [step.label for step in PLAN.steps]


@dataclass
class Judged:
    """A person who does something in each step, half a second late, and what is thought of it."""

    judge: StepJudge = field(default_factory=lambda: StepJudge(CHANNELS, RATE, 50.0))
    course: Course = field(default_factory=lambda: course_of(PLAN, RATE))
    verdicts: dict[int, tuple[str, int]] = field(
        default_factory=dict
    )  # by entry, and before which place it came
    advice: dict[int, str | None] = field(default_factory=dict)
    place: int = 0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def give(self, samples: Samples, gap: int = 0) -> None:
        self.place += gap
        found = self.judge.take(Chunk(index=FIRST + self.place, samples=samples), FIRST, self.course)
        self.place += len(samples)
        self.take(found)

    def take(self, found: Sequence[Verdict]) -> None:
        for one in found:
            assert one.entry not in self.verdicts
            self.verdicts[one.entry] = (one.verdict, self.place)
            self.advice[one.entry] = one.advice

    def do(
        self, what: str, seconds: float, change: Callable[[Samples], Samples] = lambda samples: samples
    ) -> None:
        for _ in range(round(seconds * 10)):
            noise = self.rng.normal(0, 1, (RATE // 10, CHANNELS)) * LEVELS[what] + 300  # with an offset
            self.give(change(noise.astype(np.float32)))

    def said(self) -> list[str]:
        return [self.verdicts[k][0] if k in self.verdicts else "-" for k in range(8)]


def judged(deeds: Sequence[str]) -> Judged:
    """Half a second of what was before, then what is done."""
    person = Judged()
    person.do("rest", 2.0)
    before = "rest"
    for deed in deeds:
        person.do(before, 0.5)
        person.do(deed, 1.5)
        before = deed
    person.do("rest", 0.1)
    return person


def test_what_is_done_as_asked_is_good() -> None:
    person = judged(ASKED)
    assert person.said() == ["good"] * 8
    assert set(person.advice.values()) == {None}


def test_a_verdict_comes_with_the_first_samples_after_the_step() -> None:
    person = judged(ASKED)
    ends = [2 * RATE * (2 + k) for k in range(8)]
    for entry, (_, place) in person.verdicts.items():
        assert ends[entry] <= place <= ends[entry] + RATE // 10


@pytest.mark.parametrize(
    ("entry", "deed", "verdict", "said"),
    [
        (1, "rest", "nothing", "as quiet as rest: do fist again"),
        (5, "rest", "nothing", "as quiet as rest: do fist again"),
        (5, "open", "other", "more like open than like fist"),
        (7, "fist", "other", "more like fist than like open"),
        (0, "fist", "restless", "not at rest"),
        (4, "moving", "restless", "not at rest"),
        (6, "fist", "restless", "not at rest"),
    ],
    ids=str,
)
def test_what_was_not_as_asked_is_noticed_and_nothing_else(
    entry: int, deed: str, verdict: str, said: str
) -> None:
    person = judged([deed if k == entry else asked for k, asked in enumerate(ASKED)])
    assert person.said() == [verdict if k == entry else "good" for k in range(8)]
    assert said in (person.advice[entry] or "")


def test_who_insists_is_right_and_what_went_before_is_no_measure_any_more() -> None:
    """The first fist was another gesture: the second is unlike it, and so is what is done again."""
    person = Judged()
    person.do("rest", 2.0)
    for deed in ("rest", "open", "rest", "open", "rest", "fist"):
        person.do(deed, 2.0)
    person.do("rest", 0.1)
    assert person.verdicts[5][0] == "other"
    assert "or the first one if that was wrong" in (person.advice[5] or "")
    person.course = person.course.act(Action(person.place, "redo", 5))
    person.do("rest", 2.0)
    person.do("fist", 2.0)
    person.do("rest", 0.1)
    assert person.verdicts[max(person.verdicts)][0] == "good"


def test_nothing_is_compared_with_what_went_wrong() -> None:
    """The first fist was rest: the second is no worse for that, and is what the third will be compared with."""
    person = judged(["rest" if k == 1 else asked for k, asked in enumerate(ASKED)])
    assert person.said()[5] == "good"


def test_what_is_done_again_is_judged_anew_and_the_former_forgotten() -> None:
    person = Judged()
    person.do("rest", 2.0)
    person.do("rest", 2.0)
    person.do("open", 2.5)  # for a fist, and half a second longer
    assert person.verdicts[1][0] == "good"  # nothing to compare it with
    person.course = person.course.act(Action(person.place, "redo"))
    person.do("rest", 2.0)
    for deed in ("fist", "rest", "open", "rest", "fist", "rest", "open"):
        person.do(deed, 2.0)
    person.do("rest", 0.1)
    found = [person.verdicts[k][0] for k in sorted(person.verdicts)]
    assert found == ["good"] * 9
    assert 2 not in person.verdicts  # the rest that was cut short


def test_what_is_paused_is_not_judged() -> None:
    person = Judged()
    person.do("rest", 2.0)
    person.do("rest", 2.0)
    person.do("rest", 1.0)  # half a fist that is none
    person.course = person.course.act(Action(person.place, "pause"))
    person.do("moving", 5.0)
    person.course = person.course.act(Action(person.place, "resume"))
    person.do("rest", 2.0)
    person.do("fist", 2.0)
    person.do("rest", 0.1)
    assert {k: verdict for k, (verdict, _) in person.verdicts.items()} == {0: "good", 2: "good"}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda x: np.where([False, True, False, False], 300.0, x), "Channel 2 is flat"),
        (lambda x: np.clip(x, 296, 304), "Channel 1 (and 1 more) is at the end of its range"),
    ],
    ids=["flat", "railed"],
)
def test_an_electrode_that_fails_is_named(fault: Callable[[Samples], Samples], said: str) -> None:
    person = Judged()
    person.do("rest", 2.0)
    person.do("rest", 2.0)
    person.do("fist", 2.0, lambda x: fault(x).astype(np.float32))
    person.do("rest", 0.1)
    assert person.verdicts[1][0] == "bad_signal"
    assert said in (person.advice[1] or "")


def hum(person: Judged) -> Callable[[Samples], Samples]:
    def with_hum(samples: Samples) -> Samples:
        at = (person.place + np.arange(len(samples))) / RATE
        wave = 60 * np.sin(2 * np.pi * 50 * at)
        return (samples + wave[:, None] * [1, 0, 0, 0]).astype(np.float32)

    return with_hum


def test_hum_that_begins_while_one_records_is_said_and_what_was_there_from_the_first_is_not() -> None:
    """To do it again is no help then; the electrodes were shown before."""
    for from_the_first, expected in ((True, "good"), (False, "bad_signal")):
        person = Judged()
        add = hum(person)
        for deed in ("rest", "rest", "fist"):
            person.do(deed, 2.0, add if from_the_first else lambda samples: samples)
        for deed in ("rest", "open", "rest", "fist"):
            person.do(deed, 2.0, add)
        person.do("rest", 0.1, add)
        assert person.verdicts[5][0] == expected, person.advice


def test_of_a_long_plan_the_last_steps_are_remembered() -> None:
    """With more than are kept, the one that was just forgotten was looked for: KeyError."""
    steps = [Step(name, 1.0, k) for k in range(1, KEPT + 3) for name in ("rest", "fist")]
    person = Judged(course=course_of(LabelPlan(tuple(steps), countdown_s=1.0), RATE))
    for deed in ("rest", *(step.label for step in steps)):
        person.do(deed, 1.0)
    person.do("rest", 0.1)
    assert [person.verdicts[k][0] for k in range(1, len(steps))] == ["good"] * (len(steps) - 1)


def test_a_countdown_without_a_signal_is_no_measure_of_rest() -> None:
    """A device that wakes up sends zeros at first: the first rest is no unrest for that."""
    person = Judged()
    person.give(np.zeros((2 * RATE, CHANNELS), np.float32))
    for deed in ASKED:
        person.do(deed, 2.0)
    person.do("rest", 0.1)
    assert person.said() == ["good"] * 8


def test_lost_samples_are_a_bad_signal() -> None:
    person = Judged()
    person.do("rest", 4.0)
    person.do("fist", 0.5)
    person.give(np.zeros((10, CHANNELS), np.float32), gap=RATE)
    person.do("fist", 0.6)
    assert person.verdicts[1][0] == "bad_signal"
    assert "lost" in (person.advice[1] or "")


def test_a_step_that_is_lost_as_a_whole_is_not_judged_and_the_next_is() -> None:
    person = Judged()
    person.do("rest", 4.0)
    person.give(np.ones((10, CHANNELS), np.float32), gap=2 * RATE + 50)
    person.do("rest", 2.0)
    assert person.verdicts.keys() == {0, 2}


def test_steps_of_less_than_a_second_are_not_judged() -> None:
    person = Judged(course=course_of(LabelPlan((Step("rest", 0.5, 1), Step("fist", 0.9, 1)), 2.0), RATE))
    person.do("rest", 5.0)
    assert person.verdicts == {}


def test_the_same_signal_gets_the_same_verdicts_however_it_is_cut() -> None:
    rng = np.random.default_rng(1)
    deeds = ["rest", *ASKED[:5], "fist", "fist", "open"]
    signal = np.concatenate([rng.normal(0, 1, (2 * RATE, CHANNELS)) * LEVELS[deed] for deed in deeds])
    found = []
    for size in (7, 100, 9999):
        judge, course, verdicts = StepJudge(CHANNELS, RATE, None), course_of(PLAN, RATE), []
        for at in range(0, len(signal), size):
            chunk = Chunk(index=at, samples=signal[at : at + size].astype(np.float32))
            verdicts += judge.take(chunk, 0, course)
        found.append(verdicts)
    assert found[0] == found[1] == found[2]
    assert [one.verdict for one in found[0]] == ["good"] * 6 + ["restless", "good"]
