"""Whatever a way out is told, its receiver hears of one gesture after the other, each with its end."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from app.serving.outputs.gesture_gate import GestureGate
from tests.serving.outputs.gestures import event


def test_events_of_one_gesture_pass_as_they_are() -> None:
    gate = GestureGate()
    events = [event("onset"), event("hold"), event("release")]
    assert [told.event for one in events for told in gate.take(one)] == events


def test_a_second_onset_releases_the_first() -> None:
    gate = GestureGate()
    gate.take(event("onset", id=1))
    released, begun = gate.take(event("onset", id=2, gesture="point"))
    assert (released.event.phase, released.event.id, released.event.reason) == ("release", 1, "gesture")
    assert (begun.event.phase, begun.event.id) == ("onset", 2)
    assert begun.serial == released.serial + 1


def test_an_end_releases_what_is_held_once_with_its_reason() -> None:
    gate = GestureGate()
    gate.take(event("onset"))
    gate.take(event("hold", strength=0.75))
    (told,) = gate.end("shutdown")
    assert (told.event.phase, told.event.reason, told.event.strength) == ("release", "shutdown", 0.75)
    assert gate.end("stalled") == []


def test_what_comes_late_of_a_gesture_released_here_is_no_news() -> None:
    gate = GestureGate()
    gate.take(event("onset"))
    gate.end("stalled")
    assert gate.take(event("hold")) == []
    assert gate.take(event("release")) == []


def test_a_source_that_counts_anew_may_use_the_same_ids() -> None:
    gate = GestureGate()
    serials = []
    for _ in range(2):
        serials += [told.serial for told in gate.take(event("onset", id=1))]
        gate.take(event("release", id=1))
    assert serials == [1, 2]


@given(st.lists(st.tuples(st.sampled_from(["onset", "hold", "release", "end"]), st.integers(1, 3))))
def test_never_two_onsets_without_a_release_and_nothing_held_after_the_end(
    steps: Sequence[tuple[str, int]],
) -> None:
    gate, told = GestureGate(), []
    for phase, gesture in steps:
        told += gate.end("gap") if phase == "end" else gate.take(event(phase, id=gesture))
    told += gate.end("shutdown")
    held: int | None = None
    for serial, one in told:
        if one.phase == "onset":
            assert held is None
            held = serial
        else:
            assert held == serial
            held = None if one.phase == "release" else held
    assert held is None
