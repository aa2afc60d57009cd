"""What sessions of many people have in common: a prior, and the head for people never seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from app.errors import DataError
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.manifest import Manifest
from app.learning.covariance.head import Doubles, Head, discriminant, shrunk
from app.learning.covariance.incomplete import deviating
from app.learning.covariance.mixture import mixture_head
from app.learning.covariance.placement import Placement
from app.learning.covariance.prior import (
    Prior,
    Session,
    mean_of,
    places_of,
    pool,
    session_statistics,
    turned,
    whole,
)
from app.learning.datasets import Dataset

SHRINKAGE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """The sessions that teach, as worn and in the place of the common ring."""

    worn: tuple[Session, ...]
    placed: tuple[Session, ...]
    places: tuple[Placement, ...]  # how the ring sits in each
    rest: int
    channels: int
    bands: int
    ring: bool

    @classmethod
    def of(cls, worn: Sequence[Session], *, rest: int, channels: int, bands: int, ring: bool) -> Pool:
        """Return the pool of those sessions, whose rings are placed by one another and by nobody else."""
        places = places_of(worn, rest, channels) if ring else (Placement(),) * len(worn)
        placed = [
            turned(one, at, channels, bands) if ring else one for one, at in zip(worn, places, strict=True)
        ]
        return cls(
            worn=tuple(worn),
            placed=tuple(placed),
            places=places,
            rest=rest,
            channels=channels,
            bands=bands,
            ring=ring,
        )

    def without(self, people: Collection[int]) -> Pool:
        """Return the pool of the others alone, as if those people had never been seen."""
        kept = [one for one in self.worn if one.person not in people]
        return Pool.of(kept, rest=self.rest, channels=self.channels, bands=self.bands, ring=self.ring)

    def prior(self) -> Prior:
        """Return what the sessions have in common."""
        return pool(self.placed, self.rest, self.channels)

    def head(self) -> Head:
        """Return the head for people never seen, who wear a ring as people do."""
        if not self.ring:
            return pooled_head(self.placed)
        means, weight = whole(self.placed)
        within = mean_of([one.within for one in self.placed], self.placed)
        return mixture_head(
            means, within, self.places, channels=self.channels, bands=self.bands, weight=weight
        )


def pool_of(data: Dataset, features: Doubles, manifest: Manifest, *, ring: bool) -> Pool:
    """Return the sessions of a dataset that show rest and a gesture; some may lack gestures that others have.

    Raises:
        DataError: there are fewer than two, or a class is in none.
    """
    sessions = []
    for person, session in np.unique(np.stack([data.person, data.session], 1), axis=0).tolist():
        rows = np.flatnonzero((data.person == person) & (data.session == session))
        known = np.bincount(data.label[rows], minlength=len(data.classes)) >= 2
        if not known[data.rest] or known.sum() < 2:
            continue
        one = session_statistics(
            features[rows], data.label[rows], data.repetition[rows], len(data.classes), person
        )
        sessions.append(one)
    if len(sessions) < 2:
        raise DataError(
            f"{len(sessions)} sessions show {data.classes[data.rest]} and a gesture of {manifest.name}; two or more "
            "are needed"
        )
    _expect_every_class(sessions, data)
    bands = len(CovarianceParameters.read(manifest.hyper_parameters).bands_hz)
    return Pool.of(sessions, rest=data.rest, channels=manifest.channels, bands=bands, ring=ring)


def pooled_head(sessions: Sequence[Session]) -> Head:
    """Return the head taught by those sessions, as worn; every person and every class counts alike."""
    each, weight = whole(sessions)
    means = mean_of(list(each), sessions)
    within = mean_of([one.within for one in sessions], sessions)
    apart = (np.sqrt(weight)[:, :, np.newaxis] * (each - means)).reshape(-1, means.shape[1])
    return discriminant(means, shrunk(within + apart.T @ apart / deviating(weight), SHRINKAGE))


def _expect_every_class(sessions: Sequence[Session], data: Dataset) -> None:
    nowhere = [data.classes[k] for k in np.flatnonzero(~np.any([one.known for one in sessions], axis=0))]
    if nowhere:
        raise DataError(
            f"no session shows {', '.join(nowhere)}: a class needs two windows of a session at least"
        )
