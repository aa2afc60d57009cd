"""A head from a minute that nobody labelled: how the ring sits, where features lie, and which gesture is which."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from app.errors import DataError
from app.learning.covariance.head import Doubles, Ids, discriminant
from app.learning.covariance.placement import Placement, feature_order
from app.learning.covariance.unlabelled import Layout, Own, expected_shares, learn, placed

CHANNELS, CLASSES = 6, 4
SIZE = CHANNELS * (CHANNELS + 1)
NAMES = ("rest", "a", "b", "c")
LAYOUT = Layout(channels=CHANNELS, bands=0, classes=NAMES, rest=0, hop_s=0.1, ring=True)


@dataclass(frozen=True)
class Pooled:
    """Statistics of people who differ little."""

    means: Doubles
    within: Doubles
    between: Doubles


@pytest.fixture(scope="module")
def pooled() -> Pooled:
    means = np.random.default_rng(0).normal(size=(CLASSES, SIZE))
    rows, columns = np.triu_indices(CHANNELS)
    means[1:, np.flatnonzero(rows == columns)] += 3.0  # gestures are stronger than rest
    return Pooled(means - means.mean(0), 1.5 * np.eye(SIZE), 0.2 * np.eye(SIZE))


def person(
    pooled: Pooled, at: Placement, seed: int, without: tuple[int, ...] = (), spread: float = 0.2
) -> tuple[Doubles, Ids]:
    """Return features as worn, and labels, of somebody whose features all lie elsewhere and whose gestures differ."""
    chance = np.random.default_rng(seed)
    own = pooled.means + np.sqrt(spread) * chance.normal(size=pooled.means.shape)
    label = np.repeat(np.arange(CLASSES), [300, 100, 100, 100])
    label = label[~np.isin(label, without)]
    common = own[label] + np.sqrt(1.5) * chance.normal(size=(len(label), SIZE)) + 3 * chance.normal(size=SIZE)
    worn = np.zeros_like(common)
    worn[:, feature_order(at, CHANNELS, 0)] = common
    return worn, label


@pytest.mark.parametrize("at", [Placement(), Placement(2), Placement(-1, mirrored=True)], ids=str)
def test_a_minute_without_labels_says_where_the_ring_sits_and_which_gesture_is_which(
    pooled: Pooled, at: Placement
) -> None:
    worn, label = person(pooled, at, seed=1)
    found = learn(worn, pooled, LAYOUT)
    assert found.placement == at
    assert found.margin > 0
    assert np.mean(found.head.predict(worn) == label) > 0.97
    as_it_is = discriminant(pooled.means, pooled.within).predict(worn)
    assert np.mean(as_it_is == label) < 0.95


def test_the_gestures_move_from_the_pooled_ones_to_the_persons_own(pooled: Pooled) -> None:
    differing = replace(pooled, means=pooled.means * 0.6, between=0.6 * np.eye(SIZE))
    alike = replace(differing, between=1e-9 * np.eye(SIZE))  # nobody differs: only the centre is learned
    right: dict[str, list[float]] = {"own": [], "common": []}
    for seed in range(4):
        minute, label = person(differing, Placement(), seed, spread=0.6)
        for name, known in (("own", differing), ("common", alike)):
            found = learn(minute, known, replace(LAYOUT, ring=False))
            right[name].append(float(np.mean(found.head.predict(minute) == label)))
    assert np.mean(right["own"]) > np.mean(right["common"]) + 0.02


def test_electrodes_that_form_no_ring_are_left_where_they_are(pooled: Pooled) -> None:
    worn, label = person(pooled, Placement(), seed=3)
    found = learn(worn, pooled, replace(LAYOUT, ring=False))
    assert found.placement == Placement()
    assert found.margin == 0
    assert np.mean(found.head.predict(worn) == label) > 0.97


def test_a_tug_at_the_cable_does_not_turn_the_ring(pooled: Pooled) -> None:
    worn, _ = person(pooled, Placement(1), seed=4)
    worn[::20] += 60 * np.random.default_rng(5).normal(size=(len(worn[::20]), SIZE))
    assert placed(worn, pooled, LAYOUT).placement == Placement(1)


def test_a_far_window_is_less_typical_for_the_learned_head_than_those_of_the_minute(pooled: Pooled) -> None:
    worn, _ = person(pooled, Placement(1), seed=6)
    head = learn(worn, pooled, LAYOUT).head
    assert head.logits(worn + 20).max() < head.logits(worn).max(1).min()


@pytest.mark.parametrize("without", [(), (2,), (0,)], ids=["nothing", "a gesture", "rest"])
def test_what_a_minute_lacks_is_named(pooled: Pooled, without: tuple[int, ...]) -> None:
    worn, _ = person(pooled, Placement(), seed=7, without=without)
    assert learn(worn, pooled, LAYOUT).lacking == tuple(NAMES[k] for k in without)


def test_a_minute_of_one_gesture_and_rest_is_refused(pooled: Pooled) -> None:
    worn, _ = person(pooled, Placement(), seed=7, without=(1, 3))
    with pytest.raises(DataError, match="does not surely show a, c; record a minute"):
        learn(worn, pooled, LAYOUT)


def test_rest_alone_is_refused(pooled: Pooled) -> None:
    worn, label = person(pooled, Placement(), seed=8)
    with pytest.raises(DataError, match="hardly stronger at its strongest"):
        learn(worn[label == 0], pooled, LAYOUT)


@pytest.mark.parametrize("rest", [300, 100, 40], ids="{} windows".format)
def test_how_much_of_a_minute_is_rest_need_not_be_said(pooled: Pooled, rest: int) -> None:
    worn, label = person(pooled, Placement(), seed=9)
    some = np.sort(np.concatenate([np.flatnonzero(label == 0)[:rest], np.flatnonzero(label != 0)]))
    found = learn(worn[some], pooled, LAYOUT)
    assert found.rest_share == pytest.approx(rest / len(some), abs=0.08)
    assert found.lacking == ()
    assert np.mean(found.head.predict(worn) == label) > 0.97


def test_every_gesture_has_the_same_share_of_what_is_not_rest() -> None:
    assert expected_shares(4, 1, 0.5).tolist() == pytest.approx([1 / 6, 0.5, 1 / 6, 1 / 6])


def test_a_head_that_knows_its_covariance_gives_its_statistics_back() -> None:
    chance = np.random.default_rng(11)
    means, mix = chance.normal(size=(3, 5)), chance.normal(size=(5, 5))
    covariance = mix @ mix.T + np.eye(5)
    found = Own.of_head(discriminant(means, covariance).tempered(3.0), 3.0)
    assert np.allclose(found.means, means - means.mean(0), atol=1e-4)
    assert np.allclose(found.within, covariance, rtol=1e-3)


def test_a_head_that_does_not_know_its_covariance_is_refused() -> None:
    head = replace(discriminant(np.eye(3), np.eye(3)), typical_weight=np.zeros((0, 3)))
    with pytest.raises(DataError, match="does not hold the statistics"):
        Own.of_head(head, 1.0)
