"""From samples to the network's input, and from its logits to a gesture. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.inference.backend import Batch, Logits

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model says about each window of a batch."""

    prediction: npt.NDArray[np.int64]  # (batch,) index into the manifest's classes
    confidence: Floats  # (batch,) probability of that class, 0..1
    probabilities: Floats  # (batch, classes), each row sums to 1
    unknown: npt.NDArray[
        np.bool_
    ]  # (batch,) whether it is none of the classes; never where a model cannot tell

    def __getitem__(self, rows: slice) -> Prediction:
        """Return the same of some windows."""
        return Prediction(
            self.prediction[rows], self.confidence[rows], self.probabilities[rows], self.unknown[rows]
        )

    def first(self) -> tuple[int, float, list[float]]:
        """Class, confidence and probabilities of the first window."""
        probabilities: list[float] = self.probabilities[0].tolist()
        return int(self.prediction[0]), float(self.confidence[0]), probabilities


def normalise(windows: npt.NDArray[Any], mean: Floats, std: Floats) -> Batch:
    """Zero mean and unit deviation per channel, with the statistics of the training data.

    Args:
        windows: (batch, length, channels) or (length, channels), of any number type; not changed.
        mean: (channels,), in the units of `windows`.
        std: (channels,), above 0.

    Returns:
        A new array of the same shape, float32 and C order.
    """
    batch: Batch = np.subtract(windows, mean, dtype=np.float32, order="C")
    batch /= std
    return batch


def softmax(logits: Logits) -> Floats:
    """Probabilities (batch, classes)."""
    # the ufuncs' own reductions: `max` and `sum` of an array go through Python first
    below = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)  # so that no exponential overflows
    exponentials: Floats = np.exp(below, dtype=np.float32)
    exponentials /= np.add.reduce(exponentials, axis=-1, keepdims=True)
    return exponentials


def predict(logits: Logits, reject_below: float | None = None) -> Prediction:
    """Return the most probable class of each window; the first of them where logits are equal.

    A window whose largest logit is below `reject_below` is unknown: none of the classes is like it.
    """
    probabilities = softmax(logits)
    best = logits.argmax(axis=-1)
    least = -np.inf if reject_below is None else reject_below
    if len(best) == 1:  # nearly always; a slice is a view, and needs no places
        here = slice(int(best[0]), int(best[0]) + 1)
        return Prediction(best, probabilities[0, here], probabilities, logits[0, here] < least)
    rows = np.arange(len(best))
    return Prediction(best, probabilities[rows, best], probabilities, logits[rows, best] < least)
