"""The client for Unity without Unity: its parser beside the others, typed events, pairs of onset and release."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clients.event_streams import CASES, cut_streams, parsed
from tests.clients.unity.built import NEEDS_MONO, Ask

pytestmark = NEEDS_MONO


def alike(text: str) -> str:
    """Runtimes differ in how many marks they put for bytes that are no UTF-8; the server sends none."""
    return re.sub("\ufffd+", "\ufffd", text)


def seen(ask: Ask, *pieces: bytes) -> tuple[list[tuple[str, str, str]], str, int]:
    (found,) = ask("parse", [",".join(piece.hex() for piece in pieces)])
    events = [(alike(one["id"]), alike(one["event"]), alike(one["data"])) for one in found["events"]]
    return events, alike(found["last_event_id"]), found["retry"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_standards_rules_hold_however_the_stream_is_cut(ask: Ask, case: dict[str, Any]) -> None:
    stream = bytes.fromhex(case["hex"])
    events = [(one["id"], alike(one["event"]), alike(one["data"])) for one in case["events"]]
    cuts = [[stream[:cut], stream[cut:]] for cut in range(len(stream) + 1)]
    for pieces in (*cuts, [stream[k : k + 1] for k in range(len(stream))] or [b""]):
        assert seen(ask, *pieces)[:2] == (events, case["last_event_id"]), pieces


@given(cut_streams())
@settings(max_examples=300, deadline=None)
def test_any_stream_is_read_as_python_reads_it(ask: Ask, pieces: list[bytes]) -> None:
    events, last_id, retry = parsed(*pieces)
    expected = [(alike(one.id), alike(one.event), alike(one.data)) for one in events]
    assert seen(ask, *pieces) == (expected, alike(last_id), -1 if retry is None else retry)


GESTURE = {
    "gesture": "fist", "phase": "release", "id": 9007199254740991, "variant": "long", "class": 1,
    "sample_index": 4800, "began_at": 2100, "refined_by": 120, "strength": 0.42, "confidence": 0.987,
    "held_s": 1.25, "reason": "rest", "timestamp": 1796045654.5, "frame": 3, "dropped": 0,
}  # fmt: skip


def test_every_field_of_a_gesture_is_there(ask: Ask) -> None:
    (found,) = ask("read", [json.dumps(GESTURE)])
    assert {key: pytest.approx(value) if isinstance(value, float) else value for key, value in found.items()} == {
        "kind": "GestureEvent", "Gesture": "fist", "Phase": "Release", "Id": 9007199254740991, "Variant": "Long",
        "ClassIndex": 1, "SampleIndex": 4800, "BeganAt": 2100, "RefinedBy": 120, "Strength": 0.42,
        "Confidence": 0.987, "HeldSeconds": 1.25, "Reason": "rest", "Timestamp": 1796045654.5,
    }  # fmt: skip


PLACE = {"frame": 0, "sample_index": 500, "age_ms": 2.2, "dropped": 0, "timestamp": 1}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            {
                "status": "stalled",
                "timestamp": 1,
                "decision": 0,
                "decision_label": "rest",
                "source_state": "stalled",
            },
            "SourceChange",
        ),
        (
            {
                "status": "model",
                "timestamp": 1,
                "model": None,
                "from_sample": 4,
                "classes": [],
                "rest_class": None,
            },
            "ModelChange",
        ),
        ({"truth": None, **PLACE}, "SignalFrame"),
        ({"values": {"grip": 0.4}, "output": {"grip": 0.0}, "intensity": 0.5, **PLACE}, "ValueFrame"),
        ({"error": "the engine is overloaded", "timestamp": 1, "frame": 0, "dropped": 0}, "Trouble"),
        ({"status": "of a later server", "timestamp": 1}, None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_kind_of_event_is_told_apart(ask: Ask, said: dict[str, Any], kind: str | None) -> None:
    assert ask("read", [json.dumps(said)])[0]["kind"] == kind


def test_a_label_that_looks_like_a_date_stays_as_it_is(ask: Ask) -> None:
    (found,) = ask("read", [json.dumps({**GESTURE, "gesture": "2026-11-30T10:00:00Z"})])
    assert found["Gesture"] == "2026-11-30T10:00:00Z"


@pytest.mark.parametrize("key", sorted({*GESTURE} - {"reason", "timestamp", "frame", "dropped", "gesture"}))
def test_an_event_that_lacks_a_key_or_has_a_word_there_is_an_error_with_its_text(ask: Ask, key: str) -> None:
    lacking = {name: value for name, value in GESTURE.items() if name != key}
    wrong = {**GESTURE, key: "no such"}
    for said in [lacking, wrong] if key != "phase" else [wrong]:
        (found,) = ask("read", [json.dumps(said)])
        assert '"gesture":"fist"' in found.get("error", ""), found


def test_what_is_no_json_object_is_an_error(ask: Ask) -> None:
    for text in ("[1]", "nonsense", '{"a"', "<html>"):
        assert "not what a server says" in ask("read", [text])[0]["error"]


def told(phase: str, number: int, name: str = "fist", strength: float = 0.5) -> dict[str, Any]:
    reason = {"reason": "rest"} if phase == "release" else {}
    said = {**GESTURE, "gesture": name, "phase": phase, "id": number, "strength": strength, **reason}
    return said if reason else {key: value for key, value in said.items() if key != "reason"}


FRAME = {
    "prediction": 1, "label": "fist", "confidence": 0.9, "probabilities": [0.1, 0.9], "decision": 1,
    "decision_label": "fist", "intensity": 0.6, "strength": 0.25, "sample_index": 1, "age_ms": 1.0, "latency_ms": 0.3,
    "frame": 0, "dropped": 0, "timestamp": 1.0, "truth": None,
}  # fmt: skip
STALLED = {
    "status": "stalled",
    "timestamp": 1,
    "decision": 0,
    "decision_label": "rest",
    "source_state": "stalled",
}


def hand(ask: Ask, *steps: tuple[float, Any]) -> list[str]:
    (found,) = ask("hand", [json.dumps(steps)])
    return list(found)


def test_a_gesture_is_told_from_onset_to_release(ask: Ask) -> None:
    assert hand(
        ask,
        (0.0, FRAME),
        (0.1, told("onset", 7)),
        (0.2, told("hold", 7, strength=0.75)),
        (0.3, told("release", 7)),
    ) == [
        "fist 0.25 live",
        "began fist 7",
        "fist 0.5 live",
        "held fist 7",
        "fist 0.75 live",
        "ended fist 7 rest",
        "fist 0 live",
    ]


def test_silence_ends_what_is_held_and_what_is_held_still_begins_again(ask: Ask) -> None:
    assert hand(
        ask,
        (0.0, told("onset", 7)),
        (0.2, "tick"),
        (0.3, "tick"),
        (0.5, told("hold", 7)),
        (0.6, "the connection was lost"),
        (0.9, told("release", 7)),
    ) == [
        "began fist 7", "- 0.5 live", "- 0.5 live", "ended fist 7 silence", "- 0 silent", "began fist 7", "- 0.5 live",
        "ended fist 7 interrupted", "- 0 silent", "- 0 silent",
    ]  # fmt: skip


def test_a_source_that_stalls_is_at_rest(ask: Ask) -> None:
    found = hand(ask, (0.0, FRAME), (0.0, told("onset", 7)), (0.1, STALLED))
    assert found[-2:] == ["ended fist 7 stalled", "rest 0 silent"]


STEPS = st.one_of(
    st.just("tick"),
    st.just("cut"),
    st.just(FRAME),
    st.just(STALLED),
    st.builds(
        lambda phase, number: told(phase, number, ("fist", "pinch")[number % 2]),  # an id is of one gesture
        st.sampled_from(["onset", "hold", "release"]),
        st.integers(1, 3),
    ),
)


@given(st.lists(st.tuples(st.floats(0.0, 0.4), STEPS), max_size=20))
@settings(max_examples=500, deadline=None)
def test_whatever_is_heard_no_gesture_begins_while_another_is_held_and_none_is_stuck(
    ask: Ask, steps: list[tuple[float, Any]]
) -> None:
    now, timed = 0.0, []
    for after, step in steps:
        now += after
        timed.append((now, step))
    held = None
    for line in hand(ask, *timed, (now + 1.0, "tick")):
        what, *rest = line.split()
        if what == "began":
            assert held is None
            held = rest[:2]
        elif what == "held":
            assert held == rest[:2]
        elif what == "ended":
            assert held == rest[:2]
            held = None
    assert held is None


def test_of_frames_that_wait_the_newest_is_kept_and_of_gestures_all(ask: Ask) -> None:
    said = [{**FRAME, "timestamp": k} for k in range(3)]
    said += [{**told("onset", 7), "timestamp": 3}, {**told("release", 7), "timestamp": 4}]
    said += [{**FRAME, "timestamp": k} for k in range(5, 8)]
    assert ask("queue", [json.dumps(said)]) == [[[2, 3, 4, 7], 0]]
