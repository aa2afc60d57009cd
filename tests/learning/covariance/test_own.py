from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.inference.covariance.features import of_moments
from app.inference.covariance.parameters import CovarianceParameters
from app.learning.covariance.own import Example, example, own_head
from app.learning.covariance.pooled import Pool, pool_of
from app.learning.covariance.windows import features_of, moments_of
from app.learning.datasets import Dataset, read
from tests.learning import makers

SHAPE = {"bands_hz": [[15, 40], [40, 90]], "tau_ms": 100.0, "frame_ms": 100.0}
PARAMETERS = CovarianceParameters.read(SHAPE)
EVERY = range(len(makers.CLASSES))


def manifest() -> object:
    return makers.manifest(architecture="covariance", hyper_parameters=SHAPE, context=60)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return read(makers.recordings(tmp_path_factory.mktemp("people") / "p", 4), manifest())


@pytest.fixture(scope="module")
def others(data: Dataset) -> Pool:
    return pool_of(data, features_of(data, manifest()), manifest(), ring=True)


def shown(data: Dataset, person: int, *, repetitions: int = 1, sessions: tuple[int, ...] = (1,)) -> Example:
    rows = np.flatnonzero(
        (data.person == person) & np.isin(data.session, sessions) & (data.repetition <= repetitions)
    )
    return example(data, moments_of(data, manifest()), rows)


def accuracy(head: object, data: Dataset, person: int, session: int = 1) -> float:
    rows = np.flatnonzero((data.person == person) & (data.repetition > 3) & (data.session == session))
    return float((head.predict(features_of(data, manifest())[rows]) == data.label[rows]).mean())


def test_one_repetition_teaches_a_person(data: Dataset, others: Pool) -> None:
    prior = others.without([0]).prior()
    head = own_head(shown(data, 0), EVERY, PARAMETERS, prior, rest=0, ring=True)
    assert accuracy(head, data, 0) > 0.95
    assert accuracy(own_head(shown(data, 0), EVERY, PARAMETERS, None, rest=0, ring=True), data, 0) > 0.9


def test_others_priors_let_each_class_have_a_covariance_of_its_own(data: Dataset, others: Pool) -> None:
    head = own_head(shown(data, 0), EVERY, PARAMETERS, others.without([0]).prior(), rest=0, ring=True)
    alone = own_head(shown(data, 0), EVERY, PARAMETERS, None, rest=0, ring=True)
    assert head.shaping(PARAMETERS).curved == 128
    assert alone.shaping(PARAMETERS).curved == 0


def test_a_ring_that_is_turned_or_backwards_gives_the_same_scores_on_turned_features(
    data: Dataset, others: Pool
) -> None:
    """Statistics are placed, not the signal: a head for the turned ring is the turned head."""
    prior = others.without([0]).prior()
    worn = shown(data, 0)
    for channels in (np.roll(np.arange(4), 1), np.arange(4)[::-1]):
        found = worn.moments
        turned = replace(
            found,
            window=found.window[:, channels][:, :, channels],
            context=found.context[:, channels][:, :, channels],
            bands=found.bands[:, :, channels],
        )
        straight = own_head(worn, EVERY, PARAMETERS, prior, rest=0, ring=True)
        other = own_head(replace(worn, moments=turned), EVERY, PARAMETERS, prior, rest=0, ring=True)
        np.testing.assert_allclose(
            other.scores(of_moments(turned, PARAMETERS)),
            straight.scores(of_moments(found, PARAMETERS)),
            atol=1e-6,
        )


def test_a_subset_and_new_gestures_are_learned(data: Dataset, others: Pool) -> None:
    prior = others.without([0]).prior()
    every = shown(data, 0)
    two = every.label != 1
    subset = Example(
        moments=every.moments[two],
        label=np.where(every.label[two] == 2, 1, 0),
        session=every.session[two],
        repetitions=1,
    )
    head = own_head(subset, (0, 2), PARAMETERS, prior, rest=0, ring=True)
    assert (head.predict(of_moments(subset.moments, PARAMETERS)) == subset.label).mean() > 0.95
    new = own_head(every, (0, 1, None), PARAMETERS, prior, rest=0, ring=True)
    assert accuracy(new, data, 0) > 0.9


def test_several_sessions_have_a_head_each_for_they_may_be_worn_otherwise(
    data: Dataset, others: Pool
) -> None:
    prior = others.without([0]).prior()
    both = shown(data, 0, sessions=(1, 2))
    second = both.session == 2
    channels = np.roll(np.arange(4), 2)
    moved = both.moments
    window, context, bands = moved.window.copy(), moved.context.copy(), moved.bands.copy()
    window[second] = window[second][:, channels][:, :, channels]
    context[second] = context[second][:, channels][:, :, channels]
    bands[second] = bands[second][:, :, channels]
    turned = replace(both, moments=replace(moved, window=window, context=context, bands=bands))
    head = own_head(turned, EVERY, PARAMETERS, prior, rest=0, ring=True)
    assert head.placements >= 2
    found = head.predict(of_moments(turned.moments, PARAMETERS)) == both.label
    assert found[second].mean() > 0.95
    assert found[~second].mean() > 0.95
