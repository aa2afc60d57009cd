"""What other people's sessions say of a person who is not among them, and how it is kept in an artefact.

A session's class means are drawn around the pooled ones with covariance `between`, each repetition's around those with
`repeated`, and windows lie around them with covariance `within`. So the means of one repetition are not taken as they
are: `expected_means` weighs them against what people are like.

Source: Kenny, Boulianne, Dumouchel, "Eigenvoice modeling with sparse training data", IEEE Trans. Speech Audio Process.
    13(3), 2005: the posterior of a speaker's means under a Gaussian prior of speakers. Ours has full covariances, since
    features are some hundreds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from app.errors import ArtefactError, DataError
from app.learning.covariance.head import Doubles, Ids, class_statistics
from app.learning.covariance.incomplete import Known, completed, deviating, shares
from app.learning.covariance.placement import Placement, agreed, feature_order, profile

BETWEEN = 0.5  # of the covariance between sessions: people whom we do not know are less alike than it says
COVARIANCES = ("within", "between", "repeated")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Session:
    """The statistics of one session's windows, as worn."""

    person: int
    means: Doubles  # (classes, d); what stands for a class that is not known means nothing
    known: Known  # (classes,) whether the session shows the class
    within: Doubles  # (d, d), every class that is shown alike
    deviations: Doubles  # (repetitions of all classes, d), each repetition's mean less its class's
    unbiased: float  # what their products are to be multiplied by, since the class's mean is of the same repetitions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prior:
    """Pooled statistics in the place of the common ring."""

    means: Doubles  # (classes, d), centred: their mean is zero
    centre: (
        Doubles  # (d,) the mean of all classes, which says how strongly people act and how the skin conducts
    )
    within: Doubles  # (d, d) of windows around a session's class means
    between: Doubles  # (d, d) of sessions' centred means around `means`
    repeated: Doubles  # (d, d) of repetitions' means around a session's
    profile: Doubles  # (classes, channels) that the ring is placed by

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the tensors of an artefact, by name; of the covariances the upper triangles by rows."""
        found = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        upper = np.triu_indices(len(self.within))
        packed = {name: found[name][upper] for name in COVARIANCES}
        return {name: array.astype(np.float32) for name, array in (found | packed).items()}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]], features: int) -> Prior:
        """Take what `arrays` gave.

        Raises:
            ArtefactError: one is missing, of another shape or not finite.
        """
        names = [entry.name for entry in fields(cls)]
        if sorted(arrays) != sorted(names):
            raise ArtefactError(f"a prior holds {', '.join(names)}, got {', '.join(sorted(arrays))[:80]}")
        found = {name: np.asarray(arrays[name], np.float64) for name in names}
        classes = len(found["means"])
        shapes: dict[str, tuple[int, ...]] = {"means": (classes, features), "centre": (features,)}
        shapes |= dict.fromkeys(COVARIANCES, (features * (features + 1) // 2,))
        for name, shape in shapes.items():
            if found[name].shape != shape or not np.isfinite(found[name]).all():
                raise ArtefactError(f"the prior's {name} must be finite and {shape}, got {found[name].shape}")
        if found["profile"].ndim != 2 or len(found["profile"]) != classes:
            raise ArtefactError(f"the prior's profile must have {classes} rows, got {found['profile'].shape}")
        return cls(**found | {name: _symmetric(found[name], features) for name in COVARIANCES})

    def expected_means(self, means: Doubles, classes: Sequence[int | None], repetitions: float) -> Doubles:
        """Return what a session's class means (n, d) are likely to be, which were seen in so many repetitions.

        Row k is the prior's class `classes[k]`; None is a new one, which nobody knows anything of: it stays as it is.
        """
        rows = [k for k, known in enumerate(classes) if known is not None]
        expected: Doubles = means.copy()
        if not rows:
            return expected
        typical = self.means[[known for known in classes if known is not None]]
        likely = typical - typical.mean(0) + means[rows].mean(0)
        expected[rows] = likely + (means[rows] - likely) @ self._gain(repetitions).T
        return expected

    def profile_of(self, classes: Sequence[int], rest: int) -> Doubles:
        """Return the profile where only those classes are made, (n, channels); `rest` is one of the n."""
        every = self.profile[list(classes)]
        found = np.asarray(every - every[rest], np.float64)
        return _unit(found - found.mean(1, keepdims=True))

    def _gain(self, repetitions: float) -> Doubles:
        """Return how far a mean goes from the pooled one to what was seen, (d, d)."""
        between, noise = BETWEEN * self.between, self.repeated / repetitions
        size = len(between)
        whole = between + noise + (1e-9 + 1e-6 * np.trace(noise) / size) * np.eye(size)
        return np.asarray(np.linalg.solve(whole, between).T, np.float64)


def session_statistics(
    features: Doubles, label: Ids, repetition: Ids, classes: int, person: int = 0
) -> Session:
    """Return those of a session's windows; a class with fewer than two windows is not known.

    Raises:
        DataError: no class has two.
    """
    known = np.bincount(label, minlength=classes) >= 2
    shown = np.flatnonzero(known)
    rows = known[label]
    if not len(shown):
        raise DataError("a session needs a class with two windows")
    features, label, repetition = features[rows], label[rows], repetition[rows]
    means = np.zeros((classes, features.shape[1]))
    means[shown], within = class_statistics(features, np.searchsorted(shown, label), len(shown))
    deviations, pairs = [], 0
    for k in shown.tolist():
        numbers = np.unique(repetition[label == k])
        pairs += len(numbers) - 1
        deviations += [features[(label == k) & (repetition == r)].mean(0) - means[k] for r in numbers]
    return Session(
        person=person,
        means=means,
        known=known,
        within=within,
        deviations=np.stack(deviations),
        unbiased=len(deviations) / max(pairs, 1),
    )


def whole(sessions: Sequence[Session]) -> tuple[Doubles, Doubles]:
    """Return class means (sessions, classes, d) in one place, and how much each counts, (sessions, classes).

    Every person counts alike; a mean that a session does not show is filled in by the others, and does not count.
    """
    share, known = shares([one.person for one in sessions]), np.stack([one.known for one in sessions])
    means = completed(np.stack([one.means for one in sessions]), known, share)
    return means, share[:, np.newaxis] * known


def mean_of(values: Sequence[Doubles], sessions: Sequence[Session]) -> Doubles:
    """Return the mean of what each session has; every person counts alike."""
    found = np.average(np.stack(values), axis=0, weights=shares([one.person for one in sessions]))
    return np.asarray(found, np.float64)


def places_of(sessions: Sequence[Session], rest: int, channels: int) -> tuple[Placement, ...]:
    """Return how the ring sits in each session, found by its labels: like the others'."""
    profiles = [_shown_profile(one, rest, channels) for one in sessions]
    people = [one.person for one in sessions]
    return agreed([profile * share for profile, share in zip(profiles, shares(people), strict=True)], people)


