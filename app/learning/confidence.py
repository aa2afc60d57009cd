"""Confidence that means something: a temperature, what is left of the error, and what is none of the classes.

All of it takes logits (windows, classes) and labels (windows,) of repetitions that the model was not taught by.

Temperature and expected calibration error: Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural
networks", ICML, PMLR 70.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import DataError

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

BINS = 15
REJECTED = 0.01  # of windows of known gestures, the price of rejecting others
COLDEST, HOTTEST = 0.01, 100.0
STEPS = 60  # of halving an interval of log t: far below what a logit is worth


def fit_temperature(logits: npt.NDArray[Any], label: Ids) -> float:
    """Return the t for which softmax(logits / t) has the least negative log-likelihood of the labels.

    From COLDEST to HOTTEST; without a mistake among the windows it is the coldest.

    Raises:
        DataError: there are no windows, or a logit is not finite.
    """
    scores = _scores(logits, label)
    truth = scores[np.arange(len(label)), label]
    low, high = np.log(COLDEST), np.log(HOTTEST)
    for _ in range(STEPS):  # the likelihood is concave in 1 / t, so its slope changes sign once
        middle = (low + high) / 2
        expected = (probabilities(scores, float(np.exp(middle))) * scores).sum(axis=1)
        low, high = (low, middle) if (truth - expected).mean() > 0 else (middle, high)
    return float(np.exp((low + high) / 2))


def probabilities(logits: npt.NDArray[Any], temperature: float = 1.0) -> Doubles:
    """Return softmax(logits / temperature), (windows, classes)."""
    scores = np.asarray(logits, np.float64) / temperature
    exponentials: Doubles = np.exp(scores - scores.max(axis=1, keepdims=True))
    exponentials /= exponentials.sum(axis=1, keepdims=True)
    return exponentials


def calibration_error(found: Doubles, label: Ids, bins: int = BINS) -> float:
    """Return the expected calibration error of probabilities (windows, classes), 0..1.

    The mean distance between confidence and accuracy over equally wide bins of confidence, weighted by windows.

    Raises:
        DataError: there are no windows.
    """
    if not len(label):
        raise DataError("there are no windows to judge confidence by")
    confidence = found.max(axis=1)
    right = found.argmax(axis=1) == label
    number = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    apart = np.bincount(number, weights=right - confidence, minlength=bins)
    return float(np.abs(apart).sum() / len(label))


def reject_threshold(logits: npt.NDArray[Any], rate: float = REJECTED) -> float:
    """Return the `reject_below` that rejects that part of the windows, which are of known gestures.

    `logits` are of the weights as they are shipped: a temperature comes first.

    Raises:
        DataError: there are no windows, or a logit is not finite.
    """
    largest = np.asarray(logits, np.float64).max(axis=1, initial=-np.inf)
    if not len(largest) or not np.isfinite(largest).all():
        raise DataError("a threshold takes windows with finite logits")
    return float(np.quantile(largest, rate))


def rejection_rate(logits: npt.NDArray[Any], reject_below: float) -> float:
    """Return which part of the windows is none of the classes."""
    return float((np.asarray(logits).max(axis=1) < reject_below).mean())


def _scores(logits: npt.NDArray[Any], label: Ids) -> Doubles:
    scores = np.array(logits, np.float64)
    if not len(label) or len(scores) != len(label) or not np.isfinite(scores).all():
        raise DataError("a temperature takes windows with finite logits, and their labels")
    scores -= scores.max(axis=1, initial=-np.inf, keepdims=True)  # else rounding hides which slope is left
    return scores
