"""The head of a covariance model: what comes after the features, in double precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from app.inference.covariance.parameters import CovarianceParameters, Doubles

Arrays = Mapping[str, npt.NDArray[Any]]


def head_logits(found: Doubles, parameters: CovarianceParameters, arrays: Arrays) -> Doubles:
    """Return the logits (n, classes), or values, of features (n, parameters.size(channels)).

    The logarithm of the sum over placements of `head`, plus the squares of `curve` weighed by `curvature`, which bend
    what lies between two classes, less half the squared length of `typical`, which all classes share.
    """
    if parameters.centres:
        found = nearness(found, arrays["centres.weight"].astype(np.float64), parameters.gamma)
    each = _linear(found, arrays, "head").reshape(len(found), parameters.placements, -1)
    logits: Doubles = np.logaddexp.reduce(each, axis=1)
    if parameters.curved:
        squares = np.square(_linear(found, arrays, "curve"))
        logits = logits + squares @ arrays["curvature.weight"].T.astype(np.float64)
    if parameters.typical:
        logits = logits - np.square(_linear(found, arrays, "typical")).sum(1, keepdims=True) / 2
    return logits


def nearness(found: Doubles, centres: Doubles, gamma: float) -> Doubles:
    """Return how near features (n, d) are to centres (m, d), (n, m): 1 at a centre, 0 far from it."""
    squares = np.square(found).sum(1)[:, np.newaxis] + np.square(centres).sum(1) - 2 * found @ centres.T
    near: Doubles = np.exp(-gamma * np.maximum(squares, 0))
    return near


def _linear(found: Doubles, arrays: Arrays, name: str) -> Doubles:
    given: Doubles = found @ arrays[f"{name}.weight"].T.astype(np.float64) + arrays[f"{name}.bias"]
    return given
