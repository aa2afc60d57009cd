"""What the covariance of each class adds to a linear head: squares of a few directions in which it differs most.

Rest is wider or narrower than a gesture, a weak gesture wider than a firm one. A class's covariance is taken as the
common one and a fifth of what the class itself shows; of the difference only the strongest directions are kept, so
that the head stays small. What the own covariance of a class shows beyond them is mostly chance.

Source: Friedman, "Regularized discriminant analysis", J. Am. Stat. Assoc. 84(405), 1989: quadratic discriminants drawn
    towards the linear one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

SHARE = 0.2  # of a class's covariance is its own, the rest is the common one
SHRINKAGE = 0.05  # of the own one towards its diagonal
DIRECTIONS = 16  # of each class
ROWS = 128  # rows come in so many, the last ones empty: children of up to eight classes have one stem


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """What is added to the logits of features f: scale (weight f + bias)^2."""

    weight: Doubles  # (r, d)
    bias: Doubles  # (r,)
    scale: Doubles  # (classes, r)

    def __call__(self, features: Doubles) -> Doubles:
        """Return what is added to the logits, (n, classes), of features (n, d)."""
        found: Doubles = np.square(features @ self.weight.T + self.bias) @ self.scale.T
        return found

    def around(self, means: Doubles, middle: Doubles) -> tuple[Doubles, Doubles]:
        """Return what is to be added to weights and biases so that the curves lie around those means.

        They lie around `middle` (classes, d); `means` are (placements, classes, d), and so is what comes back first.
        """
        turned = (means - middle) @ self.weight.T * self.scale  # (placements, classes, r)
        moved = -2 * turned @ self.weight
        bias = -(moved * middle).sum(2) - 0.5 * (moved * (means - middle)).sum(2)
        return moved, bias

    def tempered(self, temperature: float) -> Curve:
        """Return the curve divided by a temperature; the squares become smaller and their scale stays."""
        root = np.sqrt(temperature)
        return replace(self, weight=self.weight / root, bias=self.bias / root)

    def reordered(self, back: Ids) -> Curve:
        """Return the curve for features in another order."""
        return replace(self, weight=self.weight[:, back])

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> Curve | None:
        """Take what `arrays` gave; None where the tensors of an artefact hold no curve."""
        if "curve.weight" not in arrays:
            return None
        names = ("curve.weight", "curve.bias", "curvature.weight")
        return cls(*(np.asarray(arrays[name], np.float64) for name in names))

    def arrays(self) -> dict[str, Doubles]:
        """Return the tensors of an artefact, by name."""
        return {"curve.weight": self.weight, "curve.bias": self.bias, "curvature.weight": self.scale}


def curved(means: Doubles, covariances: Doubles, whiten: Doubles) -> tuple[Curve, Doubles]:
    """Return the curve about class means (classes, d), and what each class's own volume adds to its logit, (classes,).

    Args:
        means: (classes, d).
        covariances: (classes, d, d) of each class's own windows.
        whiten: (d, d) that makes the common covariance the unit matrix.
    """
    weights, biases, signs, volumes = [], [], [], []
    for mean, covariance in zip(means, covariances, strict=True):
        drawn = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(np.diag(covariance))
        own = (1 - SHARE) * np.eye(len(whiten)) + SHARE * whiten @ drawn @ whiten.T
        spread, directions = np.linalg.eigh(own)
        most = np.argsort(-np.abs(np.log(spread)))[:DIRECTIONS]
        excess = 1 / spread[most] - 1  # of the precision over the common one
        weight = np.sqrt(np.abs(excess))[:, np.newaxis] * (directions[:, most].T @ whiten)
        weights.append(weight)
        biases.append(-weight @ mean)
        signs.append(-0.5 * np.sign(excess))
        volumes.append(-0.5 * np.log(spread[most]).sum())
    rows = sum(map(len, signs))
    rows += -rows % ROWS
    scale = np.zeros((len(means), rows))
    begin = 0
    for k, sign in enumerate(signs):
        scale[k, begin : begin + len(sign)] = sign
        begin += len(sign)
    weight, bias = np.zeros((rows, len(whiten))), np.zeros(rows)
    weight[:begin], bias[:begin] = np.concatenate(weights), np.concatenate(biases)
    return Curve(weight, bias, scale), np.asarray(volumes)
