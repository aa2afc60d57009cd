"""What is asked, and what counts, when prompts are paused, redone and skipped: sample by sample."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.emg.recording.prompts.course import (
    ACTIONS,
    DONE,
    MAX_ACTIONS,
    OFFER,
    OFFER_S,
    REDONE,
    SKIPPED,
    Action,
    Course,
    Entry,
    course_of,
)
from app.emg.recording.prompts.label_plan import LabelPlan, Step
from app.emg.source import UNLABELLED
from app.errors import BusyError

# At 10 Hz: countdown 0-5, rest 5-15, fist 15-25, rest 25-30, point 30-40. A get-ready takes as long as the countdown.
PLAN = LabelPlan(
    (Step("rest", 1.0, 1), Step("fist", 1.0, 1), Step("rest", 0.5, 1), Step("point", 1.0, 1)), countdown_s=0.5
)
REST, FIST, POINT = 0, 1, 2
READY = 5


def after(*actions: tuple[int, str] | tuple[int, str, int]) -> Course:
    course = course_of(PLAN, 10.0)
    for action in actions:
        course = course.act(Action(*action))
    return course


def spans(course: Course, until: int = 200) -> list[tuple[int, int, int]]:
    """Where each label stands: first sample, the one before which it ends, and which."""
    label, repetition = course.label_rows(np.arange(until))
    assert np.array_equal(repetition, np.where(label == UNLABELLED, 0, 1))
    bounds = [0, *(np.flatnonzero(np.diff(label)) + 1).tolist(), until]
    return [(a, b, int(label[a])) for a, b in pairwise(bounds) if label[a] != UNLABELLED]


def test_a_plan_about_which_nothing_is_done_is_done_as_it_stands() -> None:
    course = after()
    assert spans(course) == [(5, 15, REST), (15, 25, FIST), (25, 30, REST), (30, 40, POINT)]
    assert course.entries(27) == (Entry(0, 5, 15), Entry(1, 15, 25))
    assert [course.over(at) for at in (39, 40)] == [False, True]


def test_what_is_paused_begins_anew_after_a_get_ready() -> None:
    course = after((20, "pause"))
    assert spans(course) == [(5, 15, REST)]
    prompt = course.prompt(100)
    assert prompt is not None
    assert (prompt.label, prompt.next_label, prompt.paused, prompt.seconds_left) == (None, "fist", True, 0.0)
    assert prompt.total_seconds_left == 0.5 + 1.0 + 0.5 + 1.0
    assert not course.over(10**6)

    course = course.act(Action(100, "resume"))
    assert spans(course) == [(5, 15, REST), (105, 115, FIST), (115, 120, REST), (120, 130, POINT)]
    assert course.entries(115) == (Entry(0, 5, 15), Entry(1, 15, 20, REDONE), Entry(1, 105, 115))
    prompt = course.prompt(102)
    assert prompt is not None
    assert (prompt.label, prompt.next_label, prompt.seconds_left, prompt.seconds) == (None, "fist", 0.3, 0.5)
    assert (prompt.step, prompt.total_seconds_left) == (2, 2.8)


def test_a_pause_in_the_countdown_costs_nothing_but_time() -> None:
    course = after((3, "pause"), (50, "resume"))
    assert spans(course)[0] == (55, 65, REST)
    assert course.entries(55) == ()


def test_a_gesture_that_is_redone_while_it_runs_begins_anew() -> None:
    course = after((18, "redo"))
    assert spans(course) == [(5, 15, REST), (23, 33, FIST), (33, 38, REST), (38, 48, POINT)]
    assert course.entries(40)[1] == Entry(1, 15, 18, REDONE)


def test_in_the_rest_after_it_the_gesture_before_is_redone_and_the_rest_after_that_too() -> None:
    """A person sees there that the last one was nothing."""
    course = after((27, "redo"))
    assert spans(course) == [(5, 15, REST), (32, 42, FIST), (42, 47, REST), (47, 57, POINT)]
    assert course.entries(45) == (
        Entry(0, 5, 15),
        Entry(1, 15, 25, REDONE),
        Entry(2, 25, 27, REDONE),
        Entry(1, 32, 42),
    )


def test_redo_after_the_last_step_asks_it_once_more() -> None:
    course = after((41, "redo"))
    assert spans(course) == [(5, 15, REST), (15, 25, FIST), (25, 30, REST), (46, 56, POINT)]


def test_any_repetition_can_be_named() -> None:
    course = after((33, "redo", 0))
    assert spans(course) == [(15, 25, FIST), (25, 30, REST), (38, 48, REST), (48, 58, POINT)]
    for index, reason in ((0, "has been asked again already"), (9, "there is no repetition 9 yet")):
        with pytest.raises(BusyError, match=reason):
            course.act(Action(39, "redo", index))


def test_pressed_twice_it_is_redone_once() -> None:
    course = after((27, "redo"))
    with pytest.raises(BusyError, match="asked again already"):
        course.act(Action(28, "redo"))
    paused = course.act(Action(29, "pause"))
    with pytest.raises(BusyError, match="asked again already"):
        paused.act(Action(30, "redo"))
    assert spans(course.act(Action(33, "redo")))[1] == (38, 48, FIST)  # it has begun, and is cut short


def test_redo_in_the_first_rest_asks_the_rest_again() -> None:
    assert spans(after((8, "redo")))[:2] == [(13, 23, REST), (23, 33, FIST)]


def test_redo_while_paused_comes_first_when_it_goes_on() -> None:
    course = after((32, "pause"), (35, "redo"), (60, "resume"))
    assert spans(course) == [(5, 15, REST), (25, 30, REST), (65, 75, FIST), (75, 85, POINT)]


def test_what_is_skipped_has_no_label_and_the_next_comes_at_once() -> None:
    course = after((18, "skip"))
    assert spans(course) == [(5, 15, REST), (18, 23, REST), (23, 33, POINT)]
    assert course.entries(20) == (Entry(0, 5, 15), Entry(1, 15, 18, SKIPPED))


def test_what_comes_next_can_be_skipped_before_it_begins() -> None:
    course = after((2, "skip"))
    assert spans(course)[0] == (5, 15, FIST)
    assert course.entries(3) == (Entry(0, 2, 2, SKIPPED),)
    paused = after((18, "pause"), (19, "skip"), (50, "resume"))
    assert spans(paused) == [(5, 15, REST), (55, 60, REST), (60, 70, POINT)]


def test_skipping_the_last_ends_it_and_what_was_skipped_can_be_asked_again() -> None:
    course = after((35, "skip"))
    assert course.over(35)
    assert spans(course.act(Action(36, "redo")))[-1] == (41, 51, POINT)


def test_at_the_end_it_waits_for_a_while_whether_the_last_is_to_be_done_again() -> None:
    course = after((42, OFFER))
    ends = 42 + int(OFFER_S * 10)
    assert [course.over(at) for at in (42, ends - 1, ends)] == [False, False, True]
    prompt = course.prompt(50)
    assert prompt is not None
    assert (prompt.label, prompt.next_label, prompt.total_seconds_left) == (None, None, 0.0)
    assert spans(course)[-1] == (30, 40, POINT)
    again = course.act(Action(50, "redo"))
    assert spans(again)[-1] == (55, 65, POINT)
    assert again.over(65)
    assert course.act(Action(50, "skip")).over(50)
    held = course.act(Action(50, "pause"))
    assert not held.over(10**6)
    assert held.act(Action(10**6, "resume")).over(10**6)


@pytest.mark.parametrize(
    ("actions", "reason"),
    [
        ([(20, "resume")], "are not paused"),
        ([(20, "pause"), (21, "pause")], "paused already"),
        ([(3, "redo")], "nothing has been asked yet"),
        ([(41, "pause")], "the plan is over"),
        ([(41, "skip")], "the plan is over"),
        ([(20, OFFER)], "not over yet"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(actions: list[tuple[int, str]], reason: str) -> None:
    with pytest.raises(BusyError, match=reason):
        after(*actions)


def test_actions_have_a_bound() -> None:
    course = after()
    for at in range(MAX_ACTIONS // 2):
        course = course.act(Action(at, "pause")).act(Action(at, "resume"))
    with pytest.raises(BusyError, match="takes 1000 actions"):
        course.act(Action(MAX_ACTIONS, "pause"))


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from(ACTIONS), st.none() | st.integers(0, 6)), max_size=25
    )
)
def test_whatever_is_done_entries_only_grow_and_labels_are_those_of_what_was_done(
    deeds: list[tuple[int, str, int | None]],
) -> None:
    course, at = course_of(PLAN, 10.0), 0
    seen: tuple[tuple[int, int, int], ...] = ()
    for later, action, index in deeds:
        at += later
        known = tuple((one.step, one.begin, one.end) for one in course.entries(at))
        assert known[: len(seen)] == seen
        try:
            course = course.act(Action(at, action, index if action == "redo" else None))
        except BusyError:
            continue
        seen = tuple((one.step, one.begin, one.end) for one in course.entries(at))
        assert seen[: len(known)] == known
    if course.paused:
        course = course.act(Action(at, "resume"))
    ends = at + 2000
    assert course.over(ends)
    entries = course.entries(ends)
    label, _ = course.label_rows(np.arange(ends))
    expected = np.full(ends, UNLABELLED)
    for one in entries:
        if one.state == DONE:
            assert one.end - one.begin == round(PLAN.steps[one.step].seconds * 10)  # none is cut short
            expected[one.begin : one.end] = PLAN.gesture_names.index(PLAN.steps[one.step].label)
    assert np.array_equal(label, expected)
    asked = [one.step for one in entries if one.state in (DONE, SKIPPED)]
    assert sorted(asked) == [0, 1, 2, 3]  # each was done once, or left out
