"""A model made a person's own without a label: how the ring sits, where all features lie, and what the gestures are.

A guided minute is what this takes: every gesture about as long as every other, and rest, for half of it or for less, in
any order. Nobody says when which was made. Three steps, each by how likely the minute is under what is known of people:

1. The placement under which the minute is likeliest as a mixture of the pooled gestures. Windows are weighed by a
   Student density, so that a bad electrode or a tug at a cable does not decide, and every gesture has its share. With
   the placement goes the share of rest.
2. The mean of the minute becomes what the pooled mean of such a minute is.
3. The gestures move from the pooled ones to what the minute shows (expectation maximisation), as far as people are
   known to differ.

A minute that lacks gestures or rest has another mean, and no shares that anybody knows. So first the gestures move
freely, and what is not surely among them is said to be lacking: then they stay where they moved to freely. Where half
of the gestures are not there, or the signal is hardly ever stronger than at its weakest, nothing is learned at all.

Sources:
    Gaussian mixtures by expectation maximisation with a prior of the means: Gauvain and Lee, "Maximum a posteriori
        estimation for multivariate Gaussian mixture observations of Markov chains", IEEE Trans. Speech Audio
        Process. 2(2), 1994.
    Shares of the classes that are known beforehand: Mann and McCallum, "Generalized expectation criteria for
        semi-supervised learning with weakly labeled data", JMLR 11, 2010.
    Centring on the log-Euclidean mean: Zanini et al., "Transfer learning: a Riemannian geometry framework with
        applications to brain-computer interfaces", IEEE Trans. Biomed. Eng. 65(5), 2018.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from app.errors import DataError
from app.learning.covariance.head import Doubles, Head, Ids, discriminant, shrunk
from app.learning.covariance.placement import Placement, as_worn, feature_order, placements
from app.learning.own.hint import Hint, LearningError

REST_SHARES = (0.5, 0.25, 0.125, 0.05)  # that are tried; the last is as good as none
UNUSUAL = 1.0  # nats a window by which another share than the first must be likelier
BETWEEN = (
    0.3  # of the covariance between sessions, added to that within: the person's own gestures are not known
)
PLACE_SHRINKAGE = 0.5  # of a covariance towards its diagonal where only the placement is looked for
SHRINKAGE = 0.1
HEAT = 0.3  # logits are worth less than they say: neighbouring windows overlap, and people are no Gaussians
FREEDOM = 96.0  # of the Student density
OWN_BETWEEN = 1.0  # of the covariance within: how much the same person's gestures differ on another day
STEPS = 6
SURE, SURE_S = 0.5, 1.5  # a gesture is there if so many seconds of the minute are so surely it
LEAST_REST = 0.1  # share that must be found
LEAST_ACTIVITY = (
    1.75  # nats of power between the weak tenth and the strong tenth of a minute; rest alone has 0.8
)
PER_SECOND = 0.5  # independent looks at a gesture that a second of it is worth
BALANCING = 15  # rounds; the shares are within a per cent of what they should be after ten


CURE = "record a minute with every gesture and as much rest, such as 4 s of each and 4 s of rest between"


class Known(Protocol):
    """What the pooled statistics of people say, in the place of the common ring: `app.learning.covariance.prior`."""

    @property
    def means(self) -> Doubles:
        """(classes, d), centred."""

    @property
    def within(self) -> Doubles:
        """(d, d) of windows around the means of a session."""

    @property
    def between(self) -> Doubles:
        """(d, d) of the means of sessions around those of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the features are of."""

    channels: int
    bands: int
    classes: tuple[str, ...]
    rest: int  # which class
    hop_s: float  # between two windows
    ring: bool  # whether the electrodes may be turned


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learned:
    """What a minute without labels says."""

    head: Head  # for features as worn
    placement: Placement
    margin: float  # nats a window by which the next best placement is less likely; 0 where there is no other
    rest_share: float  # the likeliest of REST_SHARES
    lacking: tuple[str, ...]  # classes that it did not surely show; where none, all gestures have one share


def learn(features: Doubles, known: Known, layout: Layout) -> Learned:
    """Return the head of one person from the features (n, d) of a guided minute, as worn.

    Raises:
        DataError: it shows too few gestures, or nothing but rest.
    """
    _expect_activity(features, layout.channels)
    found = placed(features, known, layout)
    shares = expected_shares(len(known.means), layout.rest, found.rest_share)
    turned = features[:, found.order]
    centre = _centre(turned, known.means, shares)
    moved, shift = _gestures(turned - centre, known, shares, layout.hop_s, exact=False)
    scores = discriminant(moved, _spread(known, SHRINKAGE)).scores(turned - centre)
    lacking = _lacking(scores, layout, found.rest_share)
    if not lacking:
        moved, shift = _gestures(turned - centre, known, shares, layout.hop_s, exact=True)
    head = _shifted(discriminant(moved, _spread(known, SHRINKAGE)), centre + shift)
    return Learned(
        head=as_worn(head, found.order),
        placement=found.placement,
        margin=found.margin,
        rest_share=found.rest_share,
        lacking=lacking,
    )


def _expect_activity(features: Doubles, channels: int) -> None:
    rows, columns = np.triu_indices(channels)
    level = features[:, : len(rows)][:, rows == columns].mean(1)  # log power of the window
    low, high = np.percentile(level, [10, 90])
    if high - low < LEAST_ACTIVITY:
        text = (
            f"the signal is hardly stronger at its strongest than at its weakest ({high - low:.1f} nats of power, "
            f"at least {LEAST_ACTIVITY:g}): it does not show gestures and rest; {CURE}"
        )
        raise LearningError(Hint("still", text))


def _lacking(scores: Doubles, layout: Layout, rest_share: float) -> tuple[str, ...]:
    """Return the classes that are not surely among those windows.

    Raises:
        DataError: so many that nothing can be learned.
    """
    sure = np.sort(_softmax(HEAT * scores), axis=0)[-max(1, round(SURE_S / layout.hop_s)) :].mean(0) >= SURE
    sure[layout.rest] = rest_share >= LEAST_REST
    lacking = tuple(name for name, there in zip(layout.classes, sure, strict=True) if not there)
    gestures = len(sure) - 1
    if 2 * np.delete(sure, layout.rest).sum() <= gestures:
        text = f"the signal does not surely show {', '.join(lacking)}; {CURE}"
        raise LearningError(Hint("not_shown", text, {"gestures": list(lacking)}))
    return lacking


@dataclass(frozen=True, slots=True, eq=False)
class Own:
    """What a person's own model says of them: the statistics that its head was made of."""

    means: Doubles
    within: Doubles
    between: Doubles

    @classmethod
    def of_head(cls, head: Head, temperature: float) -> Own:
        """Take them from a head that knows all of its covariance, and was divided by that temperature.

        Raises:
            DataError: it does not know it, or is a mixture.
        """
        size = head.weight.shape[1]
        if head.placements > 1 or head.typical_weight.shape != (size, size):
            raise DataError("the model does not hold the statistics it was made of")
        root = np.asarray(np.linalg.inv(head.typical_weight), np.float64)
        means = head.weight @ root @ root.T  # around a centre that they do not keep
        within = root @ root.T / temperature
        return cls(means - means.mean(0), within, OWN_BETWEEN * within)


