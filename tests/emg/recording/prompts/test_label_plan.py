"""Plans: what the person is asked, and which sample belongs to which prompt."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.emg.recording.prompts.course import course_of
from app.emg.recording.prompts.label_plan import LabelPlan, Step, parse_plan, plan_of, read_plan
from app.emg.source import UNLABELLED
from app.errors import DataError


def test_the_short_form_is_done_as_often_as_it_says() -> None:
    plan = parse_plan("rest:3,fist:2.5 x 2")
    assert [(step.label, step.seconds, step.repetition) for step in plan.steps] == [
        ("rest", 3.0, 1),
        ("fist", 2.5, 1),
        ("rest", 3.0, 2),
        ("fist", 2.5, 2),
    ]
    assert plan.gesture_names == ("rest", "fist")


@pytest.mark.parametrize("text", ["fist:2", "fist:2 x 1", " fist : 2 ", "fist:2 × 1", "fist:2 * 1"])
def test_one_gesture_once_can_be_written_in_several_ways(text: str) -> None:
    assert parse_plan(text).steps == (Step("fist", 2.0, 1),)


def test_between_two_gestures_there_is_a_pause_that_belongs_to_the_second() -> None:
    plan = plan_of(["fist", "point"], repetitions=2, seconds=3, rest_seconds=2)
    assert [(step.label, step.repetition) for step in plan.steps] == [
        ("fist", 1),
        ("rest", 1),
        ("point", 1),
        ("rest", 2),
        ("fist", 2),
        ("rest", 2),
        ("point", 2),
    ]
    assert plan.gesture_names == ("rest", "fist", "point")


def test_a_rest_that_is_asked_for_needs_no_pause_beside_it() -> None:
    plan = plan_of(["rest", "fist"], repetitions=2, seconds=3, rest_seconds=2)
    assert [step.label for step in plan.steps] == ["rest", "fist", "rest", "fist"]


def test_json_and_python_describe_the_same_plan() -> None:
    values = {"gestures": ["fist", "open"], "repetitions": 2, "seconds": 1.5, "rest_seconds": 0.5}
    assert parse_plan(json.dumps({**values, "countdown_seconds": 0})) == plan_of(
        ["fist", "open"], 2, 1.5, 0.5, countdown_seconds=0
    )


def test_labels_change_at_the_sample_that_completes_a_step() -> None:
    plan = LabelPlan((Step("rest", 1.0, 1), Step("fist", 0.5, 1)), countdown_s=0.2)
    label, repetition = course_of(plan, 10.0).label_rows(np.arange(20))
    assert label.tolist() == [UNLABELLED] * 2 + [0] * 10 + [1] * 5 + [UNLABELLED] * 3
    assert repetition.tolist() == [0] * 2 + [1] * 15 + [0] * 3


def test_the_prompt_counts_down_and_names_what_comes_next() -> None:
    plan = LabelPlan((Step("rest", 1.0, 1), Step("fist", 0.5, 1)), countdown_s=0.2)
    course = course_of(plan, 10.0)
    found = [course.prompt(position) for position in (0, 1, 2, 11, 12, 16)]
    assert [(p.label, p.next_label, round(p.seconds_left, 3), p.step) for p in found if p] == [
        (None, "rest", 0.2, 0),
        (None, "rest", 0.1, 0),
        ("rest", "fist", 1.0, 1),
        ("rest", "fist", 0.1, 1),
        ("fist", None, 0.5, 2),
        ("fist", None, 0.1, 2),
    ]
    assert course.prompt(17) is None


@given(
    st.lists(st.floats(0.1, 10.0), min_size=1, max_size=6),
    st.floats(0.0, 5.0),
    st.sampled_from([200.0, 1000.0, 1925.926, 2000.0]),
)
def test_every_step_gets_its_seconds_to_within_a_sample(
    seconds: list[float], countdown: float, rate: float
) -> None:
    plan = LabelPlan(tuple(Step(f"g{k}", s, 1) for k, s in enumerate(seconds)), countdown)
    length = round(plan.seconds * rate) + 5
    label, _ = course_of(plan, rate).label_rows(np.arange(length))
    for k, wanted in enumerate(seconds):
        assert abs((label == plan.gesture_names.index(f"g{k}")).sum() - wanted * rate) <= 1
    assert abs((label == UNLABELLED).sum() - countdown * rate - 5) <= 1


def test_a_plan_comes_back_from_its_json() -> None:
    plan = plan_of(["a", "b"], 2, countdown_seconds=1.0, rest="idle")
    assert LabelPlan.from_json(json.loads(json.dumps(plan.as_json()))) == plan


def test_a_file_is_read_and_a_text_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "plan.txt"
    file.write_text("rest:1,fist:2 x 3\n")
    assert read_plan(str(file)) == read_plan("rest:1,fist:2 x 3")


def test_a_text_that_is_longer_than_a_files_name_may_be_is_a_plan() -> None:
    """It was taken for a file's name: the plan ... cannot be read: File name too long."""
    names = [f"gesture_{k}" for k in range(40)]
    for text in (",".join(f"{name}:3" for name in names), json.dumps({"gestures": names})):
        assert set(read_plan(text).gesture_names) >= set(names)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the plan is empty"),
        ("fist", "'fist' is not `gesture:seconds`"),
        ("fist:2,,rest:1", "'' is not `gesture:seconds`"),
        ("fist:two", "'fist:two' is not `gesture:seconds`"),
        ("fist:0", "the seconds of fist must be from 0.1 to 3600 s, got 0"),
        ("fist:-1", "the seconds of fist must be from 0.1"),
        ("fist:nan", "the seconds of fist must be from 0.1"),
        ("fist:inf", "the seconds of fist must be from 0.1"),
        (":3", "a gesture's name is a printable text"),
        ("fi\nst:3", "a gesture's name is a printable text"),
        ("fi\x1b[2Jst:3", "a gesture's name is a printable text"),
        ("fi\u2028st:3", "a gesture's name is a printable text"),
        ("\u202efist:3", "a gesture's name is a printable text"),
        ('{"gestures": ["\\ud800"]}', "a gesture's name is a printable text"),
        (f"{'x' * 65}:3", "1 to 64 characters"),
        ("fist:3 x 0", "done 1 to 1000 times, got `x 0`"),
        ("fist:3 x many", "done 1 to 1000 times, got `x many`"),
        ("fist:3 x 99999999999999999999", "done 1 to 1000 times"),
        ("fist:3600,rest:3600 x 3", "a plan lasts up to 4 h"),
        ('{"gestures": ["a"], "second": 3}', "unknown 'second'; there are gestures"),
        ('{"gestures": "a"}', 'needs "gestures", a list of names'),
        ('{"gestures": []}', 'needs "gestures", a list of names'),
        ('{"gestures": ["a", "a"]}', "gestures must differ"),
        ('{"gestures": ["a"], "seconds": "3"}', "seconds must be a number, got '3'"),
        ('{"gestures": ["a"], "seconds": true}', "seconds must be a number"),
        ('{"gestures": ["a"], "seconds": NaN}', "seconds must be from 0.1"),
        ('{"gestures": ["a"], "repetitions": 1.5}', "repetitions must be a whole number"),
        ('{"gestures": ["a"], "repetitions": 0}', "repetitions must be from 1 to 1000"),
        ('{"gestures": ["a"], "seconds": 1' + "0" * 400 + "}", "seconds must be a number"),
        ('{"gestures": ["a"]', "the plan is not JSON"),
        (json.dumps({"gestures": [f"g{k}" for k in range(65)]}), "up to 64 gestures, got 65"),
        (",".join(f"g{k}:0.1" for k in range(11)) + " x 1000", "up to 10000 steps, pauses included"),
        (
            json.dumps({"gestures": [f"g{k}" for k in range(64)], "repetitions": 1000, "seconds": 0.1}),
            "up to 10000 steps, pauses included",
        ),
        (
            json.dumps(
                {"gestures": list("abcdef"), "repetitions": 1000, "seconds": 0.1, "rest_seconds": 0.1}
            ),
            "this one has 11999 or more",
        ),
    ],
)
def test_a_wrong_plan_is_told_which_part_is_wrong(text: str, says: str) -> None:
    with pytest.raises(DataError) as error:
        parse_plan(text)
    assert says in str(error.value)


def test_neither_file_nor_plan_says_both_ways(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no file nowhere.json, and a plan written out is `rest:3,fist:3 x 3`"
    ):
        read_plan("nowhere.json")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="cannot be read"):
        read_plan(str(file))


@pytest.mark.parametrize("name", ["faust öffnen", "手を握る", "مشت‌ها", "👩‍🚀", "🫨", "open (50 %)", "a:b"])
def test_a_gesture_may_have_any_name_in_any_script(name: str) -> None:
    """What joins the parts of an emoji is no printable character for Python, nor what is younger than its table."""
    assert parse_plan(f"{name}:3").gesture_names == (name,)
    assert plan_of(["rest", name]).gesture_names == ("rest", name)
