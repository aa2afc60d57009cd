"""What is published for which event, without ROS."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myostream_client import Completed, Frame, GestureEvent, Interrupted, SourceChange, ValueFrame

FRAME = Frame(
    frame=0, timestamp=1.0, prediction=1, label="fist", confidence=0.9, probabilities=(0.1, 0.9), decision=1,
    decision_label="fist", intensity=0.6, sample_index=400, age_ms=1.0, latency_ms=0.3, dropped=0,
    backend="onnxruntime", shape=(1, 2), cpu_percent=1.0, strength=0.25,
)  # fmt: skip
VALUES = ValueFrame(
    frame=0, timestamp=1.0, values={"wrist": 20.0}, output={"wrist": 12}, intensity=0.6, sample_index=400, age_ms=1.0,
    latency_ms=0.3, dropped=0, backend="onnxruntime", shape=(1, 1), cpu_percent=1.0,
)  # fmt: skip
STALLED = SourceChange(
    status="stalled", timestamp=1.0, source_state="stalled", decision=0, decision_label="rest"
)
CUT = Interrupted(reason="the connection was cut", attempt=1, delay_s=0.25)
OVER = Completed(total_frames=1, duration_seconds=1.0, avg_fps=1.0)


def gesture(phase: str, number: int, name: str = "fist") -> GestureEvent:
    return GestureEvent(
        gesture=name, phase=phase, id=number, variant="single", index=1, sample_index=400, began_at=300, refined_by=20,
        strength=0.5, confidence=0.9, held_s=0.5, timestamp=1.0, reason="rest" if phase == "release" else None,
    )  # fmt: skip


def hand() -> Any:
    from myostream_ros.topics import HandTopics

    return HandTopics()


def brief(messages: list[Any]) -> list[tuple[str, Any]]:
    """Name of the topic, and the value; of an event its phase, id and reason."""
    found = []
    for message in messages:
        value = message.fields.get("data", message.fields)
        if message.topic.name == "gesture":
            said = json.loads(value)
            value = (said["phase"], said["id"], said.get("reason"))
        found.append((message.topic.name, value))
    return found


def test_before_anything_is_heard_nothing_is_held() -> None:
    told = [("held", ""), ("decision", ""), ("strength", 0.0), ("alive", False)]
    assert brief(hand().begin()) == told


def test_a_gesture_goes_from_onset_to_release() -> None:
    ours = hand()
    ours.begin()
    assert brief(ours.take(FRAME, 0.0)) == [("alive", True), ("decision", "fist"), ("strength", 0.25)]
    assert brief(ours.take(FRAME, 0.03)) == [("strength", 0.25)]
    assert brief(ours.take(gesture("onset", 7), 0.04)) == [("gesture", ("onset", 7, None)), ("held", "fist")]
    assert brief(ours.take(gesture("hold", 7), 0.05)) == [("gesture", ("hold", 7, None))]
    assert brief(ours.take(gesture("release", 7), 0.06)) == [
        ("gesture", ("release", 7, "rest")),
        ("held", ""),
    ]


def test_an_event_is_the_json_of_the_server() -> None:
    (said, _) = hand().take(gesture("onset", 7), 0.0)[1:]
    assert json.loads(said.fields["data"]) == {
        "gesture": "fist", "phase": "onset", "id": 7, "variant": "single", "class": 1, "sample_index": 400,
        "began_at": 300, "refined_by": 20, "strength": 0.5, "confidence": 0.9, "held_s": 0.5, "timestamp": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "reason", "decision"),
    [(STALLED, "stalled", "rest"), (CUT, "interrupted", ""), (OVER, "completed", ""), (None, "silence", "")],
    ids=["stalled", "interrupted", "completed", "silence"],
)
def test_whatever_ends_the_news_ends_the_gesture(event: Any, reason: str, decision: str) -> None:
    ours = hand()
    ours.take(FRAME, 0.0)
    ours.take(gesture("onset", 7), 0.0)
    assert ours.tick(0.25) == []
    found = ours.tick(0.26) if event is None else ours.take(event, 0.26)
    assert brief(found) == [
        ("gesture", ("release", 7, reason)),
        ("held", ""),
        ("decision", decision),
        ("strength", 0.0),
        ("alive", False),
    ]
    assert brief(ours.take(gesture("release", 7), 0.3)) == []


def test_what_is_held_still_after_a_silence_begins_again() -> None:
    ours = hand()
    ours.take(gesture("onset", 7), 0.0)
    ours.tick(1.0)
    found = brief(ours.take(gesture("hold", 7), 1.1))
    assert found == [("alive", True), ("gesture", ("onset", 7, None)), ("held", "fist")]


def test_values_are_the_positions_of_joints() -> None:
    (_, joints) = hand().take(VALUES, 0.0)
    assert (joints.topic.type, dict(joints.fields)) == (
        "sensor_msgs/JointState",
        {"name": ["wrist"], "position": [12.0]},
    )


STEPS = st.one_of(
    st.sampled_from([FRAME, VALUES, STALLED, CUT, OVER, None]),
    st.builds(
        lambda phase, number: gesture(phase, number, ("fist", "pinch")[number % 2]),
        st.sampled_from(["onset", "hold", "release"]),
        st.integers(1, 3),
    ),
)


@given(st.lists(st.tuples(st.floats(0.0, 0.4), STEPS), max_size=30))
def test_whatever_is_heard_no_gesture_begins_while_another_is_held_and_none_is_stuck(
    steps: list[tuple[float, Any]],
) -> None:
    ours, now, messages = hand(), 0.0, []
    for after, step in steps:
        now += after
        messages += ours.tick(now) if step is None else ours.take(step, now)
    messages += ours.tick(now + 1.0)
    held, named = None, ""
    for name, value in brief(messages):
        if name == "held":
            named = value
        elif name == "gesture":
            phase, number, _ = value
            assert held == (None if phase == "onset" else number)
            held = None if phase == "release" else number
    assert held is None
    assert named == ""
