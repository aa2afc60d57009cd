"""The rules of gestures as JSON has them, and an event as it is told."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import ArtefactError
from app.inference.gestures.events import GestureEvent, GestureRules, rule_set

EVENT = GestureEvent(
    gesture="fist",
    phase="hold",
    id=7,
    variant="long",
    index=3,
    sample_index=4000,
    began_at=2900,
    refined_by=100,
    strength=0.41239,
    confidence=0.987654,
    held_s=0.5,
    timestamp=1.5,
)


def test_what_is_not_said_is_as_usual_and_in_a_class_as_in_the_others() -> None:
    found = rule_set({"enter": 0.9, "classes": {"fist": {"long_s": 1}}})
    assert found.rules == GestureRules(enter=0.9)
    assert found.overrides == {"fist": GestureRules(enter=0.9, long_s=1.0)}


def test_its_json_says_the_same() -> None:
    found = rule_set({"enter": 0.9, "classes": {"fist": {"long_s": 1}, "open": {}}})
    assert rule_set(found.fields) == found
    assert hash(rule_set(found.fields)) == hash(found)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"entry": 1}, "has 'entry'; it takes enter, leave"),
        ({"enter": 1.5}, "gesture_rules.enter must be from 0 to 1, got 1.5"),
        ({"enter": "high"}, "gesture_rules.enter must be a number, got 'high'"),
        ({"enter": True}, "gesture_rules.enter must be a number, got True"),
        ({"enter": float("nan")}, "gesture_rules.enter must be from 0 to 1, got nan"),
        ({"enter": 0.3}, "gesture_rules.leave must be at most gesture_rules.enter, 0.3, got 0.4"),
        ({"rise": 2}, "gesture_rules.rise must be from 0 to 1, got 2"),
        ({"smooth_s": -1}, "gesture_rules.smooth_s must be from 0 to 3600 s, got -1"),
        (
            {"classes": {"fist": {"smooth_s": 1}}},
            "gesture_rules.classes.fist.smooth_s must be left out: it is the same for all classes",
        ),
        ({"hold_s": -1}, "gesture_rules.hold_s must be from 0 to 3600 s, got -1"),
        ({"double_s": 0.1}, "double_s must be 0 or above gesture_rules.refractory_s, 0.15, got 0.1"),
        ({"classes": []}, "gesture_rules.classes must be an object"),
        ({"classes": {"fist": 1}}, "gesture_rules.classes.fist must be an object with any of enter"),
        ({"classes": {"fist": {"enter": 2}}}, "gesture_rules.classes.fist.enter must be from 0 to 1, got 2"),
        ({"classes": {"fist": {"classes": {}}}}, "gesture_rules has classes.fist.'classes'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ArtefactError) as error:
        rule_set(said)
    assert why in str(error.value)
    assert "\n" not in str(error.value)


def test_an_event_as_json_names_its_class_and_gives_a_reason_to_releases_alone() -> None:
    assert EVENT.fields == {
        "gesture": "fist",
        "phase": "hold",
        "id": 7,
        "variant": "long",
        "class": 3,
        "sample_index": 4000,
        "began_at": 2900,
        "refined_by": 100,
        "strength": 0.412,
        "confidence": 0.9877,
        "held_s": 0.5,
        "timestamp": 1.5,
    }
    assert EVENT.released("shutdown", 2.0).fields == {
        **EVENT.fields,
        "phase": "release",
        "reason": "shutdown",
        "timestamp": 2.0,
    }
