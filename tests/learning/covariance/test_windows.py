from __future__ import annotations

import numpy as np
import pytest
import torch

from app.inference.covariance.features import features, of_moments
from app.inference.covariance.parameters import CovarianceParameters
from app.learning.batches import Windows
from app.learning.covariance.windows import features_of, mixed, moments_of
from app.learning.datasets import Dataset, read
from tests.learning import makers

SHAPE = {"bands_hz": [[15, 40], [40, 90]], "tau_ms": 100.0, "frame_ms": 100.0}
CONTEXT = 60


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("people")
    return read(makers.recordings(folder / "p", 2), manifest())


def manifest() -> object:
    return makers.manifest(architecture="covariance", hyper_parameters=SHAPE, context=CONTEXT)


def test_features_along_the_signal_are_those_of_each_window_by_itself(data: Dataset) -> None:
    rows = np.arange(0, len(data.label), 17)
    its = manifest()
    each = features(
        Windows(data, its.mean, its.std).take(torch.from_numpy(rows)).numpy(),
        CovarianceParameters.read(SHAPE),
        length=data.length,
        rate=makers.RATE,
    )
    np.testing.assert_allclose(features_of(data, its)[rows], each, atol=1e-4)


def test_a_mixed_copy_has_its_own_window_and_part_of_another_classes_context(data: Dataset) -> None:
    found = moments_of(data, manifest())
    rows = np.flatnonzero((data.person == 0) & (data.session == 1))
    own, label = found[rows], data.label[rows]
    copies = mixed(own, label, 0.5, np.random.default_rng(0))
    np.testing.assert_array_equal(copies.window, own.window)
    share = np.linalg.norm(copies.context - own.context, axis=(1, 2))
    assert (share > 0).all()
    rest, fist = own.context[label == 0].mean(0), own.context[label == 1].mean(0)
    resting = copies.context[label == 0].mean(0)
    assert np.trace(rest) < np.trace(resting) < np.trace(fist)


def test_a_mixture_of_one_class_with_itself_is_what_it_was(data: Dataset) -> None:
    found = moments_of(data, manifest())
    rows = np.flatnonzero(data.label == 0)[:1]
    one = found[np.repeat(rows, 5)]
    copies = mixed(one, np.zeros(5, np.int64), 0.5, np.random.default_rng(0))
    parameters = CovarianceParameters.read(SHAPE)
    np.testing.assert_allclose(of_moments(copies, parameters), of_moments(one, parameters))
