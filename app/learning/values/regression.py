"""Kernel ridge regression from log covariances to values, on a few of the windows that teach as centres.

A muscle's amplitude is no linear function of the logarithm of its power, and joints that move together do not add up
in it either; how near a window is to windows that were taught has neither trouble. What is stronger than was taught is
taught as well, by copies of the windows whose signal is stronger: else it would be far from all, and the hand stop as
one squeezes harder. So is hum on all channels, as of a lifted reference, by copies that have it and are neutral: a
strip that comes off must not move a motor.

Sources:
    Kernel ridge regression: Saunders, Gammerman, Vovk, "Ridge regression learning algorithm in dual variables", ICML
        1998.
    A few windows as centres: Williams & Seeger, "Using the Nystrom method to speed up kernel machines", NIPS 2000.
    Of several joints at once: Hahne et al., "Linear and nonlinear regression techniques for simultaneous and
        proportional myoelectric control", IEEE Trans. Neural Syst. Rehabil. Eng. 22(2), 2014.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.inference.covariance.logits import nearness
from app.learning.values.windows import FollowedWindows

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

CENTRES = 200
WIDTH = 0.3  # gamma, in 1 / the median squared distance of centres
STRONGER = (1.5, 2.25)  # times the signal, and so the values, as far as their ranges go
HUM = (3.0, 100.0)  # RMS of what all channels pick up alike, in their own deviations
COPIES = len(STRONGER) + 1
COPIES_SHARE = 0.6  # of the weight of the windows as they are, all copies together
PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class KernelRidge:
    """What maps features to values."""

    centres: Doubles  # (m, d)
    gamma: float
    weight: Doubles  # (m, values)
    neutral: Doubles  # (values,) what is said far from all that was taught

    def values(self, features: Doubles) -> Doubles:
        """Return the values (n, values) of features (n, d), in no range yet."""
        found: Doubles = nearness(features, self.centres, self.gamma) @ self.weight + self.neutral
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Equations:
    """Normal equations of windows."""

    centres: Doubles
    gamma: float
    products: Doubles  # (m, m) of how near the windows are
    wanted: Doubles  # (m, values) the same with what they teach
    neutral: Doubles

    def solved(self, penalty: float) -> KernelRidge:
        """Return the regression with that penalty, a share of the mean of the products' diagonal."""
        size = len(self.centres)
        added = penalty * float(np.trace(self.products)) / size * np.eye(size)
        weight = np.asarray(np.linalg.solve(self.products + added, self.wanted), np.float64)
        return KernelRidge(self.centres, self.gamma, weight, self.neutral)


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """Features of windows, and of their stronger copies, with what they teach."""

    features: Doubles  # (windows, d)
    target: Doubles  # (windows, values)
    copies: tuple[tuple[Doubles, Doubles], ...]  # features and targets of the same windows, changed
    neutral: Doubles
    low: Doubles
    high: Doubles

    def fit(self, rows: Ids, penalty: float) -> KernelRidge:
        """Return the regression that those windows teach."""
        return self.equations(rows).solved(penalty)

    def equations(self, rows: Ids) -> Equations:
        """Return what those windows say, whatever the penalty."""
        sources = [(self.features, self.target), *self.copies]
        picked = np.random.default_rng(SEED).permutation(rows)[:CENTRES]
        centres = np.concatenate(
            [found[part] for (found, _), part in zip(sources, np.split(picked, _places(picked)), strict=True)]
        )
        gamma = WIDTH / _median_distance(centres)
        products = np.zeros((len(centres), len(centres)))
        wanted = np.zeros((len(centres), len(self.neutral)))
        for at, (found, target) in enumerate(sources):
            weight = 1.0 if at == 0 else COPIES_SHARE / COPIES
            near = nearness(found[rows], centres, gamma)
            products = products + weight * near.T @ near
            wanted = wanted + weight * near.T @ (target[rows] - self.neutral)
        return Equations(centres, gamma, products, wanted, self.neutral)

    def within(self, values: Doubles) -> Doubles:
        """Return values as a stream says them, in their ranges."""
        return np.clip(values, self.low, self.high)


def taught(windows: FollowedWindows, neutral: Doubles, low: Doubles, high: Doubles) -> Taught:
    """Return what the windows teach."""
    stronger = [
        (windows.features(gain), np.clip(neutral + gain * (windows.target - neutral), low, high))
        for gain in STRONGER
    ]
    hum = np.exp(np.random.default_rng(SEED).uniform(math.log(HUM[0]), math.log(HUM[1]), len(windows)))
    humming = windows.features(hum=hum), np.broadcast_to(neutral, windows.target.shape)
    return Taught(windows.features(), windows.target, (*stronger, humming), neutral, low, high)


def _places(picked: Ids) -> list[int]:
    """Return where the centres of each kind of copy begin: half are windows as they are."""
    copies = len(picked) // (2 * COPIES)
    return [len(picked) - copies * k for k in range(COPIES, 0, -1)]


def _median_distance(centres: Doubles) -> float:
    squares = np.square(centres).sum(1)
    apart = squares[:, np.newaxis] + squares - 2 * centres @ centres.T
    found = float(np.median(apart[np.triu_indices(len(centres), 1)])) if len(centres) > 1 else 1.0
    return max(found, 1e-9)


def penalty_for(known: Taught, parts: list[tuple[Ids, Ids]]) -> float:
    """Return the penalty with which windows that are left out are told best."""
    span = np.square(known.high - known.low)
    wrong = np.zeros(len(PENALTIES))
    for rows, test in parts:
        equations = known.equations(rows)
        for k, penalty in enumerate(PENALTIES):
            told = known.within(equations.solved(penalty).values(known.features[test]))
            wrong[k] += float((np.square(told - known.target[test]) / span).sum())
    return PENALTIES[int(wrong.argmin())]
