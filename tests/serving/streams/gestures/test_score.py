"""What gestures are worth while they are told: as the figures of a replay count, where both can say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.gestures.events import GestureEvent, Phase
from app.learning.events.scoring import Told, score
from app.serving.streams.gestures.score import GestureScore
from tests.learning.events.test_scoring import CLASSES, HOP, RATE, stream

PLAN = ((0, 20), (1, 30), (0, 20))  # rest for 20 windows of 100 ms, a fist until window 50


def event(phase: Phase, window: int, gesture: int, number: int) -> GestureEvent:
    return GestureEvent(
        gesture=CLASSES[gesture],
        phase=phase,
        id=number,
        variant="single",
        index=gesture,
        sample_index=(window + 1) * HOP,
        began_at=0,
        refined_by=0,
        strength=1.0,
        confidence=1.0,
        held_s=0.0,
        timestamp=0.0,
    )


def scored(parts: Sequence[tuple[int, int]], *told: tuple[int, int, int]) -> Any:
    """Figures of windows every 100 ms; `told`: windows of the onset and of the release, and the class, of each."""
    found = GestureScore(CLASSES, "rest", RATE)
    window = 0
    for truth, windows in parts:
        for _ in range(windows):
            now = [event("release", window, one[2], k) for k, one in enumerate(told) if one[1] == window]
            now += [event("onset", window, one[2], k) for k, one in enumerate(told) if one[0] == window]
            found.frame((window + 1) * HOP, None if truth < 0 else CLASSES[truth], now)
            window += 1
    return found.figures


def test_a_gesture_told_while_it_is_made_is_found_and_timed_from_the_last_window_without_it() -> None:
    found = scored(PLAN, (23, 54, 1))
    assert (found["gestures"], found["found"], found["missed"], found["false_activations"]) == (1, 1, 0, 0)
    assert found["onset_p50_s"] == pytest.approx(0.4)
    assert found["rest_seconds"] == pytest.approx(3.9)  # the first window is the first that was seen


def test_one_at_rest_is_false_and_its_rate_is_of_rest_alone() -> None:
    found = scored(PLAN, (5, 9, 1))
    assert (found["false_activations"], found["missed"]) == (1, 1)
    assert found["false_activations_per_hour"] == pytest.approx(3600 / 3.9, abs=0.1)


@pytest.mark.parametrize(
    ("onset", "false", "found"), [(12, 0, 1), (3, 1, 1)], ids=["0.7 s before", "1.6 s before"]
)
def test_one_that_is_held_into_its_label_is_found_and_false_only_where_it_began_long_before(
    onset: int, false: int, found: int
) -> None:
    counted = scored(PLAN, (onset, 40, 1))
    assert (counted["false_activations"], counted["found"], counted["doubled"]) == (false, found, 0)


def test_another_gesture_is_wrong_and_the_same_again_is_doubled() -> None:
    found = scored(PLAN, (22, 25, 2), (26, 30, 1), (33, 40, 1))
    assert (found["wrong"], found["doubled"], found["found"], found["missed"]) == (1, 1, 1, 0)


def test_what_was_not_seen_to_begin_or_is_cut_off_is_not_judged() -> None:
    found = GestureScore(CLASSES, "rest", RATE)
    at = 0

    def windows(truth: str | None, number: int) -> None:
        nonlocal at
        for _ in range(number):
            at += HOP
            found.frame(at, truth, ())

    windows("fist", 10)
    assert found.figures is None
    windows("rest", 10)
    windows("fist", 10)
    found.broken()
    windows("fist", 10)
    windows("rest", 10)
    figures = found.figures
    assert figures is not None
    assert figures["gestures"] == 0
    assert figures["rest_seconds"] == pytest.approx(2.0)


@pytest.mark.parametrize("truth", [None, "a gesture that the model does not know"])
def test_where_nobody_says_what_is_made_there_are_no_figures(truth: str | None) -> None:
    found = GestureScore(CLASSES, "rest", RATE)
    for window in range(20):
        found.frame((window + 1) * HOP, truth, [event("onset", window, 1, 0)] if window == 5 else ())
    assert found.figures is None


@st.composite
def lessons(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[tuple[int, int, int]]]:
    """Rest and gestures in turn, rest first and last, and gestures told without one in another."""
    parts = [(0, draw(st.integers(5, 30)))]
    for _ in range(draw(st.integers(1, 4))):
        parts += [(draw(st.integers(1, 2)), draw(st.integers(3, 25))), (0, draw(st.integers(5, 30)))]
    total = sum(windows for _, windows in parts)
    cuts = draw(st.lists(st.integers(1, total - 2), unique=True, max_size=8).map(sorted))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    return parts, [(onset, release, draw(st.integers(1, 2))) for onset, release in pairs]


@given(lessons())
def test_it_counts_as_the_figures_of_a_replay_do(
    lesson: tuple[list[tuple[int, int]], list[tuple[int, int, int]]],
) -> None:
    parts, told = lesson
    offline = score(stream(parts), [Told(*one) for one in told], rest=0)
    live = scored(parts, *told)
    names = ("gestures", "found", "doubled", "wrong")
    assert {name: live[name] for name in names} == {name: getattr(offline, name) for name in names}
    # the two take a label's beginning to be up to a hop apart, and so how long before it an onset was
    edge = [
        abs(first - onset - 10) <= 1
        for onset, _, _ in told
        for first in np.cumsum([windows for _, windows in parts]).tolist()
    ]
    assert abs(live["false_activations"] - offline.false) <= sum(edge)
    assert live["rest_seconds"] == pytest.approx(offline.rest_s - 0.1)
