"""What the last moments say for each class: products of probabilities, and whether the odds against rest rose."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.gestures.evidence import GestureEvidence

RATE = 1000.0
REST, FIST, UNSURE = [0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.1, 0.6, 0.3]


def after(frames: list[tuple[list[float], float]], hop: int = 20, smooth_s: float = 0.5) -> GestureEvidence:
    """Return what is known after frames that show each for so many seconds."""
    evidence, at = GestureEvidence(0, RATE, smooth_s), 0
    for probabilities, seconds in frames:
        for _ in range(round(seconds * RATE / hop)):
            at += hop
            evidence.update(at, probabilities, unknown=False)
    return evidence


def test_the_first_frame_counts_alone_and_nothing_has_risen() -> None:
    evidence = after([(UNSURE, 0.02)])
    assert list(evidence.shares) == pytest.approx(UNSURE)
    assert evidence.rise == 0


def test_the_mean_of_logarithms_follows_with_its_time_constant() -> None:
    evidence = after([(REST, 3.0), (FIST, 0.5)])
    odds = math.log(0.98 / 0.01)
    expected = odds * (1 - 2 * math.exp(-1))
    assert math.log(evidence.shares[1] / evidence.shares[0]) == pytest.approx(expected, abs=0.05)
    assert sum(evidence.shares) == pytest.approx(1)


def test_the_odds_against_rest_rise_where_a_gesture_begins_and_fall_where_it_ends() -> None:
    assert after([(REST, 3.0), (FIST, 0.4)]).rise > 3
    assert after([(REST, 3.0), (FIST, 9.0)]).rise == pytest.approx(0, abs=0.05)
    assert after([(FIST, 3.0), (REST, 0.4)]).rise < -3


def test_one_window_that_is_sure_does_not_outweigh_half_a_second() -> None:
    evidence = after([(REST, 1.0), ([0.0, 1.0, 0.0], 0.02)])
    assert evidence.shares[0] > 0.9


def test_an_unknown_window_counts_as_rest() -> None:
    evidence = after([(FIST, 1.0)])
    for at in range(1020, 1620, 20):
        evidence.update(at, FIST, unknown=True)
    assert evidence.shares[0] > 0.9


def test_without_a_time_constant_frames_are_taken_as_they_come() -> None:
    evidence = after([(REST, 1.0), (UNSURE, 0.02)], smooth_s=0.0)
    assert evidence.shares is UNSURE
    assert evidence.score(1, rise=0.5) == 0.6
    assert evidence.before(1, rise=0.5) is None


def test_the_score_of_the_frame_before_is_kept_until_the_signal_breaks_off() -> None:
    evidence = after([(REST, 1.0), (FIST, 0.1)])
    score = evidence.score(1, rise=0.2)
    evidence.update(2000, FIST, unknown=False)
    assert evidence.before(1, rise=0.2) == score
    evidence.reset()
    evidence.update(5000, FIST, unknown=False)
    assert evidence.before(1, rise=0.2) is None


def test_what_was_before_the_signal_broke_off_is_forgotten() -> None:
    evidence = after([(REST, 2.0)])
    evidence.reset()
    evidence.update(5000, FIST, unknown=False)
    assert list(evidence.shares) == pytest.approx(FIST)
    assert evidence.rise == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 500), st.lists(st.floats(0, 1), min_size=3, max_size=3), st.booleans()),
        min_size=1,
        max_size=40,
    )
)
def test_whatever_comes_shares_sum_to_one_and_the_rise_is_bounded(
    frames: list[tuple[int, list[float], bool]],
) -> None:
    evidence, at = GestureEvidence(0, RATE, 0.5), 0
    for samples, probabilities, unknown in frames:
        at += samples
        evidence.update(at, probabilities, unknown)
        assert sum(evidence.shares) == pytest.approx(1)
        assert abs(evidence.rise) <= 10
