"""What waits for a receiver is bounded, and whoever hears of a gesture is told its end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.outputs.mailbox import Kind, Letter, Mailbox
from tests.fakes import FakeClock


class Box(Mailbox[str]):
    """One with a clock of the test's own, that says what it dropped."""

    def __init__(self, stale_s: float = 2.0, limit: int = 256) -> None:
        self.clock, self.lost = FakeClock(), 0
        super().__init__(stale_s, self._lose, limit, self.clock)

    def _lose(self, count: int) -> None:
        self.lost += count

    def say(self, kind: Kind, gesture: int, row: int = -1) -> None:
        self.put(Letter(f"{kind} {gesture}", kind, gesture, row))

    def take_all(self) -> list[str]:
        taken = []
        while (letter := self.take(0.0)) is not None:
            self.left(letter)
            taken.append(letter.message)
        return taken


@pytest.fixture
def box() -> Box:
    return Box()


def test_letters_come_in_their_order(box: Box) -> None:
    box.say("onset", 1)
    box.say("hold", 1)
    box.say("release", 1)
    assert box.take_all() == ["onset 1", "hold 1", "release 1"]


def test_of_holds_and_of_values_only_the_newest_waits(box: Box) -> None:
    box.say("onset", 1)
    for _ in range(100):
        box.say("hold", 1)
        box.put(Letter("values", "values", 0, -1))
    assert box.take_all() == ["onset 1", "hold 1", "values"]
    assert box.lost == 198


def test_holds_of_different_rows_are_different_messages(box: Box) -> None:
    box.say("hold", 1, row=0)
    box.say("hold", 1, row=1)
    assert len(box.take_all()) == 2


def test_a_gesture_that_is_over_before_anything_left_is_left_out_as_a_whole_once_it_is_old(box: Box) -> None:
    box.say("onset", 1)
    box.say("release", 1)
    box.clock.advance(2.5)
    box.say("onset", 2)
    assert box.take_all() == ["onset 2"]
    assert box.lost == 2


def test_a_gesture_that_is_still_held_is_told_however_late(box: Box) -> None:
    box.say("onset", 1)
    box.clock.advance(60.0)
    assert box.take_all() == ["onset 1"]


def test_a_release_whose_onset_has_left_is_told_however_late(box: Box) -> None:
    box.say("onset", 1)
    assert box.take_all() == ["onset 1"]
    box.say("release", 1)
    for gesture in range(2, 500):
        box.say("onset", gesture)
        box.say("release", gesture)
    box.clock.advance(1000.0)
    assert box.take_all() == ["release 1"]


def test_where_there_is_no_room_holds_go_first_and_then_gestures_nobody_heard_of() -> None:
    box = Box(limit=4)
    for gesture in (1, 2):
        box.say("onset", gesture)
        box.say("hold", gesture)
        box.say("release", gesture)
    assert box.take_all() == ["onset 1", "release 1", "onset 2", "release 2"]
    for gesture in (3, 4, 5):
        box.say("onset", gesture)
        box.say("release", gesture)
    assert box.take_all() == ["onset 4", "release 4", "onset 5", "release 5"]


def test_closing_keeps_only_the_releases_that_are_owed(box: Box) -> None:
    box.say("onset", 1)
    box.take_all()
    box.say("release", 1)
    box.say("onset", 2)
    box.say("release", 2)
    box.close()
    box.say("onset", 3)
    assert box.take_all() == ["release 1"]


def test_a_letter_put_back_is_the_next(box: Box) -> None:
    box.say("onset", 1)
    box.say("onset", 2)
    letter = box.take(0.0)
    assert letter is not None
    box.put_back(letter)
    assert box.take_all() == ["onset 1", "onset 2"]


@given(
    st.lists(st.sampled_from(["onset", "hold", "release", "take", "fail", "wait"]), max_size=120),
    st.integers(min_value=2, max_value=8),
)
def test_whatever_happens_no_receiver_is_left_with_a_gesture_that_is_over(
    steps: Sequence[str], limit: int
) -> None:
    """Gestures follow one another, as GestureGate sees to; the receiver is slow, and deaf now and then."""
    box, gesture, held = Box(limit=limit), 0, False
    heard: list[str] = []

    def take() -> None:
        letter = box.take(0.0)
        if letter is not None:
            box.left(letter)
            heard.append(letter.message)

    for step in steps:
        if step == "onset" and not held:
            gesture, held = gesture + 1, True
            box.say("onset", gesture)
        elif step == "hold" and held:
            box.say("hold", gesture)
        elif step == "release" and held:
            held = False
            box.say("release", gesture)
        elif step == "take":
            take()
        elif step == "fail" and (letter := box.take(0.0)) is not None and letter.kind != "hold":
            box.put_back(letter)
        elif step == "wait":
            box.clock.advance(3.0)
        assert len(box) <= limit
    if held:
        box.say("release", gesture)
    while len(box):
        take()

    begun: int | None = None
    for said in heard:
        kind, number = said.split()
        if kind == "onset":
            assert begun is None, "two onsets without a release between"
            begun = int(number)
        else:
            assert begun == int(number) or kind == "hold", "an end of what was never begun"
            begun = begun if kind == "hold" else None
    assert begun is None, "left with a gesture that is over"
