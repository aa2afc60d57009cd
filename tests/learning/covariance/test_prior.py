from __future__ import annotations

import numpy as np
import pytest

from app.errors import ArtefactError, DataError
from app.learning.covariance.prior import Prior, Session, pool, session_statistics

CLASSES, CHANNELS = 3, 4
SIZE = CHANNELS * (CHANNELS + 1)
EACH, REPETITIONS = 30, 4


def session(
    seed: int, apart: float = 0.5, repeated: float = 0.3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels and repetitions of a session drawn as the prior's model has it."""
    chance = np.random.default_rng(seed)
    common = 3 * np.random.default_rng(99).standard_normal((CLASSES, SIZE))
    means = common + apart * chance.standard_normal((CLASSES, SIZE))
    label = np.tile(np.repeat(np.arange(CLASSES), EACH), REPETITIONS)
    repetition = np.repeat(np.arange(1, REPETITIONS + 1), CLASSES * EACH)
    moved = repeated * chance.standard_normal((REPETITIONS + 1, CLASSES, SIZE))
    noise = 0.2 * chance.standard_normal((len(label), SIZE))
    return means[label] + moved[repetition, label] + noise, label, repetition


def truth(seed: int, apart: float = 0.5) -> np.ndarray:
    """The class means that a session's repetitions were drawn around."""
    common = 3 * np.random.default_rng(99).standard_normal((CLASSES, SIZE))
    return common + apart * np.random.default_rng(seed).standard_normal((CLASSES, SIZE))


def statistics(count: int = 60, **spread: float) -> list[Session]:
    return [session_statistics(*session(k, **spread), CLASSES, k) for k in range(count)]


@pytest.fixture(scope="module")
def prior() -> Prior:
    return pool(statistics(), 0, CHANNELS)


def test_the_pool_finds_the_covariances_that_sessions_were_drawn_with(prior: Prior) -> None:
    assert np.diag(prior.repeated).mean() == pytest.approx(0.3**2, rel=0.1)
    # of centred means: a session's own mean over the classes takes a third of it away, repetitions add their part
    centred = (0.5**2 + 0.3**2 / REPETITIONS) * (1 - 1 / CLASSES)
    assert np.diag(prior.between).mean() == pytest.approx(centred, rel=0.1)
    assert np.diag(prior.within).mean() == pytest.approx(0.2**2 + 0.3**2 * (1 - 1 / REPETITIONS), rel=0.1)
    np.testing.assert_allclose(prior.means.mean(0), 0, atol=1e-9)


def test_means_of_one_repetition_come_nearer_to_the_truth_when_weighed_against_other_people() -> None:
    alike = {"apart": 0.2, "repeated": 0.5}
    prior = pool(statistics(**alike), 0, CHANNELS)
    seen, likely = [], []
    for seed in range(200, 240):
        features, label, repetition = session(seed, **alike)
        whole = truth(seed, alike["apart"])
        first = np.stack([features[(label == k) & (repetition == 1)].mean(0) for k in range(CLASSES)])
        seen.append(np.square(first - whole).mean())
        likely.append(np.square(prior.expected_means(first, range(CLASSES), 1) - whole).mean())
    assert np.mean(likely) < 0.6 * np.mean(seen)


def test_many_repetitions_are_believed(prior: Prior) -> None:
    features, label, _ = session(300)
    means = np.stack([features[label == k].mean(0) for k in range(CLASSES)])
    few, many = (prior.expected_means(means, range(CLASSES), count) for count in (1, 1e6))
    np.testing.assert_allclose(many, means, atol=1e-2)
    assert np.abs(few - means).max() > 0.1


def test_a_new_gesture_stays_as_it_was_shown(prior: Prior) -> None:
    features, label, _ = session(300)
    means = np.stack([features[label == k].mean(0) for k in range(CLASSES)])
    found = prior.expected_means(means, (0, None, 2), 1)
    np.testing.assert_array_equal(found[1], means[1])
    assert np.abs(found[[0, 2]] - means[[0, 2]]).max() > 0.01
    np.testing.assert_array_equal(prior.expected_means(means, (None, None, None), 1), means)


def test_a_prior_is_kept_in_an_artefact_and_read_back(prior: Prior) -> None:
    again = Prior.of_arrays(prior.arrays(), SIZE)
    np.testing.assert_allclose(again.between, prior.between, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(again.profile, prior.profile, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["within", "means", "centre"])
def test_a_damaged_prior_is_refused_by_name(prior: Prior, name: str) -> None:
    arrays = prior.arrays()
    with pytest.raises(ArtefactError, match="a prior holds"):
        Prior.of_arrays({key: array for key, array in arrays.items() if key != name}, SIZE)
    broken = arrays[name].copy()
    broken.flat[0] = np.nan
    with pytest.raises(ArtefactError, match=name):
        Prior.of_arrays({**arrays, name: broken}, SIZE)
    with pytest.raises(ArtefactError, match=name):
        Prior.of_arrays({**arrays, name: arrays[name][..., :-1]}, SIZE)


def test_one_session_makes_no_prior() -> None:
    with pytest.raises(DataError, match="two sessions"):
        pool(statistics(1), 0, CHANNELS)
