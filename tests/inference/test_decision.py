from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.decision import Decider, majority
from app.inference.decision_rule import DecisionRule

REST, FIST, OPEN = 0, 1, 2


@pytest.mark.parametrize(
    ("votes", "previous", "expected"),
    [
        pytest.param([FIST, FIST, OPEN], REST, FIST, id="most votes win"),
        pytest.param([FIST, OPEN], OPEN, OPEN, id="a tie keeps the previous decision"),
        pytest.param([FIST, OPEN], REST, REST, id="a tie keeps even a previous decision without votes"),
        pytest.param([None, None, FIST], OPEN, FIST, id="rejected votes do not count"),
        pytest.param([None, None], FIST, REST, id="nothing but rejections is rest"),
        pytest.param([], FIST, REST, id="no votes is rest"),
    ],
)
def test_majority(votes: list[int | None], previous: int, expected: int) -> None:
    assert majority(votes, previous, REST) == expected


@given(st.lists(st.one_of(st.none(), st.integers(0, 4)), max_size=9), st.integers(0, 4))
def test_majority_is_what_counting_all_votes_says(votes: list[int | None], previous: int) -> None:
    counts = {vote: votes.count(vote) for vote in votes if vote is not None}
    ahead = [vote for vote, count in counts.items() if count == max(counts.values())]
    expected = REST if not counts else ahead[0] if len(ahead) == 1 else previous
    assert majority(votes, previous, REST) == expected


def test_one_vote_follows_every_confident_prediction() -> None:
    decider = Decider(DecisionRule(min_confidence=0.5), REST)
    assert [decider.update(FIST, 0.9), decider.update(OPEN, 0.9), decider.update(OPEN, 0.4)] == [
        FIST,
        OPEN,
        REST,
    ]


def test_votes_outvote_a_single_outlier() -> None:
    decider = Decider(DecisionRule(votes=3), REST)
    decisions = [decider.update(p, 1.0) for p in (FIST, FIST, OPEN, FIST)]
    assert decisions == [FIST] * 4


def test_reset_falls_to_rest_and_forgets_the_votes() -> None:
    decider = Decider(DecisionRule(votes=5), REST)
    for _ in range(5):
        decider.update(FIST, 1.0)
    assert decider.reset() == REST
    assert decider.update(OPEN, 1.0) == OPEN  # five old votes for fist would have won


predictions = st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1)), max_size=60)


@given(predictions, st.integers(1, 9), st.floats(0, 1))
def test_a_decision_is_rest_or_a_class_among_the_confident_votes_so_far(
    stream: list[tuple[int, float]], votes: int, threshold: float
) -> None:
    decider = Decider(DecisionRule(votes=votes, min_confidence=threshold), REST)
    confident = {REST}
    for prediction, confidence in stream:
        if confidence >= threshold:
            confident.add(prediction)
        assert decider.update(prediction, confidence) in confident


@given(predictions, st.integers(1, 9))
def test_a_class_with_more_than_half_of_the_last_votes_is_always_decided(
    stream: list[tuple[int, float]], votes: int
) -> None:
    decider = Decider(DecisionRule(votes=votes), REST)
    history: list[int] = []
    for prediction, confidence in stream:
        history.append(prediction)
        decision = decider.update(prediction, confidence)
        recent = history[-votes:]
        winners = [c for c in set(recent) if recent.count(c) * 2 > len(recent)]
        assert not winners or winners == [decision]


def decided(decider: Decider, *windows: tuple[float, ...] | None) -> list[int]:
    """The decisions after windows of those probabilities of rest, fist and open; None: an unknown one."""
    decisions = []
    for window in windows:
        shares = window or (0.0, 1.0, 0.0)
        likeliest = max(range(3), key=shares.__getitem__)
        decisions.append(decider.update(likeliest, shares[likeliest], shares, window is None))
    return decisions


def hysteresis(enter: float | None = 0.7, leave: float | None = 0.1, **more: float) -> Decider:
    return Decider(DecisionRule(enter=enter, leave=leave, **more), REST)


