"""What the muscles did in a step, as one point: the logarithm of the covariance of the channels.

Distances between such points tell who did what from a second of signal, whatever the device's units (Arsigny et al.,
"Log-Euclidean metrics", 2006). They are per channel, so one bound does for 4 electrodes and for 64.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.emg.source import Samples

MAX_CHANNELS = 64  # of more, every second, third, ... is looked at
FLOOR = 0.05  # of the power of rest: what a converter's steps and a quiet channel are worth

Matrix = npt.NDArray[np.float64]  # (channels, channels)
Point = npt.NDArray[np.float64]  # (channels * (channels + 1) / 2,)


class Activity:
    """Sums up samples; a step of an hour takes no more than one of a second."""

    def __init__(self, channels: int) -> None:
        self._every = -(-channels // MAX_CHANNELS)
        count = len(range(0, channels, self._every))
        self._sum: Matrix = np.zeros((count, count))
        self.samples = 0

    def add(self, filtered: Samples) -> None:
        """Take some more, (n, channels)."""
        rows = filtered[:, :: self._every].astype(np.float64)
        self._sum += rows.T @ rows
        self.samples += len(rows)

    @property
    def covariance(self) -> Matrix:
        """Of what was taken; there must be some."""
        return self._sum / self.samples


def power(covariance: Matrix) -> float:
    """Return the mean power of a channel."""
    return float(np.trace(covariance) / len(covariance))


def point_of(covariance: Matrix, floor: float) -> Point:
    """Return the point of a covariance, with a power of `floor` added to every channel."""
    values, vectors = np.linalg.eigh(covariance + max(floor, 1e-12) * np.eye(len(covariance)))
    logarithm = (vectors * np.log(np.maximum(values, 1e-300))) @ vectors.T
    upper = np.triu_indices(len(covariance))
    weight = np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0))  # a norm is that of the whole matrix
    found: Point = logarithm[upper] * weight / np.sqrt(len(covariance))
    return found


def distance(one: Point, other: Point) -> float:
    """Return how far two points are apart."""
    return float(np.linalg.norm(one - other))
