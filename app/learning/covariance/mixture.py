"""The head for people never seen, whose ring may sit in any way: one for each placement, and the sum of all.

A window does not say how the ring sits, but it can say that it is no gesture at all in most placements. So it is judged
under each, weighed by how often people wear the ring so. With one covariance for all placements what they share drops
out, and each is linear: a mixture discriminant (Hastie and Tibshirani, "Discriminant analysis by Gaussian mixtures",
J. R. Stat. Soc. B 58(1), 1996).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.learning.covariance.head import Doubles, Head, discriminant, shrunk
from app.learning.covariance.incomplete import deviating
from app.learning.covariance.placement import Placement, feature_order, placements

SHRINKAGE = 0.1
HEAT = 0.4  # logits are worth less than they say, and the differences between placements with them
UNSEEN = 0.25  # of a session, in how often a placement occurs
CENTRE = 0.5  # of the covariance of centres: a person's is not wholly like another's


def mixture_head(
    means: Doubles,
    within: Doubles,
    worn: Sequence[Placement],
    *,
    channels: int,
    bands: int,
    weight: Doubles | None = None,
) -> Head:
    """Return the head of all placements, for features as worn, from statistics in the place of the common ring.

    Args:
        means: (sessions, classes, d), not centred.
        within: (d, d) of windows around a session's class means.
        worn: how the ring sat in each session.
        channels: of the ring.
        bands: whose powers are features.
        weight: (sessions, classes) how much each mean counts, 0 where it was not seen; without it all alike.
    """
    every = placements(channels)
    orders = [feature_order(at, channels, bands) for at in every]
    counts = np.ones(means.shape[:2]) if weight is None else weight
    share = counts.max(1)
    often = np.array(
        [UNSEEN + sum(one for one, sits in zip(share, worn, strict=True) if sits == at) for at in every]
    )
    often = often / often.sum()
    backs = [np.argsort(order) for order in orders]
    common = within + _between(means, counts, share)
    middle = np.average(means, axis=0, weights=share)
    spread = np.sum(
        [weight * common[np.ix_(back, back)] for weight, back in zip(often, backs, strict=True)], axis=0
    )
    each = np.concatenate([middle[:, back] for back in backs])  # (placements x classes, d)
    head = discriminant(each, shrunk(spread, SHRINKAGE)).tempered(1 / HEAT)
    bias = head.bias + np.repeat(np.log(often), means.shape[1])
    return Head(head.weight, bias, head.typical_weight, head.typical_bias, len(every))


def _between(means: Doubles, counts: Doubles, share: Doubles) -> Doubles:
    """Return the covariance of sessions around all, of gestures and of centres, (d, d)."""
    centres = means.mean(1)
    gestures = means - centres[:, np.newaxis]
    apart = gestures - np.average(gestures, axis=0, weights=share)
    apart = (np.sqrt(counts)[:, :, np.newaxis] * apart).reshape(-1, means.shape[2])
    moved = np.sqrt(share)[:, np.newaxis] * (centres - np.average(centres, axis=0, weights=share))
    found: Doubles = apart.T @ apart / deviating(counts) + CENTRE * moved.T @ moved / share.sum()
    return found
