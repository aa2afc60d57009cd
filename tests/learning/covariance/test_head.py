from __future__ import annotations

import numpy as np
import pytest

from app.errors import DataError
from app.learning.covariance.head import Head, discriminant, fit_head

CLASSES, SIZE = 3, 5


def gaussians(seed: int = 0, each: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels, and the means and the covariance that they were drawn with."""
    chance = np.random.default_rng(seed)
    means = 2 * chance.standard_normal((CLASSES, SIZE))
    root = np.tril(chance.standard_normal((SIZE, SIZE))) + 2 * np.eye(SIZE)
    features = np.concatenate([mean + chance.standard_normal((each, SIZE)) @ root.T for mean in means])
    return features, np.repeat(np.arange(CLASSES), each), means, root @ root.T


def densities(features: np.ndarray, means: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    off = features[:, np.newaxis] - means
    return -0.5 * np.einsum("nkd,de,nke->nk", off, np.linalg.inv(covariance), off)


def test_logits_are_the_log_densities_of_gaussians_up_to_one_constant() -> None:
    features, _, means, covariance = gaussians(each=20)
    found = discriminant(means, covariance).logits(features)
    difference = found - densities(features, means, covariance)
    np.testing.assert_allclose(difference, difference[0, 0], atol=1e-3)


def test_the_fitted_head_is_as_good_as_the_true_gaussians() -> None:
    features, label, means, covariance = gaussians()
    fitted = fit_head(features, label, CLASSES, shrinkage=0.0)
    fresh, truth, _, _ = gaussians()  # same means; the same rows suffice for 6 parameters a class
    best = densities(fresh, means, covariance).argmax(1)
    assert (fitted.predict(fresh) == best).mean() > 0.99
    assert (fitted.predict(fresh) == truth).mean() > 0.5


def test_every_class_counts_alike_however_many_windows_it_has() -> None:
    features, label, _, _ = gaussians()
    many = np.concatenate([features, np.repeat(features[label == 0], 9, axis=0)])
    doubled = fit_head(many, np.concatenate([label, np.zeros(9 * 4000, np.int64)]), CLASSES)
    once = fit_head(features, label, CLASSES)
    np.testing.assert_allclose(doubled.weight, once.weight, rtol=1e-8)
    np.testing.assert_allclose(doubled.bias, once.bias, rtol=1e-8)


def test_full_shrinkage_leaves_no_correlation_between_features() -> None:
    features, label, _, _ = gaussians()
    whiten = fit_head(features, label, CLASSES, shrinkage=1.0).typical_weight
    np.testing.assert_allclose(whiten, np.diag(np.diag(whiten)), atol=1e-12)


def test_a_window_unlike_anything_taught_has_a_low_largest_logit_and_the_same_softmax() -> None:
    features, label, _, _ = gaussians()
    head = fit_head(features, label, CLASSES)
    usual = head.logits(features).max(1)
    odd = head.logits(features[:100] + 40.0).max(1)
    assert odd.max() < np.quantile(usual, 0.001)
    np.testing.assert_array_equal(head.logits(features).argmax(1), head.predict(features))


def test_a_temperature_divides_all_logits() -> None:
    features, label, _, _ = gaussians(each=50)
    head = fit_head(features, label, CLASSES)
    np.testing.assert_allclose(head.tempered(4.0).logits(features), head.logits(features) / 4, rtol=1e-9)


def test_silent_features_and_fewer_windows_than_features_give_finite_weights() -> None:
    features, label, _, _ = gaussians(each=2)
    features[:, 1] = 3.0
    head = fit_head(features, label, CLASSES)
    assert all(np.isfinite(array).all() for array in head.arrays().values())
    nothing = fit_head(np.zeros((6, SIZE)), np.repeat(np.arange(3), 2), CLASSES)
    assert all(np.isfinite(array).all() for array in nothing.arrays().values())


def test_a_class_without_two_windows_is_refused() -> None:
    features, label, _, _ = gaussians(each=4)
    with pytest.raises(DataError, match="class 2 has 1 windows"):
        fit_head(features[:9], label[:9], CLASSES)


def test_the_arrays_are_those_of_an_artefact() -> None:
    features, label, _, _ = gaussians(each=20)
    head: Head = fit_head(features, label, CLASSES)
    shapes = {name: array.shape for name, array in head.arrays().items()}
    assert shapes == {
        "head.weight": (CLASSES, SIZE),
        "head.bias": (CLASSES,),
        "typical.weight": (SIZE, SIZE),
        "typical.bias": (SIZE,),
    }
    assert {array.dtype for array in head.arrays().values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("placements", [1, 3])
def test_a_head_that_leans_gives_one_class_so_much_more_and_no_other(placements: int) -> None:
    chance = np.random.default_rng(4)
    head = Head(
        chance.normal(size=(placements * 3, 5)),
        chance.normal(size=placements * 3),
        chance.normal(size=(5, 5)),
        chance.normal(size=5),
        placements,
    )
    features = chance.normal(size=(20, 5))

    leaning = head.leaning(1, 0.5)

    np.testing.assert_allclose(
        leaning.logits(features) - head.logits(features), np.tile([0, 0.5, 0], (20, 1)), atol=1e-9
    )
