"""Strength of a gesture: 0 at rest, 1 at comfortable effort, linear in what the muscles do, and never falling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.emg.simulated.follower import Follower
from app.errors import ArtefactError
from app.inference.decision import channel_powers
from app.inference.strength import Effort, StrengthMeter, effort_of

RATE, LENGTH = 200, 40
CLASSES = ("rest", "flexion", "extension")
EFFORTS = (0.1, 0.2, 0.35, 0.5, 0.7, 0.85)


def powers(person: Follower, degree: float, seconds: float = 6.0) -> np.ndarray:
    """Mean squares (windows, channels) of someone who holds that activation of one joint."""
    emg = person.do(np.full((round(seconds * RATE), 1), degree)).emg
    return np.stack([channel_powers(one) for one in emg.reshape(-1, LENGTH, emg.shape[1])])


def meter_of(person: Follower) -> StrengthMeter:
    rest = powers(person, 0).astype(float)
    found = {
        name: effort_of(rest, powers(person, degree).astype(float))
        for name, degree in (("flexion", -1.0), ("extension", 1.0))
    }
    return StrengthMeter(CLASSES, "rest", {name: one for name, one in found.items() if one is not None})


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("k", "sign"), [(1, -1), (2, 1)], ids=["flexion", "extension"])
def test_it_is_what_the_muscles_do_at_every_level_between(seed: int, k: int, sign: int) -> None:
    """The truth is the muscle model's own activation; tremor alone is a quarter of it, so means are compared."""
    person = Follower(8, RATE, 1, seed)
    meter = meter_of(person)

    def mean(effort: float) -> float:
        return float(np.mean([meter.strengths(one, 0.0)[k] for one in powers(person, sign * effort, 20)]))

    found = [mean(effort) for effort in EFFORTS]

    assert (np.diff(found) > 0).all()
    np.testing.assert_allclose(found, EFFORTS, atol=0.12)
    assert mean(0) < 0.02
    assert mean(1) > 0.8


def test_rest_has_no_strength_in_any_window_but_a_few() -> None:
    person = Follower(8, RATE, 1, 3)
    meter = meter_of(person)
    found = np.array([meter.strengths(one, 0.3) for one in powers(person, 0, 60)])

    assert (found[:, 0] == 0).all()
    assert ((found[:, 1:] == 0).mean(axis=0) > 0.85).all()
    assert found.max() < 0.2


@given(st.integers(0, 2**32 - 1), st.integers(0, 7), st.floats(0, 1e6))
def test_more_power_in_any_channel_is_never_less_strength(seed: int, channel: int, more: float) -> None:
    chance = np.random.default_rng(seed)
    rest, gesture = chance.random((20, 8)), 3 * chance.random((20, 8)) + 1
    effort = effort_of(rest, gesture)
    assert effort is not None
    meter = StrengthMeter(("rest", "fist"), "rest", {"fist": effort})
    weaker = (5 * chance.random(8)).astype(np.float32)
    stronger = weaker.copy()
    stronger[channel] += np.float32(more)

    one, other = meter.strengths(weaker, 0.0), meter.strengths(stronger, 0.0)

    assert 0 <= one[1] <= other[1] <= 1


def test_a_channel_that_is_noise_alone_does_not_count() -> None:
    """An electrode with loud hum, which says nothing of the gesture, would otherwise hold the strength up."""
    rest, gesture = np.array([[1.0, 900.0]] * 4), np.array([[9.0, 900.0]] * 4)

    effort = effort_of(rest, gesture)

    assert effort is not None
    assert effort.weights == (1.0, 0.0)
    assert (effort.rest_rms, effort.comfortable_rms) == (1.0, 3.0)
    meter = StrengthMeter(("rest", "fist"), "rest", {"fist": effort})
    assert meter.strengths(np.array([3.0, 0.0], np.float32), 0.0) == pytest.approx([0, 0.5])


def test_a_gesture_no_stronger_than_rest_has_no_calibration() -> None:
    rest = np.array([[2.0, 2.0]] * 3)
    assert effort_of(rest, rest) is None
    assert effort_of(rest, rest / 2) is None
    assert effort_of(rest, rest[:0]) is None


def test_what_nobody_has_calibrated_is_as_strong_as_the_window_is_intense() -> None:
    one = Effort(weights=(1.0,), rest_rms=0.0, comfortable_rms=2.0)
    power = np.array([1.0], np.float32)

    assert StrengthMeter(CLASSES, "rest", {}).strengths(power, 0.25) == [0, 0.25, 0.25]
    assert StrengthMeter(CLASSES, "rest", {"flexion": one}).strengths(power, 0.25) == [0, 0.5, 0.25]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": (-1.0, 2.0)}, "0 or more"),
        ({"weights": (0.0, 0.0)}, "not all 0"),
        ({"weights": (float("nan"), 1.0)}, "numbers of 0 or more"),
        ({"rest_rms": 4.0}, "0 <= rest_rms < comfortable_rms"),
        ({"comfortable_rms": float("inf")}, "0 <= rest_rms < comfortable_rms"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_a_calibration_that_cannot_be_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ArtefactError, match=message):
        Effort(**{"weights": (0.5, 0.5), "rest_rms": 1.0, "comfortable_rms": 4.0, **changes})