def _shown_profile(session: Session, rest: int, channels: int) -> Doubles:
    """Return the profile in which a gesture that is not shown says nothing."""
    shown = np.where(session.known[:, np.newaxis], session.means, session.means[rest])
    return profile(shown, rest, channels)


def turned(session: Session, place: Placement, channels: int, bands: int) -> Session:
    """Return the statistics of the same session with its features reordered."""
    order = feature_order(place, channels, bands)
    return replace(
        session,
        means=session.means[:, order],
        within=session.within[np.ix_(order, order)],
        deviations=session.deviations[:, order],
    )


def pool(sessions: Sequence[Session], rest: int, channels: int) -> Prior:
    """Return what those sessions, placed on the common ring, have in common; every person counts alike.

    Raises:
        DataError: there are fewer than two.
    """
    if len(sessions) < 2:
        raise DataError(f"a prior takes two sessions or more, got {len(sessions)}")
    every, weight = whole(sessions)
    centred = every - every.mean(1, keepdims=True)
    means = mean_of(list(centred), sessions)
    apart = (np.sqrt(weight)[:, :, np.newaxis] * (centred - means)).reshape(-1, means.shape[1])
    repeated = [one.unbiased * one.deviations.T @ one.deviations / len(one.deviations) for one in sessions]
    profiles = [profile(each, rest, channels) for each in every]
    return Prior(
        means=means,
        centre=mean_of(list(every.mean(1)), sessions),
        within=mean_of([one.within for one in sessions], sessions),
        between=apart.T @ apart / max(deviating(weight) - len(means), 1.0),
        repeated=mean_of(repeated, sessions),
        profile=_unit(mean_of(profiles, sessions)),
    )


def _symmetric(upper: Doubles, size: int) -> Doubles:
    rows, columns = np.triu_indices(size)
    found = np.zeros((size, size))
    found[rows, columns] = found[columns, rows] = upper
    return found


def _unit(values: npt.ArrayLike) -> Doubles:
    array = np.asarray(values, np.float64)
    return np.asarray(array / max(float(np.linalg.norm(array)), 1e-9), np.float64)
