"""The windows of a dataset as the second moments and the features that a covariance model looks at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.inference.covariance.features import of_moments
from app.inference.covariance.moments import Moments, moments_along
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.manifest import Manifest
from app.learning.covariance.head import Doubles, Ids
from app.learning.datasets import Dataset

# A copy for teaching has a context that is partly of another class, as it is so long after a gesture was changed.
MIXED_S = (0.2, 1.5)


def moments_of(data: Dataset, manifest: Manifest, projection: Doubles | None = None) -> Moments:
    """Return the moments of every window of the dataset, in its order."""
    parameters = CovarianceParameters.read(manifest.hyper_parameters)
    found, order = [], []
    for piece in np.unique(data.piece):
        rows = np.flatnonzero(data.piece == piece)
        ends = data.start[rows] + data.length - piece
        signal = data.signal[piece : piece + ends.max()].astype(np.float64)
        found.append(
            moments_along(
                (signal - manifest.mean) / manifest.std,
                ends,
                parameters,
                length=data.length,
                reads=data.context + data.length,
                rate=manifest.sampling_rate,
                projection=projection,
            )
        )
        order.append(rows)
    return joined(found)[np.argsort(np.concatenate(order))]


def features_of(data: Dataset, manifest: Manifest, projection: Doubles | None = None) -> Doubles:
    """Return the features of every window of the dataset, (n, d)."""
    parameters = CovarianceParameters.read(manifest.hyper_parameters)
    return of_moments(moments_of(data, manifest, projection), parameters)


def joined(parts: Sequence[Moments]) -> Moments:
    """Return the moments of the windows of all parts."""
    return Moments(
        window=np.concatenate([part.window for part in parts]),
        context=np.concatenate([part.context for part in parts]),
        bands=np.concatenate([part.bands for part in parts]),
        power=np.concatenate([part.power for part in parts]),
    )


def mixed(own: Moments, label: Ids, tau_s: float, chance: np.random.Generator) -> Moments:
    """Return copies whose context is partly that of a window of another class, as shortly after a change of gesture.

    Moments add, so this is what `t` seconds of the own class behind another leave in a context of `tau_s`.
    """
    order, begins = np.argsort(label, kind="stable"), np.searchsorted(np.sort(label), label)
    sizes = np.searchsorted(np.sort(label), label, side="right") - begins
    # the k-th of those that are not of the own class
    drawn = chance.integers(0, np.maximum(len(label) - sizes, 1))
    other = order[np.minimum(np.where(drawn >= begins, drawn + sizes, drawn), len(label) - 1)]
    share = np.exp(-chance.uniform(*MIXED_S, len(label)) / tau_s)[:, np.newaxis, np.newaxis]
    power = own.power.copy()
    power[:, 1:] = (1 - share) * own.power[:, 1:] + share * own.power[other, 1:]
    return Moments(
        window=own.window,
        context=(1 - share) * own.context + share * own.context[other],
        bands=(1 - share) * own.bands + share * own.bands[other],
        power=power,
    )
