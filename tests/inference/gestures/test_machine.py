"""Gestures as events: what docs/events.md promises of them, whatever the frames say."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.inference.gestures.events import GestureEvent, GestureRules, Reason
from app.inference.gestures.machine import GestureMachine

CLASSES, RATE = ("rest", "fist", "open"), 1000.0
RULES = GestureRules(
    enter=0.8, leave=0.4, smooth_s=0.0, rise=0.0, shortest_s=0.1, refractory_s=0.15, hold_s=0.0
)
SURE = {name: [1.0 if other == name else 0.0 for other in CLASSES] for name in CLASSES}
ENDS: tuple[Reason, ...] = ("stalled", "gap", "quality", "model", "completed", "shutdown")

Plan = Sequence[tuple[str, float]]  # what is shown, and for how many s


def machine(rules: GestureRules = RULES, **overrides: GestureRules) -> GestureMachine:
    return GestureMachine(CLASSES, "rest", RATE, rules, overrides)


def played(
    plan: Plan,
    hop: int = 20,
    rules: GestureRules = RULES,
    first: int = 0,
    timestamps: float = 0.0,
    **own: GestureRules,
) -> list[GestureEvent]:
    """Frames of a signal that shows each gesture of the plan for sure and for so long, then rest for a second."""
    changes, at = [], 0.0
    for name, seconds in (*plan, ("rest", 1.0)):
        changes.append((at, name))
        at += seconds * RATE
    one, events = machine(rules, **own), []
    for sample in range(first, round(at), hop):
        shown = changes[bisect_right(changes, sample, key=lambda change: change[0]) - 1][1]
        events += one.frame(sample, SURE[shown], timestamp=timestamps * sample)
    return events


def told(events: Iterable[GestureEvent]) -> list[tuple[str, str]]:
    return [(event.gesture, event.phase) for event in events]


def test_a_gesture_begins_and_ends_once() -> None:
    onset, release = played([("rest", 0.5), ("fist", 1.0)])
    assert (onset.gesture, onset.phase, onset.index, onset.variant, onset.reason) == (
        "fist",
        "onset",
        1,
        "single",
        None,
    )
    assert (release.phase, release.reason, release.id) == ("release", "rest", onset.id)
    assert release.held_s == pytest.approx((release.sample_index - onset.sample_index) / RATE)


def test_another_gesture_is_said_to_have_ended_it() -> None:
    events = played([("rest", 0.5), ("fist", 1.0), ("open", 1.0)])
    assert told(events) == [("fist", "onset"), ("fist", "release"), ("open", "onset"), ("open", "release")]
    assert [event.reason for event in events] == [None, "gesture", None, "rest"]
    assert events[0].id < events[2].id


def test_it_is_told_again_after_each_period() -> None:
    events = played([("rest", 0.5), ("fist", 1.0)], hop=10, rules=replace(RULES, hold_s=0.25))
    holds = [event for event in events if event.phase == "hold"]
    assert [event.held_s for event in holds] == pytest.approx([0.25, 0.5, 0.75], abs=0.011)
    assert {event.id for event in events} == {events[0].id}


def test_below_enter_nothing_begins_and_above_leave_nothing_ends() -> None:
    one = machine()
    low = [0.3, 0.7, 0.0]
    assert [one.frame(at, low) for at in range(0, 500, 20)] == [[]] * 25
    begun = [event for at in range(500, 700, 20) for event in one.frame(at, [0.1, 0.9, 0.0])]
    assert told(begun) == [("fist", "onset")]
    assert [one.frame(at, [0.55, 0.45, 0.0]) for at in range(700, 900, 20)] == [[]] * 10
    assert told(one.frame(900, [0.7, 0.3, 0.0])) == [("fist", "release")]


def test_a_window_that_is_none_of_the_classes_ends_it_and_begins_nothing() -> None:
    one = machine()
    for at in range(0, 500, 20):
        assert not one.frame(at, SURE["fist"], unknown=True)
    events = [event for at in range(500, 700, 20) for event in one.frame(at, SURE["fist"])]
    events += one.frame(700, SURE["fist"], unknown=True)
    assert [(event.phase, event.reason) for event in events] == [("onset", None), ("release", "rest")]


def test_a_class_may_have_rules_of_its_own() -> None:
    eager = replace(RULES, shortest_s=0.0)
    plan = [("rest", 0.5), ("fist", 0.06), ("rest", 0.5), ("open", 0.06)]
    assert told(played(plan, fist=eager)) == [("fist", "onset"), ("fist", "release")]


def test_held_for_long_it_is_a_long_one_from_then_on() -> None:
    events = played([("rest", 0.5), ("fist", 1.5)], hop=10, rules=replace(RULES, long_s=1.0))
    assert [(event.phase, event.variant) for event in events] == [
        ("onset", "single"),
        ("hold", "long"),
        ("release", "long"),
    ]
    assert events[1].held_s == pytest.approx(1.0, abs=0.011)


def test_twice_is_a_double_one_and_a_third_begins_anew() -> None:
    again = [("fist", 0.4), ("rest", 0.3)]
    events = played([("rest", 0.5), *again, *again, *again], rules=replace(RULES, double_s=0.6))
    assert [event.variant for event in events if event.phase == "onset"] == ["single", "double", "single"]
    assert [event.variant for event in events if event.phase == "release"] == ["single", "double", "single"]


@pytest.mark.parametrize(
    "between",
    [[("rest", 0.9)], [("rest", 0.2), ("open", 0.3), ("rest", 0.2)]],
    ids=["too late", "another between"],
)
def test_twice_is_no_double_one(between: list[tuple[str, float]]) -> None:
    events = played(
        [("rest", 0.5), ("fist", 0.4), *between, ("fist", 0.4)], rules=replace(RULES, double_s=0.6)
    )
    assert {event.variant for event in events} == {"single"}


def test_one_that_was_cut_off_is_not_half_of_a_double_one() -> None:
    one = machine(replace(RULES, double_s=1.0))
    events = [event for at in range(0, 300, 20) for event in one.frame(at, SURE["fist"])]
    events += one.end("stalled", 300)
    events += [event for at in range(320, 800, 20) for event in one.frame(at, SURE["fist"])]
    assert [(event.phase, event.variant, event.reason) for event in events] == [
        ("onset", "single", None),
        ("release", "single", "stalled"),
        ("onset", "single", None),
    ]


@pytest.mark.parametrize("reason", ENDS)
def test_every_end_releases_what_is_held_once_and_says_why(reason: Reason) -> None:
    one = machine()
    onset = next(event for at in range(0, 500, 20) for event in one.frame(at, SURE["fist"]))
    release = one.end(reason, 510, timestamp=7.0)
    assert [
        (event.phase, event.reason, event.id, event.sample_index, event.timestamp) for event in release
    ] == [("release", reason, onset.id, 510, 7.0)]
    assert one.held is None
    assert one.end(reason, 520) == []


def test_a_source_that_counts_anew_releases() -> None:
    one = machine()
    for at in range(0, 500, 20):
        one.frame(at, SURE["fist"])
    again = one.frame(10, SURE["rest"])
    assert [(event.phase, event.reason) for event in again] == [("release", "gap")]


def test_the_muscle_began_where_it_is_found_to_have() -> None:
    asked = []

    def began(shown: int) -> int:
        asked.append(shown)
        return shown - 30

    one = machine()
    events = [
        event
        for at in range(0, 500, 20)
        for event in one.frame(at, SURE["rest" if at < 200 else "fist"], began=began)
    ]
    assert asked == [200]  # the first frame that showed it, and not the one that decided
    assert (events[0].began_at, events[0].refined_by) == (170, 30)


_frames = st.lists(
    st.tuples(
        st.integers(1, 200),  # samples to the frame
        st.lists(st.floats(0, 1), min_size=3, max_size=3),
        st.booleans(),  # unknown
        st.sampled_from((None, None, None, None, *ENDS)),  # what ends it after the frame
    ),
    max_size=80,
)
_rules = st.builds(
    GestureRules,
    enter=st.floats(0.5, 1),
    leave=st.floats(0, 0.5),
    smooth_s=st.sampled_from((0.0, 0.5)),
    rise=st.sampled_from((0.0, 0.15)),
    shortest_s=st.sampled_from((0.0, 0.1, 0.3)),
    evidence_s=st.sampled_from((0.0, 0.2)),
    refractory_s=st.sampled_from((0.0, 0.2)),
    hold_s=st.sampled_from((0.0, 0.1)),
    double_s=st.sampled_from((0.0, 0.5)),
    long_s=st.sampled_from((0.0, 0.3)),
)


@given(_frames, _rules)
def test_whatever_comes_each_onset_has_one_release_and_holds_lie_between(
    frames: list[tuple[int, list[float], bool, Reason | None]], rules: GestureRules
) -> None:
    one, at, events = machine(rules), 0, []
    for samples, probabilities, unknown, end in frames:
        at += samples
        events += one.frame(at, probabilities, unknown=unknown)
        if end is not None:
            events += one.end(end, at)
            assert one.held is None
    events += one.end("completed", at)
    held, last_id, reached = None, -1, 0
    for event in events:
        assert reached <= event.sample_index <= at
        assert event.began_at + event.refined_by <= event.sample_index
        reached = event.sample_index
        if event.phase == "onset":
            assert held is None
            assert event.id > last_id
            held, last_id = event, event.id
            assert event.gesture != "rest"
            continue
        assert held is not None
        assert (event.id, event.index, event.began_at) == (held.id, held.index, held.began_at)
        assert (event.reason is not None) == (event.phase == "release")
        if event.phase == "release":
            held = None
    assert held is None


_plans = st.lists(
    st.tuples(st.sampled_from(("fist", "open")), st.floats(0.6, 2.0), st.floats(0.6, 2.0)), max_size=6
)


@given(_plans, st.integers(1, 100), st.integers(0, 99), st.sampled_from((0.001, 0.0001, 0.01)))
def test_at_any_fps_and_speed_the_same_events_come_within_one_hop(
    gestures: list[tuple[str, float, float]], hop: int, first: int, clock: float
) -> None:
    """The truth is what the rules ask of the signal itself: a frame for each of its samples."""
    plan = [part for name, held, after in gestures for part in ((name, held), ("rest", after))]
    plan = [("rest", 0.5), *plan]
    expected, at = [], 0.0
    for name, seconds in plan:
        if name != "rest":
            begins, ends = at + RULES.shortest_s * RATE, at + seconds * RATE
            expected += [(name, "onset", begins), (name, "release", ends)]
        at += seconds * RATE
    found = played(plan, hop, first=first, timestamps=clock)
    assert told(found) == [(name, phase) for name, phase, _ in expected]
    for event, (_, _, due) in zip(found, expected, strict=True):
        assert abs(event.sample_index - due) <= hop + 1
    slower = played(plan, hop, first=first, timestamps=7 * clock)
    assert [replace(event, timestamp=0.0) for event in slower] == [
        replace(event, timestamp=0.0) for event in found
    ]


@given(st.integers(1, 60), st.floats(0, 0.2), st.floats(0, 0.99))
def test_what_is_shorter_than_the_shortest_is_never_told(hop: int, phase: float, share: float) -> None:
    seconds = max(RULES.shortest_s - 1.01 * hop / RATE, 0) * share
    assert played([("rest", 0.5 + phase), ("fist", seconds)], hop) == []


@given(
    st.lists(st.tuples(st.floats(0.1, 0.5), st.floats(0.01, 0.4)), min_size=1, max_size=8), st.integers(1, 60)
)
def test_nothing_begins_within_the_refractory_time(gestures: list[tuple[float, float]], hop: int) -> None:
    events = played(
        [("rest", 0.5), *(part for held, after in gestures for part in (("fist", held), ("rest", after)))],
        hop,
    )
    for before, after in pairwise(events):
        if after.phase == "onset":
            assert after.sample_index - before.sample_index >= RULES.refractory_s * RATE - hop


_steady = st.lists(
    st.tuples(st.sampled_from(("fist", "open")), st.floats(1.5, 3.0), st.floats(1.5, 3.0)), max_size=2
)


@settings(max_examples=20)
@given(_steady, st.integers(5, 100), st.integers(0, 99))
def test_smoothed_by_the_usual_rules_the_same_events_come_within_one_hop(
    gestures: list[tuple[str, float, float]], hop: int, first: int
) -> None:
    """The truth is a frame for each fifth sample. Means take a change for older than it is."""
    plan = [
        ("rest", 1.5),
        *(part for name, held, after in gestures for part in ((name, held), ("rest", after))),
    ]
    usual = GestureRules(hold_s=0.0)
    expected, found = played(plan, 5, rules=usual), played(plan, hop, rules=usual, first=first)
    assert told(found) == told(expected)
    assert len(found) == 2 * len(gestures)
    for event, due in zip(found, expected, strict=True):
        assert abs(event.sample_index - due.sample_index) <= hop + 5


def test_a_gesture_that_comes_slowly_begins_at_the_first_window_that_shows_it() -> None:
    usual = GestureRules(hold_s=0.0)
    onset, _ = played([("rest", 2.0), ("fist", 2.0)], rules=usual)
    assert onset.sample_index > 2200
    assert 2000 <= onset.began_at <= 2020
    assert onset.confidence == 1.0


def _onset_after_s(shares: list[float], rules: GestureRules, hop: int = 20) -> float | None:
    """How long after rest with such shares from then on a fist begins."""
    one = machine(rules)
    for at in range(-3000, 0, hop):
        one.frame(at, SURE["rest"])
    return next(
        (event.sample_index / RATE for at in range(0, 5000, hop) for event in one.frame(at, shares)), None
    )


@pytest.mark.parametrize("hop", [5, 33, 100])
def test_one_that_is_less_sure_must_last_longer_by_as_much(hop: int) -> None:
    """Smoothed for next to no time the score is the share itself: above by 0.4 or 0.1 it takes 0.5 or 2 s."""
    rules = GestureRules(enter=0.5, leave=0.2, smooth_s=0.001, rise=0.0, shortest_s=0.1, evidence_s=0.2)
    for share, expected in ((0.9, 0.5), (0.6, 2.0)):
        assert _onset_after_s([1 - share, share, 0.0], rules, hop) == pytest.approx(
            expected, abs=1.5 * hop / RATE
        )


def test_evidence_begins_anew_with_every_gesture_that_may_begin() -> None:
    rules = GestureRules(enter=0.5, leave=0.2, smooth_s=0.001, rise=0.0, shortest_s=0.0, evidence_s=0.2)
    fist, other, one = [0.1, 0.9, 0.0], [0.1, 0.0, 0.9], machine(rules)
    events = []
    for number in range(6):  # 0.4 s each, and 0.5 are asked for
        for at in range(400 * number, 400 * number + 400, 20):
            events += one.frame(at, fist if number % 2 else other)
    assert events == []


def test_frames_by_themselves_add_up_to_no_evidence() -> None:
    """A share of at most 1 would never be far above its threshold."""
    rules = replace(RULES, enter=1.0, evidence_s=3600.0)
    assert told(played([("rest", 0.5), ("fist", 0.5)], rules=rules)) == [
        ("fist", "onset"),
        ("fist", "release"),
    ]


def test_odds_that_rise_let_a_gesture_begin_that_wandering_ones_do_not() -> None:
    """The same unsure frames: all at once after rest, or after they came little by little."""
    unsure, usual = [0.2, 0.75, 0.05], GestureRules(hold_s=0.0)
    risen, crept = machine(usual), machine(usual)
    creeping = [[1 - 0.8 * share, 0.75 * share, 0.05 * share] for share in (k / 400 for k in range(400))]
    for at in range(400):
        risen.frame(20 * at, SURE["rest"])
        crept.frame(20 * at, creeping[at])

    def told_by(one: GestureMachine) -> list[str]:
        return [event.phase for at in range(400, 475) for event in one.frame(20 * at, unsure)]

    assert told_by(risen) == ["onset"]
    assert told_by(crept) == []
