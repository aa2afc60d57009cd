"""Texts at moments as gestures."""

from __future__ import annotations

import pytest

from app.emg.files.binary.event_labels import Event, label, looks_like_gestures
from app.emg.files.imported import ImportHints

NO_HINTS = ImportHints()


def names(*events: Event, hints: ImportHints = NO_HINTS, forced: bool = False) -> tuple[str, ...]:
    return label(events, hints, what="markers", end=1000.0, forced=forced).gesture_names


@pytest.mark.parametrize(
    "text",
    ["fist", "Hand Open", "wristFlexion", "no_motion", "power grip", "gesture_3", "REST", "pinch start"],
)
def test_these_look_like_gestures(text: str) -> None:
    assert looks_like_gestures([Event(0.0, None, text)], NO_HINTS)


@pytest.mark.parametrize(
    "text", ["XXX", "Test", "lamp", "stimulus 5", "boundary", "{'state': 2}", "", "Hello"]
)
def test_these_do_not(text: str) -> None:
    assert not looks_like_gestures([Event(0.0, None, text)], NO_HINTS)


def test_the_texts_that_a_person_names_are_the_gestures() -> None:
    hints = ImportHints(gesture_names=("A", "B"))
    events = [Event(0.0, None, "A"), Event(10.0, None, "lamp"), Event(20.0, None, "B")]
    assert names(*events, hints=hints) == ("A", "B")


def test_numbers_get_the_names_that_are_given() -> None:
    hints = ImportHints(gesture_names=("rest", "fist"), rest="0")
    found = label(
        [Event(0.0, None, "1"), Event(10.0, None, "0")], hints, what="markers", end=20.0, forced=True
    )
    assert found.gesture_names == ("fist", "rest")
    assert found.labels(0, 0, 20).tolist() == [0] * 10 + [1] * 10


def test_technical_annotations_are_none() -> None:
    found = label(
        [Event(0.0, 10.0, "BAD_gap"), Event(20.0, 30.0, "boundary")], NO_HINTS, what="annotations", end=100.0
    )
    assert found.gesture_names == ()
    assert "left out" in found.found[0]


def test_too_many_different_texts_are_no_gestures() -> None:
    events = [Event(float(k), k + 0.5, f"pose {k}") for k in range(65)]
    assert names(*events) == ()


def test_a_later_event_goes_before_an_earlier_one_that_still_lasts() -> None:
    found = label([Event(0.0, 10.0, "rest"), Event(4.0, 6.0, "fist")], NO_HINTS, what="x", end=12.0)
    assert found.labels(0, 2, 10).tolist() == [0, 0, 1, 1, 0, 0, 0, 0, -1, -1]
