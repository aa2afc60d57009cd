"""A head for a ring that may sit in any way."""

from __future__ import annotations

import numpy as np
import pytest

from app.learning.covariance.head import Doubles, discriminant, shrunk
from app.learning.covariance.mixture import mixture_head
from app.learning.covariance.placement import Placement, feature_order

CHANNELS, CLASSES, SESSIONS = 6, 4, 12
SIZE = CHANNELS * (CHANNELS + 1)


@pytest.fixture(scope="module")
def means() -> Doubles:
    chance = np.random.default_rng(0)
    return chance.normal(size=(CLASSES, SIZE)) + 0.2 * chance.normal(size=(SESSIONS, CLASSES, SIZE))


def worn(means: Doubles, at: Placement, seed: int) -> tuple[Doubles, Doubles]:
    """Return features as worn and their classes."""
    chance = np.random.default_rng(seed)
    label = np.repeat(np.arange(CLASSES), 100)
    common = means.mean(0)[label] + 1.2 * chance.normal(size=(len(label), SIZE))
    found = np.zeros_like(common)
    found[:, feature_order(at, CHANNELS, 0)] = common
    return found, label


@pytest.mark.parametrize("at", [Placement(), Placement(3), Placement(-2, mirrored=True)], ids=str)
def test_the_gestures_are_known_however_the_ring_sits(means: Doubles, at: Placement) -> None:
    head = mixture_head(means, 1.44 * np.eye(SIZE), [Placement()] * SESSIONS, channels=CHANNELS, bands=0)
    features, label = worn(means, at, seed=1)
    assert np.mean(head.predict(features) == label) > 0.9


def test_a_rare_placement_is_less_likely_than_a_usual_one(means: Doubles) -> None:
    usual = mixture_head(means, 1.44 * np.eye(SIZE), [Placement(1)] * SESSIONS, channels=CHANNELS, bands=0)
    rare = mixture_head(means, 1.44 * np.eye(SIZE), [Placement()] * SESSIONS, channels=CHANNELS, bands=0)
    features, _ = worn(means, Placement(1), seed=2)
    assert usual.scores(features).max(1).mean() > rare.scores(features).max(1).mean() + 2


def test_scores_are_the_log_of_the_sum_over_placements(means: Doubles) -> None:
    head = mixture_head(means, np.eye(SIZE), [Placement()] * SESSIONS, channels=CHANNELS, bands=0)
    features, _ = worn(means, Placement(), seed=3)
    each = np.exp(features[:5] @ head.weight.T + head.bias - 50).reshape(5, 2 * CHANNELS, CLASSES)
    assert np.allclose(head.scores(features[:5]), np.log(each.sum(1)) + 50)
    assert head.placements == 2 * CHANNELS


def test_one_placement_is_the_plain_discriminant(means: Doubles) -> None:
    plain = discriminant(means.mean(0), shrunk(np.eye(SIZE), 0.1))
    features, _ = worn(means, Placement(), seed=4)
    assert np.allclose(plain.scores(features), features @ plain.weight.T + plain.bias)
