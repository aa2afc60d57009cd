"""Confidence: a temperature is found again, its error is as defined, and strangers are rejected."""

from __future__ import annotations

import numpy as np
import pytest

from app.errors import DataError
from app.learning.confidence import (
    calibration_error,
    fit_temperature,
    probabilities,
    reject_threshold,
    rejection_rate,
)

CLASSES = 5


def drawn(windows: int, temperature: float = 1.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `temperature` times too large, and labels drawn by what they mean."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (windows, CLASSES))
    draws = random.random(windows)[:, np.newaxis]
    label = (draws > probabilities(logits).cumsum(axis=1)).sum(axis=1)
    return logits * temperature, np.minimum(label, CLASSES - 1)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.0, 12.0])
def test_the_temperature_of_overconfident_logits_is_found(temperature: float) -> None:
    assert fit_temperature(*drawn(20_000, temperature)) == pytest.approx(temperature, rel=0.05)


def test_a_fitted_temperature_takes_the_calibration_error_away() -> None:
    logits, label = drawn(20_000, 4.0)
    unseen, truth = drawn(20_000, 4.0, seed=2)

    found = probabilities(unseen, fit_temperature(logits, label))

    assert calibration_error(probabilities(unseen), truth) > 0.15
    assert calibration_error(found, truth) < 0.02


def test_without_a_mistake_the_temperature_stays_finite() -> None:
    logits = np.eye(CLASSES) * 5

    temperature = fit_temperature(logits, np.arange(CLASSES))

    assert 0 < temperature < 0.1
    assert np.isfinite(probabilities(logits, temperature)).all()


def test_the_calibration_error_is_the_weighted_distance_of_confidence_and_accuracy() -> None:
    """Two bins: of four windows at 0.9 three are right, of two at 0.6 none is."""
    found = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 2)
    label = np.array([0, 0, 0, 1, 1, 1])

    expected = 4 / 6 * abs(0.75 - 0.9) + 2 / 6 * abs(0.0 - 0.6)

    assert calibration_error(found, label) == pytest.approx(expected)


def test_a_probability_of_one_is_in_the_last_bin() -> None:
    assert calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_the_threshold_rejects_known_windows_at_the_stated_rate(rate: float) -> None:
    logits, _ = drawn(20_000)
    unseen, _ = drawn(20_000, seed=3)

    threshold = reject_threshold(logits, rate)

    assert rejection_rate(unseen, threshold) == pytest.approx(rate, rel=0.15)
    assert rejection_rate(unseen - 20, threshold) == 1


@pytest.mark.parametrize("logits", [np.zeros((0, 3)), np.full((2, 3), np.nan)], ids=["none", "not finite"])
def test_what_has_nothing_to_go_by_is_refused(logits: np.ndarray) -> None:
    label = np.zeros(len(logits), np.int64)

    with pytest.raises(DataError):
        fit_temperature(logits, label)
    with pytest.raises(DataError):
        reject_threshold(logits)


def test_no_windows_have_no_calibration_error() -> None:
    with pytest.raises(DataError):
        calibration_error(np.zeros((0, 3)), np.zeros(0, np.int64))
