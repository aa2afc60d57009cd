"""Sessions of several sets together: how much each counts, and what the gestures that one lacks would be like.

Two labs rarely ask for the same gestures. A session's class means are taken as its own centre and what is typical of
each class, which is the usual two-way model with empty cells (Yates, "The analysis of replicated experiments when the
field results are incomplete", Empire J. Exp. Agric. 1(2), 1933): filled with what they are expected to be, until that
no longer moves. So they add nothing to any covariance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Known = npt.NDArray[np.bool_]

ROUNDS = 500  # what is left of the error falls by the share of classes that a session lacks, each time
SETTLED = 1e-9  # of the largest mean


def shares(person: Sequence[int]) -> Doubles:
    """Return how much each session counts, (n,), 1 on average: every person alike, however many days they came."""
    _, place, sessions = np.unique(person, return_inverse=True, return_counts=True)
    each = 1.0 / sessions[place]
    return np.asarray(each * len(each) / each.sum(), np.float64)


def deviating(weight: Doubles) -> float:
    """Return by what the squares of deviations from sessions' centres are divided, of weights (sessions, classes).

    A session with k of K classes deviates k - 1 times; with all of them it counts K, as in a mean over its classes.
    """
    classes = weight.shape[1]
    times = weight.max(1) * ((weight > 0).sum(1) - 1)
    return float(times.sum() * classes / (classes - 1))


def completed(means: Doubles, known: Known, share: Doubles) -> Doubles:
    """Return class means (sessions, classes, d) in which those that are not `known` are what they are likely to be.

    A class that none shows is where the centre is.
    """
    found = np.where(known[:, :, np.newaxis], means, 0.0)
    found = np.where(
        known[:, :, np.newaxis], means, (found.sum(1) / known.sum(1)[:, np.newaxis])[:, np.newaxis]
    )
    if known.all():
        return found
    weight = share[:, np.newaxis] * known
    weight = weight / np.maximum(weight.sum(0), 1e-12)
    for _ in range(ROUNDS):
        centre = found.mean(1, keepdims=True)
        typical = np.einsum("sk,skd->kd", weight, found - centre)
        expected = centre + typical - typical.mean(0)
        after = np.where(known[:, :, np.newaxis], means, expected)
        moved = np.abs(after - found).max()
        found = after
        if moved <= SETTLED * np.abs(found).max():
            break
    return found