def expected_shares(classes: int, rest: int, rest_share: float) -> Doubles:
    """Return which share of a minute each class has, (classes,): all gestures the same."""
    shares = np.full(classes, (1 - rest_share) / (classes - 1))
    shares[rest] = rest_share
    return shares


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """How the ring sits in a minute, and how much of it is rest."""

    placement: Placement
    order: Ids  # see feature_order
    rest_share: float
    margin: float


def placed(features: Doubles, known: Known, layout: Layout) -> Placed:
    """Return the likeliest placement and share of rest of a minute's features (n, d), as worn."""
    head = discriminant(known.means, _spread(known, PLACE_SHRINKAGE))
    every = placements(layout.channels) if layout.ring else (Placement(),)
    best, likely = [], []
    for at in every:
        order = (
            feature_order(at, layout.channels, layout.bands) if layout.ring else np.arange(features.shape[1])
        )
        by_share = {
            share: _likelihood(
                features[:, order], head, known.means, expected_shares(len(known.means), layout.rest, share)
            )
            - UNUSUAL * (share != REST_SHARES[0])
            for share in REST_SHARES
        }
        share = max(by_share, key=by_share.__getitem__)
        best.append((at, order, share))
        likely.append(by_share[share])
    first = int(np.argmax(likely))
    margin = likely[first] - max(likely[:first] + likely[first + 1 :], default=likely[first])
    placement, order, share = best[first]
    return Placed(placement=placement, order=order, rest_share=share, margin=float(margin))


