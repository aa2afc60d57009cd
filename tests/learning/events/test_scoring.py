"""What events are worth: found, missed, doubled, of the wrong class, or a false activation, by the labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from app.emg.source import UNLABELLED
from app.inference.gestures.events import GestureRules, GestureRuleSet
from app.learning.events.report import figures
from app.learning.events.scoring import EventCounts, Told, score, told
from app.learning.intervals import rate_interval, share_interval
from app.learning.replays.replay import Replay

CLASSES = ("rest", "fist", "open")
RATE, HOP = 200.0, 20  # 100 ms
QUICK = GestureRuleSet(
    rules=GestureRules(smooth_s=0, rise=0, enter=0.8, leave=0.4, shortest_s=0, refractory_s=0)
)

Parts = Sequence[tuple[int, int]]  # class, windows


def stream(
    *pieces: Parts, shown: Sequence[int] | None = None, judged: Sequence[bool] | None = None
) -> Replay:
    """A window every 100 ms; each label begins 50 ms before the end of its first window."""
    truth = np.array([label for parts in pieces for label, windows in parts for _ in range(windows)])
    piece = np.repeat(np.arange(len(pieces)), [sum(windows for _, windows in parts) for parts in pieces])
    new = (np.diff(truth, prepend=truth[0]) != 0) | (np.diff(piece, prepend=0) != 0)
    stretch = np.cumsum(new)
    first = np.searchsorted(stretch, stretch)
    sure = np.eye(len(CLASSES), dtype=np.float32)[truth if shown is None else np.array(shown)]
    return Replay(
        end=(np.arange(len(truth)) + 1) * HOP,
        truth=truth,
        stretch=stretch,
        piece=piece,
        prediction=sure.argmax(1),
        confidence=sure.max(1),
        period_s=0.1,
        length_s=0.2,
        probabilities=sure,
        since_s=(np.arange(len(truth)) - first) * 0.1 + 0.05,
        judged=None if judged is None else np.array(judged),
    )


def counted(one: Replay, *events: tuple[int, int, int]) -> EventCounts:
    return score(one, [Told(*event) for event in events], rest=0)


PLAN = ((0, 20), (1, 30), (0, 20))  # rest until window 20, a fist until 50


def test_a_gesture_told_while_it_lasts_is_found_and_timed_from_its_label() -> None:
    counts = counted(stream(PLAN), (23, 54, 1))
    assert (counts.gestures, counts.found, counts.false, counts.doubled, counts.wrong) == (1, 1, 0, 0, 0)
    assert counts.onset_s == pytest.approx([0.35])
    assert counts.back_s == pytest.approx([0.45])
    assert counts.rest_s == pytest.approx(4.0)


def test_a_gesture_at_rest_is_a_false_activation_and_the_other_one_is_missed() -> None:
    counts = counted(stream(PLAN), (5, 9, 1))
    assert (counts.false, counts.found, counts.gestures) == (1, 0, 1)


def test_what_begins_just_before_its_label_and_is_held_into_it_is_found_early() -> None:
    counts = counted(stream(PLAN), (12, 40, 1))
    assert (counts.false, counts.found, counts.early) == (0, 1, 1)
    assert counts.onset_s == pytest.approx([-0.75])


@pytest.mark.parametrize(
    ("event", "found"),
    [
        pytest.param((8, 40, 1), 1, id="more than a second before"),
        pytest.param((15, 19, 1), 0, id="over before the label"),
        pytest.param((15, 40, 2), 0, id="of another class"),
    ],
)
def test_else_what_begins_at_rest_is_false(event: tuple[int, int, int], found: int) -> None:
    counts = counted(stream(PLAN), event)
    assert (counts.false, counts.found) == (1, found)


def test_a_second_onset_within_a_gesture_is_one_too_many_and_another_class_is_wrong() -> None:
    counts = counted(stream(PLAN), (22, 25, 2), (26, 35, 1), (38, 52, 1))
    assert (counts.found, counts.doubled, counts.wrong, counts.wronged, counts.false) == (1, 1, 1, 1, 0)


def test_only_what_is_judged_counts_and_nothing_that_has_no_label() -> None:
    plan = ((0, 10), (UNLABELLED, 10), (1, 10), (0, 10))
    one = stream(plan, shown=[0] * 40, judged=[True] * 20 + [False] * 20)
    counts = counted(one, (12, 14, 1), (22, 25, 1), (33, 35, 2))
    assert counts == EventCounts(rest_s=1.0)


def test_rest_of_pieces_without_gestures_is_told_apart() -> None:
    counts = counted(stream(PLAN, ((0, 50),)), (5, 8, 1), (90, 95, 2))
    assert (counts.false, counts.alone_false) == (2, 1)
    assert counts.alone_s == pytest.approx(5.0)


def test_events_are_those_of_the_machine_and_end_with_their_piece() -> None:
    one = stream(((0, 10), (1, 10)), ((1, 10), (0, 10)))
    events = told(one, CLASSES, "rest", RATE, QUICK)
    assert events == [Told(10, 20, 1), Told(20, 30, 1)]
    sure = score(one, events, rest=0)
    assert (sure.found, sure.gestures, sure.false) == (2, 2, 0)


def test_intervals_are_poissons_and_wilsons() -> None:
    """Garwood's for 10 events: 4.795 to 18.39; none in an hour: up to 3.689. Wilson's for 8 of 10: 0.490 to 0.943."""
    assert rate_interval(10, 1.0) == pytest.approx((4.795, 18.39), abs=0.005)
    assert rate_interval(0, 2.0) == pytest.approx((0.0, 3.689 / 2), abs=0.001)
    assert rate_interval(0, 0.0) is None
    assert share_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=0.0005)
    assert share_interval(0, 0) is None


def test_nothing_to_measure_is_said_so() -> None:
    found = figures(EventCounts())
    assert [found[name] for name in ("false_an_hour", "found", "onset_s")] == [None, None, None]
