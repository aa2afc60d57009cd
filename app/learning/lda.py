"""The classic baseline: Hudgins' time-domain features and linear discriminant analysis.

Sources:
    Features: Hudgins, Parker, Scott, "A new strategy for multifunction myoelectric control", IEEE Trans.
        Biomed. Eng. 40(1), 1993: mean absolute value, zero crossings, slope sign changes, waveform length.
    Classifier: Englehart, Hudgins, "A robust, real-time control scheme for multifunction myoelectric
        control", IEEE Trans. Biomed. Eng. 50(7), 2003.
    Threshold, shrinkage and priors: the protocol in the README of the shared recordings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.emg.source import Samples

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

THRESHOLD = 2.0  # counts: a crossing or a turn that changes less is noise
SHRINKAGE = 1e-3


def hudgins(windows: Samples, threshold: float = THRESHOLD) -> Doubles:
    """Features (batch, 4 x channels) of windows (batch, length, channels), the window's mean removed."""
    centred = windows - windows.mean(axis=1, keepdims=True)
    steps = np.diff(centred, axis=1)
    before, after = steps[:, :-1], steps[:, 1:]
    crossings = (centred[:, :-1] * centred[:, 1:] < 0) & (np.abs(steps) > threshold)
    turns = (before * after < 0) & (np.maximum(np.abs(before), np.abs(after)) > threshold)
    return np.concatenate(
        [np.abs(centred).mean(1), crossings.sum(1), turns.sum(1), np.abs(steps).sum(1)], axis=1
    ).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Lda:
    """Linear scores of features; a class that was never seen is never predicted."""

    weight: Doubles  # (features, classes seen)
    bias: Doubles  # (classes seen,)
    seen: Ids  # the class of each column

    def predict(self, features: Doubles) -> Ids:
        best: Ids = self.seen[np.argmax(features @ self.weight + self.bias, axis=1)]
        return best


def fit(features: Doubles, label: Ids, shrinkage: float = SHRINKAGE) -> Lda:
    """Linear discriminant analysis with equal priors.

    Every class counts alike in the covariance too, which is shrunk towards a multiple of the identity in the
    space of standardised features.
    """
    centre, scale = features.mean(0), features.std(0) + 1e-9
    scaled = (features - centre) / scale
    seen = np.unique(label)
    means = np.stack([scaled[label == k].mean(0) for k in seen])
    within = np.mean([_covariance(scaled[label == k]) for k in seen], axis=0)
    size = len(within)
    within = (1 - shrinkage) * within + (shrinkage * np.trace(within) / size + 1e-12) * np.eye(size)
    weight = np.linalg.solve(within, means.T) / scale[:, np.newaxis]
    bias = -0.5 * np.einsum("fk,kf->k", weight * scale[:, np.newaxis], means) - centre @ weight
    return Lda(weight, bias, seen)


def _covariance(rows: Doubles) -> Doubles:
    centred = rows - rows.mean(0)
    covariance: Doubles = centred.T @ centred / len(rows)
    return covariance
