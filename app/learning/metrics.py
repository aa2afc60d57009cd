"""How good predictions are, for one person and over people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Confusion = npt.NDArray[np.int64]  # (classes, classes), true by predicted


def confusion(label: Ids, predicted: Ids, classes: int) -> Confusion:
    """How often each true class (row) was predicted as each class (column)."""
    table = np.bincount(label * classes + predicted, minlength=classes * classes)
    return table.reshape(classes, classes)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Figures of one confusion table. A class without windows does not count."""

    confusion: Confusion
    rest: int

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def per_class_recall(self) -> list[float | None]:
        """None for a class without windows."""
        totals = self.confusion.sum(1)
        return [float(self.confusion[k, k] / n) if n else None for k, n in enumerate(totals)]

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of all classes."""
        return float(np.mean([r for r in self.per_class_recall if r is not None]))

    @property
    def active_accuracy(self) -> float:
        """Share of the gesture windows, rest left out, that were recognised. NaN where there is none."""
        active = np.arange(len(self.confusion)) != self.rest
        total = self.confusion[active].sum()
        return float(np.diag(self.confusion)[active].sum() / total) if total else float("nan")


NAMES = ("accuracy", "balanced_accuracy", "active_accuracy")


def mean_scores(scores: Sequence[Scores]) -> dict[str, float | None]:
    """Return the mean of each figure, over a person's sessions; None where no session has it."""
    return {name: _mean([getattr(s, name) for s in scores]) for name in NAMES}


def summary(people: Sequence[tuple[str, Sequence[Scores]]]) -> dict[str, Any]:
    """Return the object that `evaluate` reports: means over people, their spread, and each person.

    `per_class_recall` and `confusion` are over the windows of all.
    """
    each = [{"person": name, **mean_scores(scores)} for name, scores in people]
    together = Scores(
        np.sum([s.confusion for _, scores in people for s in scores], axis=0), people[0][1][0].rest
    )
    values = {name: np.array([one[name] for one in each], dtype=np.float64) for name in NAMES}  # None: NaN
    return {
        **{name: _mean(values[name]) for name in NAMES},
        "per_class_recall": together.per_class_recall,
        "confusion": together.confusion.tolist(),
        "people": each,
        "spread": {name: _spread(values[name]) for name in NAMES},
    }


def _mean(values: npt.ArrayLike) -> float | None:
    """Of those that are known, which are not NaN."""
    known = _known(values)
    return float(known.mean()) if len(known) else None


def _spread(values: npt.ArrayLike) -> dict[str, float] | None:
    known = _known(values)
    if not len(known):
        return None
    return {"sd": float(known.std()), "min": float(known.min()), "max": float(known.max())}


def _known(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    found: npt.NDArray[np.float64] = array[~np.isnan(array)]
    return found
