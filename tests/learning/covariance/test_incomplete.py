"""Sessions that lack gestures, and people who came more often than others."""

from __future__ import annotations

import numpy as np
import pytest

from app.learning.covariance.incomplete import completed, shares
from app.learning.covariance.pooled import Pool
from app.learning.covariance.prior import Prior, Session, pool, session_statistics
from tests.learning.covariance.test_prior import CHANNELS, CLASSES, session


def test_people_count_alike_however_often_they_came() -> None:
    share = shares([0, 1, 1, 1, 2])

    assert share.mean() == pytest.approx(1)
    assert share[0] == pytest.approx(share[1:4].sum()) == pytest.approx(share[4])


def test_what_a_session_lacks_is_its_own_centre_and_what_is_typical_of_the_class() -> None:
    chance = np.random.default_rng(0)
    typical = chance.normal(size=(5, 7))
    truth = chance.normal(size=(6, 1, 7)) + typical  # sessions differ by their centres alone
    known = np.ones((6, 5), bool)
    known[3:, 1] = known[:3, 4] = known[5, 2] = False
    shown = np.where(known[:, :, None], truth, 1e3)

    np.testing.assert_allclose(completed(shown, known, np.ones(6)), truth, atol=1e-6)


def test_a_class_that_nobody_shows_is_where_the_centre_is() -> None:
    means = np.random.default_rng(0).normal(size=(3, 2, 4))
    known = np.array([[True, False]] * 3)

    found = completed(means, known, np.ones(3))

    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, 1], means[:, 0], atol=1e-6)


def lacking(seed: int, gone: int | None) -> Session:
    features, label, repetition = session(seed)
    rows = label != gone
    return session_statistics(features[rows], label[rows], repetition[rows], CLASSES, seed)


def test_two_sets_of_which_each_lacks_a_gesture_give_nearly_the_prior_of_whole_ones() -> None:
    whole = pool([lacking(seed, None) for seed in range(80)], 0, CHANNELS)
    parts = pool([lacking(seed, 1 if seed % 2 else 2) for seed in range(80)], 0, CHANNELS)

    assert np.abs(parts.means - whole.means).max() < 0.35  # of 3; half as many sessions say what it is
    assert np.diag(parts.between).mean() == pytest.approx(np.diag(whole.between).mean(), rel=0.2)
    assert np.diag(parts.repeated).mean() == pytest.approx(np.diag(whole.repeated).mean(), rel=0.1)


@pytest.mark.parametrize("ring", [True, False], ids=["ring", "no ring"])
def test_a_pool_without_a_person_is_the_pool_of_those_who_are_left(ring: bool) -> None:
    """Rings were placed by everybody, and stayed so: whoever was held out had a say in it."""
    sessions = [lacking(seed, None) for seed in range(6)]
    shape = {"rest": 0, "channels": CHANNELS, "bands": 0, "ring": ring}

    without = Pool.of(sessions, **shape).without([2])
    never = Pool.of([one for one in sessions if one.person != 2], **shape)

    assert without.places == never.places
    for name, values in vars_of(without.prior()).items():
        np.testing.assert_array_equal(values, vars_of(never.prior())[name])
    np.testing.assert_array_equal(without.head().weight, never.head().weight)


def vars_of(prior: Prior) -> dict[str, np.ndarray]:
    return {name: getattr(prior, name) for name in ("means", "within", "between", "repeated", "profile")}
