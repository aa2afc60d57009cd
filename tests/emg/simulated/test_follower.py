"""The person who follows a cursor: what their muscles do is known, and the electrodes see it."""

from __future__ import annotations

import numpy as np
import pytest

from app.emg.simulated.follower import LATE_S, Follower

RATE = 200


def sine(seconds: float = 20.0, degrees: int = 2) -> np.ndarray:
    at = np.arange(round(seconds * RATE)) / RATE
    return np.stack([0.8 * np.sin(2 * np.pi * at * (0.15 + 0.1 * k)) for k in range(degrees)], 1)


def test_the_same_person_does_the_same_again_and_another_does_otherwise() -> None:
    one, same, other = (Follower(8, RATE, 2, seed).follow(sine()) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.emg, same.emg)
    assert not np.allclose(one.emg, other.emg)


def test_they_follow_late_and_a_little_beside() -> None:
    cursor = sine()
    done = Follower(8, RATE, 2, 0).follow(cursor).activation

    lags = range(RATE)
    error = [np.abs(done[lag:] - cursor[: len(cursor) - lag]).mean() for lag in lags]

    assert LATE_S <= int(np.argmin(error)) / RATE <= LATE_S + 0.15
    assert 0.005 < min(error) < 0.1


def test_both_joints_add_up_at_the_electrodes() -> None:
    person = Follower(8, RATE, 2, 0)
    powers = {
        place: np.square(person.do(np.full((4000, 2), place)).emg).mean(axis=0)
        for place in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
    }
    rest, one, other, both = powers.values()
    assert (both > 0.8 * np.maximum(one, other)).all()
    assert both.sum() > 1.2 * max(one.sum(), other.sum())
    assert rest.sum() < 0.1 * one.sum()


@pytest.mark.parametrize("level", [0.2, 0.5, 1.0])
def test_amplitude_is_proportional_to_activation(level: float) -> None:
    person = Follower(8, RATE, 1, 0)
    rest, full, some = (
        np.square(person.do(np.full((20_000, 1), value)).emg).mean() for value in (0.0, 1.0, level)
    )
    assert np.sqrt((some - rest) / (full - rest)) == pytest.approx(level, abs=0.06)