def _likelihood(turned: Doubles, head: Head, means: Doubles, shares: Doubles) -> float:
    """Return how likely a window is, in nats and up to a constant, where each class must have its share."""
    density = head.logits(turned - _centre(turned, means, shares))
    student = -0.5 * (FREEDOM + turned.shape[1]) * np.log1p(-2 * np.minimum(density, 0) / FREEDOM)
    return float((_responsible(HEAT * student, shares) * student).sum(1).mean())


def _centre(turned: Doubles, means: Doubles, shares: Doubles) -> Doubles:
    """Return what to take off, so that the pooled means are where the minute has them."""
    found: Doubles = turned.mean(0) - shares @ means
    return found


def _gestures(
    centred: Doubles, known: Known, shares: Doubles, hop_s: float, *, exact: bool
) -> tuple[Doubles, Doubles]:
    """Return the person's means (classes, d), and what is left to centre (d,).

    The classes have their shares exactly, or else these are but what is likely beforehand and the centre stays.
    """
    means, shift = np.array(known.means), np.zeros(centred.shape[1])
    spread = _spread(known, SHRINKAGE)
    for _ in range(STEPS):
        scores = HEAT * discriminant(means, spread).scores(centred - shift)
        mine = _responsible(scores, shares) if exact else _softmax(scores + np.log(shares))
        if exact:
            shift = (centred - mine @ means).mean(0)
        seen = (mine.T @ (centred - shift)) / np.maximum(mine.sum(0), 1e-9)[:, np.newaxis]
        means = _expected(seen, known, mine.sum(0) * hop_s * PER_SECOND)
    return means, shift


def _expected(seen: Doubles, known: Known, looks: Doubles) -> Doubles:
    """Return the class means, which were seen in so many independent looks each, under what is known of people."""
    found = np.array(known.means)
    for k, number in enumerate(looks):
        if number > 1e-6:
            whole = known.between + known.within / number
            found[k] += known.between @ np.linalg.solve(whole, seen[k] - known.means[k])
    return found


def _responsible(scores: Doubles, shares: Doubles) -> Doubles:
    """Return how much of each window is of each class, (n, classes), where every class has its share of all."""
    weight = expected = np.log(shares)
    for _ in range(BALANCING):
        weight = weight + 0.7 * (expected - np.log(_softmax(scores + weight).mean(0) + 1e-9))
    return _softmax(scores + weight)


def _spread(known: Known, shrinkage: float) -> Doubles:
    return shrunk(known.within + BETWEEN * known.between, shrinkage)


def _shifted(head: Head, centre: Doubles) -> Head:
    """Return the head for features from which nobody takes that centre."""
    return replace(
        head,
        bias=head.bias - head.weight @ centre,
        typical_bias=head.typical_bias - head.typical_weight @ centre,
    )


def _softmax(scores: Doubles) -> Doubles:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    found: Doubles = raised / raised.sum(1, keepdims=True)
    return found
