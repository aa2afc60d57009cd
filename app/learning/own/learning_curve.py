"""What more repetitions bring: a model taught with one, two, four of each gesture, and what another would add.

Sources:
    Errors fall as a power of what is learned from: Hestness et al., "Deep learning scaling is predictable,
        empirically", arXiv:1712.00409, 2017; Viering and Loog, "The shape of learning curves: a review", IEEE TPAMI
        45(6), 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from app.errors import DataError
from app.learning.own.joined import Ids
from app.learning.own.judging import MOST_FOLDS, Judgement, folds
from app.learning.own.teaching import Taught
from app.learning.own.windows import OwnWindows

COUNTS = (1, 2, 4)  # repetitions that models are taught with, beside those of the judgement
# By which errors fall, from what repetitions left out show to later ones, which people make otherwise: after two of
# 25 people of `myo-readings` it expects 0.957 of them and 0.962 after another; they had 0.949 and 0.963. With 0.6, by
# which their errors fall on the same later ones, it would be 0.965 and 0.973.
USUAL_POWER = 0.3
DOUBT = 1.0  # how much that counts, beside what was measured
LEAST_ERROR = 0.002  # nobody can tell less from some hundred windows

Teacher = Callable[[Ids, int], Taught]  # rows, and how many repetitions of each gesture they are


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """How good a model is that so many repetitions of each gesture teach."""

    repetitions: int
    accuracy: float  # balanced
    estimated: bool  # else it was measured on repetitions left out

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "accuracy": round(self.accuracy, 4)}


def learning_curve(windows: OwnWindows, found: Judgement | None, teach: Teacher) -> tuple[CurvePoint, ...]:
    """Return what was measured, then what to expect of all repetitions, and of one more; empty where none judges."""
    if found is None:
        return ()
    shown = found.repetitions
    taught = shown - -(-shown // MOST_FOLDS)  # so many were left to the models that were judged
    measured = [
        CurvePoint(repetitions=count, accuracy=accuracy, estimated=False)
        for count in COUNTS
        if count < taught and (accuracy := _accuracy(windows, teach, count)) is not None
    ]
    measured.append(CurvePoint(repetitions=taught, accuracy=found.balanced_accuracy, estimated=False))
    return (*measured, *_expected(measured, (shown, shown + 1)))


def gain(curve: Sequence[CurvePoint]) -> tuple[float, float] | None:
    """Return how good the model is likely to be, and how good with another repetition; None where nobody knows."""
    if len(curve) < 2:
        return None
    return curve[-2].accuracy, curve[-1].accuracy


def _accuracy(windows: OwnWindows, teach: Teacher, count: int) -> float | None:
    """Return the balanced accuracy of models that so many repetitions teach; None where they are too short."""
    label, right = [], []
    for turn, (taught, test) in enumerate(folds(windows)):
        try:
            model = teach(_some(windows, taught, count, turn), count)
        except DataError:  # a gesture has no two windows
            return None
        label.append(windows.label[test])
        right.append(model.logits(windows.moments[test]).argmax(1) == label[-1])
    labels, hits = np.concatenate(label), np.concatenate(right)
    return float(np.mean([hits[labels == k].mean() for k in np.unique(labels)]))


def _some(windows: OwnWindows, rows: Ids, count: int, turn: int) -> Ids:
    """Return the rows of so many repetitions of each class, others at each turn."""
    kept = []
    for k in np.unique(windows.label[rows]):
        own = rows[windows.label[rows] == k]
        numbers = np.unique(windows.repetition[own])
        chosen = np.roll(numbers, -turn)[:count]
        kept.append(own[np.isin(windows.repetition[own], chosen)])
    return np.sort(np.concatenate(kept))


def _expected(measured: Sequence[CurvePoint], counts: Sequence[int]) -> list[CurvePoint]:
    """Return what is to be expected of so many repetitions, going on from the last that was measured."""
    last = measured[-1]
    error, power = 1 - last.accuracy, _power(measured)
    return [
        CurvePoint(
            repetitions=count, accuracy=1 - error * (last.repetitions / count) ** power, estimated=True
        )
        for count in counts
    ]


def _power(measured: Sequence[CurvePoint]) -> float:
    """Return the power by which errors fall: what is usual, as far as the measured points do not say otherwise."""
    x = np.log([point.repetitions for point in measured])
    y = np.log([max(1 - point.accuracy, LEAST_ERROR) for point in measured])
    x, y = x - x.mean(), y - y.mean()
    return max(0.0, float((DOUBT * USUAL_POWER - x @ y) / (DOUBT + x @ x)))
