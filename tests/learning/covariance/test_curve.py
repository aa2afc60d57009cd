"""Heads whose classes have covariances of their own, against the Gaussian densities that they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.inference.covariance.logits import head_logits
from app.inference.covariance.parameters import CovarianceParameters
from app.learning.covariance import curve
from app.learning.covariance.curve import SHARE, SHRINKAGE
from app.learning.covariance.head import (
    class_covariances,
    class_discriminant,
    class_statistics,
    discriminant,
    shrunk,
)
from app.learning.covariance.placement import Placement, as_worn, feature_order

CLASSES, SIZE = 3, 6
Array = np.ndarray


def covariances(seed: int, number: int) -> Array:
    roots = np.random.default_rng(seed).normal(size=(number, SIZE, SIZE))
    return roots @ roots.transpose(0, 2, 1) + 0.5 * np.eye(SIZE)


@pytest.fixture
def common() -> Array:
    return covariances(0, 1)[0]


@pytest.fixture
def own() -> Array:
    return covariances(1, CLASSES)


@pytest.fixture
def means() -> Array:
    """Two placements, each with other means."""
    return np.random.default_rng(2).normal(size=(2, CLASSES, SIZE))


@pytest.fixture
def features() -> Array:
    return 2 * np.random.default_rng(3).normal(size=(40, SIZE))


def density(features: Array, mean: Array, covariance: Array) -> Array:
    off = features - mean
    far = np.einsum("nd,de,ne->n", off, np.linalg.inv(covariance), off)
    return -0.5 * far - 0.5 * np.linalg.slogdet(covariance)[1]


def of_class(common: Array, own: Array) -> Array:
    return (1 - SHARE) * common + SHARE * shrunk(own, SHRINKAGE)


def test_logits_are_log_densities_of_gaussians_whose_covariance_is_partly_the_classs_own(
    common: Array, own: Array, means: Array, features: Array
) -> None:
    head = class_discriminant(means, common, own)

    expected = np.stack(
        [
            np.logaddexp.reduce(
                [density(features, place[k], of_class(common, own[k])) for place in means], axis=0
            )
            for k in range(CLASSES)
        ],
        axis=1,
    )

    difference = head.logits(features) - expected
    np.testing.assert_allclose(difference, difference[0, 0], atol=1e-3)


def test_of_many_directions_the_strongest_are_kept(
    common: Array, own: Array, means: Array, features: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one direction a class the density is that of the covariance changed in that direction alone."""
    monkeypatch.setattr(curve, "DIRECTIONS", 1)
    head = class_discriminant(means[:1], common, own)
    root = np.linalg.cholesky(common)

    for k in range(CLASSES):
        back = np.linalg.inv(root)
        spread, directions = np.linalg.eigh(back @ of_class(common, own[k]) @ back.T)
        most = np.argmax(np.abs(np.log(spread)))
        one = np.eye(SIZE) + (spread[most] - 1) * np.outer(directions[:, most], directions[:, most])
        difference = head.logits(features)[:, k] - density(features, means[0, k], root @ one @ root.T)
        if k == 0:
            first = difference[0]
        np.testing.assert_allclose(difference, first, atol=1e-3)
    assert head.arrays()["curve.weight"].any(1).sum() == CLASSES


def test_where_classes_are_spread_alike_the_head_is_the_linear_one(
    common: Array, means: Array, features: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve, "SHRINKAGE", 0.0)
    head = class_discriminant(means[:1], common, np.stack([common] * CLASSES))
    linear = discriminant(means[0], common)
    np.testing.assert_allclose(head.logits(features), linear.logits(features), atol=1e-3)


def test_classes_that_differ_in_nothing_but_how_much_they_vary_are_told_apart() -> None:
    chance = np.random.default_rng(5)
    features = np.concatenate([chance.normal(size=(500, SIZE)), 4 * chance.normal(size=(500, SIZE))])
    label = np.repeat([0, 1], 500)
    means, within = class_statistics(features, label, 2)

    head = class_discriminant(means[np.newaxis], within, class_covariances(features, label, means))

    assert (head.predict(features) == label).mean() > 0.9
    assert (discriminant(means, within).predict(features) == label).mean() < 0.7


def test_covariances_of_classes_have_the_common_one_as_their_mean_whatever_rows_weigh() -> None:
    chance = np.random.default_rng(6)
    features, label = chance.normal(size=(60, SIZE)), np.arange(60) % CLASSES
    for weight in (None, chance.uniform(0.1, 1, 60)):
        means, within = class_statistics(features, label, CLASSES, weight)
        found = class_covariances(features, label, means, weight)
        np.testing.assert_allclose(found.mean(0), within, atol=1e-12)


def test_a_temperature_and_a_lean_act_on_a_bent_head_as_on_a_straight_one(
    common: Array, own: Array, means: Array, features: Array
) -> None:
    one, two = (class_discriminant(some, common, own) for some in (means[:1], means))

    np.testing.assert_allclose(one.tempered(4.0).logits(features), one.logits(features) / 4, rtol=1e-9)
    leaning = two.leaning(1, 0.5).logits(features) - two.logits(features)
    np.testing.assert_allclose(leaning, np.tile([0, 0.5, 0], (len(features), 1)), atol=1e-9)


def test_a_turned_ring_turns_the_curve_with_it() -> None:
    chance = np.random.default_rng(7)
    order = feature_order(Placement(1, True), 4, 0)
    size = len(order)
    root = chance.normal(size=(CLASSES, size, size))
    head = class_discriminant(
        chance.normal(size=(1, CLASSES, size)), np.eye(size), root @ root.transpose(0, 2, 1)
    )
    worn = chance.normal(size=(10, size))

    found = as_worn(head, order).logits(worn)

    np.testing.assert_allclose(found, head.logits(worn[:, order]), rtol=1e-9)


def test_what_is_kept_answers_as_the_head_does(
    common: Array, own: Array, means: Array, features: Array
) -> None:
    head = class_discriminant(means, common, own)
    parameters = head.shaping(CovarianceParameters())

    assert (parameters.placements, parameters.typical, parameters.curved) == (2, SIZE, 128)
    np.testing.assert_allclose(
        head_logits(features, parameters, head.arrays()), head.logits(features), rtol=1e-4, atol=1e-4
    )
    straight = replace(head, curve=None)
    assert straight.shaping(parameters).curved == 0
    assert "curve.weight" not in straight.arrays()


def test_heads_of_up_to_eight_classes_have_the_same_number_of_rows() -> None:
    """Rows are part of a stem, which children of any gestures are to share."""
    chance = np.random.default_rng(8)
    shapes = set()
    for classes in (2, 5, 8):
        roots = chance.normal(size=(classes, 20, 20))
        found = class_discriminant(
            chance.normal(size=(1, classes, 20)), np.eye(20), roots @ roots.transpose(0, 2, 1)
        )
        shapes.add(found.shaping(CovarianceParameters()).curved)
    assert shapes == {128}


def test_a_class_without_any_spread_gives_finite_weights(common: Array, means: Array) -> None:
    head = class_discriminant(means, common, np.zeros((CLASSES, SIZE, SIZE)))
    assert all(np.isfinite(array).all() for array in head.arrays().values())
