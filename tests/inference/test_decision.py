from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.decision import Decider, majority

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


def test_one_vote_follows_every_confident_prediction() -> None:
    decider = Decider(votes=1, min_confidence=0.5, rest=REST)
    assert [decider.update(FIST, 0.9), decider.update(OPEN, 0.9), decider.update(OPEN, 0.4)] == [
        FIST,
        OPEN,
        REST,
    ]


def test_votes_outvote_a_single_outlier() -> None:
    decider = Decider(votes=3, min_confidence=0.0, rest=REST)
    decisions = [decider.update(p, 1.0) for p in (FIST, FIST, OPEN, FIST)]
    assert decisions == [FIST] * 4


def test_reset_falls_to_rest_and_forgets_the_votes() -> None:
    decider = Decider(votes=5, min_confidence=0.0, rest=REST)
    for _ in range(5):
        decider.update(FIST, 1.0)
    assert decider.reset() == REST
    assert decider.update(OPEN, 1.0) == OPEN  # five old votes for fist would have won


predictions = st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1)), max_size=60)


@given(predictions, st.integers(1, 9), st.floats(0, 1))
def test_a_decision_is_rest_or_a_class_among_the_confident_votes_so_far(
    stream: list[tuple[int, float]], votes: int, threshold: float
) -> None:
    decider = Decider(votes, threshold, REST)
    confident = {REST}
    for prediction, confidence in stream:
        if confidence >= threshold:
            confident.add(prediction)
        assert decider.update(prediction, confidence) in confident


@given(predictions, st.integers(1, 9))
def test_a_class_with_more_than_half_of_the_last_votes_is_always_decided(
    stream: list[tuple[int, float]], votes: int
) -> None:
    decider = Decider(votes, 0.0, REST)
    history: list[int] = []
    for prediction, confidence in stream:
        history.append(prediction)
        decision = decider.update(prediction, confidence)
        recent = history[-votes:]
        winners = [c for c in set(recent) if recent.count(c) * 2 > len(recent)]
        assert not winners or winners == [decision]
