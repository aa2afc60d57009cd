"""A ring that is turned, or worn the other way round, is a reordering of features."""

from __future__ import annotations

import numpy as np
import pytest

from app.learning.covariance.head import fit_head
from app.learning.covariance.placement import (
    Placement,
    agreed,
    as_worn,
    feature_order,
    likest,
    placements,
    profile,
)

CHANNELS, BANDS = 5, 2


def features_of(signals: np.ndarray) -> np.ndarray:
    """Return two halves and two band powers of (n, time, channels); any function of them would do."""
    rows, columns = np.triu_indices(signals.shape[2])
    second = np.einsum("nti,ntj->nij", signals, signals)[:, rows, columns]
    first = np.einsum("nti,ntj->nij", signals[:, 1:], signals[:, :-1])
    first = (first + first.transpose(0, 2, 1))[:, rows, columns]
    return np.concatenate([second, first, np.abs(signals).mean(1), signals.var(1)], axis=1)


@pytest.mark.parametrize("placement", placements(CHANNELS), ids=str)
def test_reordered_features_are_those_of_the_reordered_channels(placement: Placement) -> None:
    worn = np.random.default_rng(0).normal(size=(4, 30, CHANNELS))
    common = worn[:, :, placement.channels(CHANNELS)]
    order = feature_order(placement, CHANNELS, BANDS)
    assert np.allclose(features_of(worn)[:, order], features_of(common))


@pytest.mark.parametrize("placement", [Placement(2), Placement(-1, mirrored=True)], ids=str)
def test_a_head_for_the_ring_as_worn_answers_like_the_one_for_the_common_ring(placement: Placement) -> None:
    chance = np.random.default_rng(1)
    worn = features_of(chance.normal(size=(60, 30, CHANNELS)))
    order = feature_order(placement, CHANNELS, BANDS)
    head = fit_head(worn[:, order], np.arange(60) % 3, 3)
    assert np.allclose(as_worn(head, order).logits(worn), head.logits(worn[:, order]))


def test_every_placement_of_a_ring_is_another_order_of_its_channels() -> None:
    orders = {tuple(at.channels(8).tolist()) for at in placements(8)}
    assert len(orders) == len(placements(8)) == 16
    assert placements(8)[0] == Placement()


@pytest.mark.parametrize(
    "placement", [Placement(3), Placement(0, mirrored=True), Placement(-2, mirrored=True)], ids=str
)
def test_a_profile_finds_its_place_beside_the_one_it_was_turned_from(placement: Placement) -> None:
    common = np.random.default_rng(2).normal(size=(4, 8))
    worn = np.zeros_like(common)
    worn[:, placement.channels(8)] = common
    assert likest(worn, common) == placement


def test_sessions_agree_on_one_ring_though_some_wear_it_backwards() -> None:
    chance = np.random.default_rng(3)
    common = chance.normal(size=(4, 8))
    worn_at = [
        Placement(),
        Placement(1),
        Placement(),
        Placement(2, mirrored=True),
        Placement(),
        Placement(-1),
    ]
    profiles = []
    for placement in worn_at:
        own = np.zeros_like(common)
        own[:, placement.channels(8)] = common + 0.1 * chance.normal(size=common.shape)
        profiles.append(own)
    assert agreed(profiles, np.arange(len(worn_at))) == tuple(worn_at)


def test_one_person_alone_stays_as_they_are() -> None:
    own = np.random.default_rng(4).normal(size=(4, 8))
    assert agreed([own, own], [0, 0]) == (Placement(), Placement())


def test_a_profile_says_where_a_gesture_is_louder_than_rest_and_not_how_loud_it_is() -> None:
    means = np.zeros((2, 2 * 6))
    means[1, [0, 3, 5]] = 3.0, 1.0, 2.0  # the diagonal of three channels
    found = profile(means, rest=0, channels=3)
    louder = means.copy()
    louder[1, [0, 3, 5]] += 5.0
    assert np.allclose(found, profile(louder, rest=0, channels=3))
    assert np.allclose(found[1], np.array([1.0, -1.0, 0.0]) / np.sqrt(2))