def test_a_gesture_begins_at_enter_and_not_below() -> None:
    assert decided(hysteresis(), (0.31, 0.69, 0.0), (0.3, 0.7, 0.0)) == [REST, FIST]


def test_a_gesture_lasts_until_its_own_probability_is_below_leave() -> None:
    windows = [(0.2, 0.8, 0.0), (0.9, 0.1, 0.0), (0.6, 0.15, 0.25), (0.91, 0.09, 0.0)]

    assert decided(hysteresis(), *windows) == [FIST, FIST, FIST, REST]


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        pytest.param((0.2, 0.05, 0.75), OPEN, id="to another gesture at enter"),
        pytest.param((0.4, 0.05, 0.55), REST, id="else to rest, though it is likelier than rest"),
        pytest.param((0.1, 0.15, 0.75), FIST, id="not while its own is above leave"),
    ],
)
def test_out_of_a_gesture_comes_another_or_rest(shares: tuple[float, ...], expected: int) -> None:
    assert decided(hysteresis(), (0.1, 0.9, 0.0), shares)[-1] == expected


def test_change_is_what_another_gesture_needs_where_it_differs_from_enter() -> None:
    decider = hysteresis(change=0.5)

    assert decided(decider, (0.1, 0.9, 0.0), (0.45, 0.05, 0.5)) == [FIST, OPEN]
    assert decided(hysteresis(change=0.5), (0.45, 0.05, 0.5)) == [REST]  # from rest it is enter that counts


def test_without_enter_every_prediction_begins_a_gesture() -> None:
    windows = [(0.3, 0.4, 0.3), (0.85, 0.15, 0.0), (0.95, 0.05, 0.0)]

    assert decided(hysteresis(enter=None), *windows) == [FIST, FIST, REST]


def test_without_leave_a_gesture_lasts_as_long_as_it_is_the_prediction() -> None:
    windows = [(0.2, 0.8, 0.0), (0.3, 0.4, 0.3), (0.5, 0.4, 0.1)]

    assert decided(hysteresis(leave=None), *windows) == [FIST, FIST, REST]


def test_an_unknown_window_is_rest_and_the_gesture_must_begin_anew() -> None:
    windows = [(0.2, 0.8, 0.0), None, (0.4, 0.6, 0.0), (0.2, 0.8, 0.0)]

    assert decided(hysteresis(), *windows) == [FIST, REST, REST, FIST]


def test_an_unknown_window_is_no_vote() -> None:
    assert decided(Decider(DecisionRule(), REST), (0.0, 1.0, 0.0), None) == [FIST, REST]
    assert decided(Decider(DecisionRule(votes=3), REST), (0.0, 1.0, 0.0), None, None, None) == [
        FIST,
        FIST,
        FIST,
        REST,
    ]


def test_with_votes_the_decision_is_the_majority_of_what_hysteresis_holds() -> None:
    decider = Decider(DecisionRule(votes=3, enter=0.7, leave=0.1), REST)
    windows = [(1.0, 0.0, 0.0)] * 3 + [(0.2, 0.8, 0.0), (0.6, 0.4, 0.0), (0.6, 0.4, 0.0)]

    assert decided(decider, *windows) == [REST, REST, REST, REST, FIST, FIST]


def test_reset_lets_go_of_what_is_held() -> None:
    decider = hysteresis()
    decided(decider, (0.1, 0.9, 0.0))

    assert decider.reset() == REST
    assert decided(decider, (0.6, 0.4, 0.0)) == [REST]


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), max_size=60), st.floats(0.5, 1))
def test_a_gesture_never_begins_below_enter_nor_lasts_below_leave(
    weights: list[list[float]], enter: float
) -> None:
    decider, leave, before = hysteresis(enter, 0.2), 0.2, REST
    for row in weights:
        shares = tuple(value / sum(row) for value in row)
        decision = decided(decider, shares)[0]
        if decision not in (REST, before):
            assert shares[decision] >= enter
        if decision != REST and decision == before:
            assert shares[decision] >= min(leave, enter)
        before = decision
