"""How a ring of electrodes sits on the arm: turned by whole electrodes, and perhaps the other way round.

A band that is put on with its other edge towards the hand, or on the other arm, counts the muscles backwards: channel c
is then channel -c of everybody else's. Of the 75 sessions of the shared recordings 11 are worn so.

A placement only reorders the features of a covariance model, so a head can be turned instead of the signal, and costs
nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from app.learning.covariance.head import Doubles, Head, Ids

ROUNDS = 20  # of placing everyone like the mean of the others; it settles after three or four


@dataclass(frozen=True, slots=True)
class Placement:
    """Channel c of the common ring is channel c - `roll` of the ring as it is worn, or of that counted backwards."""

    roll: int = 0  # electrodes
    mirrored: bool = False

    def channels(self, number: int) -> Ids:
        """Return which worn channel each channel of the common ring is, (number,)."""
        worn = np.arange(number)
        return np.roll(worn[::-1] if self.mirrored else worn, self.roll)


def placements(channels: int, mirrored: bool = True) -> tuple[Placement, ...]:
    """Return all there are for a ring, small turns first; mirrored ones last."""
    rolls = sorted(range(-(channels // 2), (channels + 1) // 2), key=abs)
    kinds = (False, True) if mirrored else (False,)
    return tuple(Placement(roll, kind) for kind in kinds for roll in rolls)


def feature_order(placement: Placement, channels: int, bands: int) -> Ids:
    """Return which feature as worn each feature of the common ring is, (d,): window, context, then the bands."""
    worn = placement.channels(channels)
    rows, columns = np.triu_indices(channels)
    place = np.zeros((channels, channels), np.int64)
    place[rows, columns] = place[columns, rows] = np.arange(len(rows))
    half = place[worn[rows], worn[columns]]
    blocks = [half, half + len(rows)] + [2 * len(rows) + band * channels + worn for band in range(bands)]
    return np.concatenate(blocks)


def as_worn(head: Head, order: Ids) -> Head:
    """Return the head for features as worn, of one for those of the common ring."""
    back = np.argsort(order)
    return replace(
        head,
        weight=head.weight[:, back],
        typical_weight=head.typical_weight[:, back],
        curve=None if head.curve is None else head.curve.reordered(back),
    )


def profile(means: Doubles, rest: int, channels: int) -> Doubles:
    """Return how much more each gesture excites each channel than rest does, (classes, channels), of norm 1.

    `means` (classes, d) are of the features; what all channels have in common is left out.
    """
    rows, columns = np.triu_indices(channels)
    level = means[:, : len(rows)][:, rows == columns]  # log power of the window
    found = level - level[rest]
    found = found - found.mean(1, keepdims=True)
    return np.asarray(found / max(float(np.linalg.norm(found)), 1e-9))


def likest(
    own: Doubles,
    reference: Doubles,
    mirrored: bool = True,
    penalties: Mapping[Placement, float] | None = None,
) -> Placement:
    """Return the placement that brings a profile (classes, channels) nearest to another."""
    known = penalties or {}
    every = placements(own.shape[1], mirrored)
    return max(
        every,
        key=lambda at: float((own[:, at.channels(own.shape[1])] * reference).sum()) - known.get(at, 0.0),
    )


def agreed(profiles: Sequence[Doubles], person: npt.ArrayLike) -> tuple[Placement, ...]:
    """Return the placement of each session's profile that brings it nearest to the mean of the other people's.

    First without mirroring, which tells what is common; then each session may be mirrored as well.
    """
    of = np.asarray(person)
    found = [Placement()] * len(profiles)
    for mirrored in (False, True):
        for _ in range(ROUNDS):
            after = _once_more(profiles, of, found, mirrored)
            if after == found:
                break
            found = after
    return tuple(found)


def _once_more(
    profiles: Sequence[Doubles], person: Ids, now: Sequence[Placement], mirrored: bool
) -> list[Placement]:
    """Place one person after another, each like those before as they are placed by then."""
    found = list(now)
    for who in np.unique(person):
        others = np.sum(
            [
                own[:, at.channels(own.shape[1])]
                for own, at, of in zip(profiles, found, person, strict=True)
                if of != who
            ],
            axis=0,
        )
        if np.ndim(others) < 2:
            continue  # nobody else to be like
        for k in np.flatnonzero(person == who).tolist():
            found[k] = likest(profiles[k], others, mirrored)
    return found
