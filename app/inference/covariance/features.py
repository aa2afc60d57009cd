"""The features of a covariance model in double precision: what heads learn from, and the graphs' reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from app.inference.covariance.logarithm import log_bounded
from app.inference.covariance.moments import Moments, moments, moments_along
from app.inference.covariance.parameters import CovarianceParameters, Doubles

BAND_FLOOR = 0.3  # of `floor`, added to a band's power before its logarithm


def features(
    windows: npt.NDArray[Any],
    parameters: CovarianceParameters,
    *,
    length: int,
    rate: float,
    projection: npt.NDArray[Any] | None = None,
) -> Doubles:
    """Return the features of normalised windows, (n, parameters.size(channels)).

    In this order: half-vector of the window's log covariance, of the context's, the log powers of the bands
    (band-major, channel-minor), and behind a projection the log power of each channel in the window, then in the
    context. A half-vector is the upper triangle by rows, off-diagonals times sqrt(2).

    Args:
        windows: (n, reads, channels); the window is the last `length` samples. See `with_history`.
        parameters: of the model.
        length: samples.
        rate: Hz.
        projection: (parameters.projected, channels) where the model has one.
    """
    return of_moments(
        moments(windows, parameters, length=length, rate=rate, projection=projection), parameters
    )


def features_along(
    signal: npt.NDArray[Any],
    ends: npt.NDArray[np.integer[Any]],
    parameters: CovarianceParameters,
    *,
    length: int,
    reads: int,
    rate: float,
    projection: npt.NDArray[Any] | None = None,
) -> Doubles:
    """Return the features of the windows that end before the samples `ends` of one unbroken normalised signal.

    The same as `features` of `with_history(signal[:end], reads)`, several times as fast for many ends.
    """
    found = moments_along(
        signal, ends, parameters, length=length, reads=reads, rate=rate, projection=projection
    )
    return of_moments(found, parameters)


def of_moments(found: Moments, parameters: CovarianceParameters) -> Doubles:
    """Return the features that those moments make, (n, parameters.size(channels))."""
    floor = parameters.floor
    return np.concatenate(
        [
            log_half(found.window, parameters),
            log_half(found.context, parameters),
            _flat(np.log(found.bands + BAND_FLOOR * floor)),
            _flat(np.log(found.power + floor)),
        ],
        axis=1,
    )


def _flat(values: Doubles) -> Doubles:
    return values.reshape(len(values), values.shape[1] * values.shape[2])


def log_half(covariance: Doubles, parameters: CovarianceParameters) -> Doubles:
    """Return the half-vectors of log covariances, (n, c (c + 1) / 2), of covariances about zero (n, c, c)."""
    channels = covariance.shape[-1]
    unit = np.eye(channels)
    variance = np.trace(covariance, axis1=1, axis2=2)[:, np.newaxis, np.newaxis] / channels
    scale = variance + parameters.floor
    bounded = (covariance + (parameters.floor + parameters.ridge * variance) * unit) / scale
    logarithm = log_bounded(bounded, parameters.ridge, parameters.degree) + np.log(scale) * unit
    return half(logarithm)


def half(matrices: Doubles) -> Doubles:
    """Return the upper triangles by rows of symmetric matrices (n, c, c), off-diagonals times sqrt(2)."""
    rows, columns = np.triu_indices(matrices.shape[-1])
    found: Doubles = matrices[:, rows, columns] * np.where(rows == columns, 1.0, np.sqrt(2.0))
    return found
