"""The baseline: its features by hand, its discriminant against the textbook."""

from __future__ import annotations

import numpy as np

from app.learning import lda


def test_hudgins_features_of_a_window_counted_by_hand() -> None:
    signal = np.array([0, 6, -6, 6, 6, -12], np.float32)  # its mean is 0
    still = np.full(6, 3, np.float32)

    (found,) = lda.hudgins(np.stack([signal, still], axis=1)[np.newaxis])

    mav, crossings, turns, length = found.reshape(4, 2)
    assert mav.tolist() == [6, 0]
    assert crossings.tolist() == [3, 0]
    assert turns.tolist() == [2, 0]
    assert length.tolist() == [6 + 12 + 12 + 0 + 18, 0]


def test_changes_below_the_threshold_are_noise() -> None:
    flicker = np.tile([0.5, -0.5], 10).astype(np.float32)[np.newaxis, :, np.newaxis]

    (found,) = lda.hudgins(flicker)

    assert found[1] == found[2] == 0


def test_equal_priors_put_the_border_half_way_however_many_there_are() -> None:
    chance = np.random.default_rng(0)
    features = np.concatenate([chance.normal(0, 1, (3000, 2)), chance.normal(4, 1, (100, 2))])
    label = np.repeat([0, 7], [3000, 100])

    fitted = lda.fit(features, label)

    assert fitted.predict(np.array([[1.7, 1.7], [2.3, 2.3]])).tolist() == [0, 7]


def test_a_constant_feature_does_no_harm() -> None:
    features = np.column_stack([np.repeat([0.0, 1.0], 50), np.ones(100)])

    fitted = lda.fit(features, np.repeat([0, 1], 50))

    assert fitted.predict(np.array([[0.1, 1.0], [0.9, 1.0]])).tolist() == [0, 1]
