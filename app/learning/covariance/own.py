"""The head of one person: what their repetitions show, weighed against what other people are like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from app.inference.covariance.features import of_moments
from app.inference.covariance.moments import Moments
from app.inference.covariance.parameters import CovarianceParameters
from app.learning.covariance.head import (
    SHRINKAGE,
    Doubles,
    Head,
    Ids,
    class_covariances,
    class_discriminant,
    class_statistics,
    discriminant,
    shrunk,
)
from app.learning.covariance.placement import Placement, feature_order, likest, profile
from app.learning.covariance.prior import Prior
from app.learning.covariance.windows import joined, mixed
from app.learning.datasets import Dataset

OWN = 0.3  # of the common covariance is the person's own, the rest other people's
OWN_SHRINKAGE = 0.15  # of the own one towards its diagonal
# A copy of a window with a mixed context beside the window as it is: with none a change of gesture is seen late, and
# what counts as much as the windows costs half a per cent of them.
COPY_WEIGHT = 1 / 3
# Who taught in several sessions puts the ring on once more: then it sits as in one of them, or near it.
ANEW, TURNED = 1.0, 4.0  # nats for the mean of the sessions in place of one of them, and for each electrode
FARTHEST = 2  # electrodes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """Windows of one person that teach: of one session, or of several that count alike."""

    moments: Moments
    label: Ids  # 0 to classes - 1
    session: Ids
    repetitions: float  # of each gesture in each session


class Taught(NamedTuple):
    """Features of windows and of their copies."""

    features: Doubles  # (n, d)
    label: Ids
    session: Ids
    weight: Doubles  # (n,) of each within its class
    repetitions: float  # of each gesture in each session

    def of_session(self, number: int) -> Taught:
        """Return those of one session."""
        rows = self.session == number
        return Taught(
            self.features[rows], self.label[rows], self.session[rows], self.weight[rows], self.repetitions
        )


def example(data: Dataset, found: Moments, rows: Ids) -> Example:
    """Return windows of one person in a dataset, whose moments are `found`, as what teaches."""
    gesture = data.label[rows] != data.rest
    made = np.stack([data.session[rows], data.label[rows], data.repetition[rows]], 1)[gesture]
    gestures = max(1, len(np.unique(made[:, :2], axis=0)))
    return Example(
        moments=found[rows],
        label=data.label[rows],
        session=data.session[rows],
        repetitions=max(1.0, len(np.unique(made, axis=0)) / gestures),
    )


def own_head(
    shown: Example,
    classes: Sequence[int | None],
    parameters: CovarianceParameters,
    prior: Prior | None,
    *,
    rest: int,
    ring: bool,
) -> Head:
    """Return the head for features as worn; that of several sessions has one for each, as `placements` of the graph.

    Args:
        shown: `label` k is class `classes[k]` of the prior.
        classes: of the prior, in the order of the head's; None for one that the prior lacks.
        parameters: of the features.
        prior: of other people, if there are any.
        rest: which of `classes` is rest.
        ring: whether the electrodes may be turned.

    Raises:
        DataError: a class has fewer than two windows in a session.
    """
    bands = len(parameters.bands_hz)
    return head_of_sessions(taught(shown, parameters), classes, prior, bands=bands, rest=rest, ring=ring)


def head_of_sessions(
    shown: Taught,
    classes: Sequence[int | None],
    prior: Prior | None,
    *,
    bands: int,
    rest: int,
    ring: bool,
) -> Head:
    """Return the same of features that are there; `bands` are those whose powers are among them."""
    parts = [shown.of_session(number) for number in np.unique(shown.session).tolist()]
    found = [class_statistics(one.features, one.label, len(classes), one.weight) for one in parts]
    if prior is None:
        covariances = [shrunk(within, SHRINKAGE) for _, within in found]
        head = discriminant(np.concatenate([means for means, _ in found]), np.mean(covariances, axis=0))
        return replace(head, placements=len(found))
    places = [_place(means, classes, prior, rest) if ring else Placement() for means, _ in found]
    orders = [_order(at, prior, bands) if ring else np.arange(len(prior.within)) for at in places]
    expected = [
        prior.expected_means(means[:, order], classes, shown.repetitions)
        for (means, _), order in zip(found, orders, strict=True)
    ]
    backs = [np.argsort(order) for order in orders]
    covariances = [
        OWN * shrunk(within, OWN_SHRINKAGE) + (1 - OWN) * prior.within[np.ix_(back, back)]
        for (_, within), back in zip(found, backs, strict=True)
    ]
    components = [means[:, back] for means, back in zip(expected, backs, strict=True)]
    bias = [0.0] * len(components)
    if ring and len(parts) > 1:
        for at, nats in _once_more(places, prior.profile.shape[1]).items():
            components.append(np.mean(expected, axis=0)[:, np.argsort(_order(at, prior, bands))])
            bias.append(-nats)
    each = [
        class_covariances(one.features, one.label, means, one.weight)
        for one, (means, _) in zip(parts, found, strict=True)
    ]
    head = class_discriminant(np.stack(components), np.mean(covariances, axis=0), np.mean(each, axis=0))
    return replace(head, bias=head.bias + np.repeat(bias, len(classes)))


def _order(at: Placement, prior: Prior, bands: int) -> Ids:
    return feature_order(at, prior.profile.shape[1], bands)


def _once_more(places: Sequence[Placement], channels: int) -> dict[Placement, float]:
    """Return how the ring may sit when it is put on once more, and how many nats less likely that is."""
    found: dict[Placement, float] = {}
    for at in places:
        for turn in range(-FARTHEST, FARTHEST + 1):
            roll = (at.roll + turn + channels // 2) % channels - channels // 2
            nats = ANEW + TURNED * abs(turn)
            found[Placement(roll, at.mirrored)] = min(nats, found.get(Placement(roll, at.mirrored), np.inf))
    return found


def _place(means: Doubles, classes: Sequence[int | None], prior: Prior, rest: int) -> Placement:
    """Return how the ring sits, by the gestures that other people made too."""
    rows = [k for k, known in enumerate(classes) if known is not None]
    if rest not in rows or len(rows) < 2:
        return Placement()
    at = rows.index(rest)
    known = prior.profile_of([known for known in classes if known is not None], at)
    return likest(profile(means[rows], at, prior.profile.shape[1]), known)


def taught(shown: Example, parameters: CovarianceParameters, seed: int = 0) -> Taught:
    """Return the windows as they are and a copy of each with a mixed context, of the same session."""
    chance, tau_s = np.random.default_rng(seed), parameters.tau_ms / 1e3
    order, copies = [], []
    for session in np.unique(shown.session):
        rows = np.flatnonzero(shown.session == session)
        order.append(rows)
        copies.append(mixed(shown.moments[rows], shown.label[rows], tau_s, chance))
    again = np.concatenate(order)
    features = np.concatenate(
        [of_moments(each, parameters) for each in (shown.moments, joined(copies))], axis=0
    )
    return with_copies(features, shown.label, shown.session, again, shown.repetitions)


def with_copies(features: Doubles, label: Ids, session: Ids, again: Ids, repetitions: float) -> Taught:
    """Return features of windows and, behind them, of copies of the windows `again`."""
    weight = np.concatenate([np.ones(len(label)), np.full(len(again), COPY_WEIGHT)])
    label, session = (np.concatenate([each, each[again]]) for each in (label, session))
    return Taught(features, label, session, weight, repetitions)
