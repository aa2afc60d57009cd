"""How good a child is: on repetitions that it was not taught, beside its parent on the same windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.inference.artefact import Artefact
from app.learning.covariance.head import Ids
from app.learning.covariance.known import head_of
from app.learning.own.cues import Refinement
from app.learning.own.hint import Hint
from app.learning.own.judging import Judgement, balanced, folds, judged, judged_in_turn
from app.learning.own.learning_curve import CurvePoint, Teacher, learning_curve
from app.learning.own.teaching import Taught
from app.learning.own.windows import OwnWindows, Scale
from app.learning.target import NotBetterError, told


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tested:
    """How good the child is on windows that it was not taught."""

    found: Judgement
    rows: Ids
    on: str  # what they are
    curve: tuple[CurvePoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """What is known of a child beside its figures."""

    told: Refinement  # what became of the labels
    hints: Sequence[Hint]
    windows: OwnWindows
    tested: Tested | None  # None: it was not judged
    before: Ids | None  # what the parent makes of the windows by which it was judged, by the classes shown


def tested_on_later(windows: OwnWindows, taught: Taught, rows: Ids) -> Tested | None:
    """Return how good it is on later repetitions, of gestures that were taught; None where there are none."""
    test = np.setdiff1d(np.arange(len(windows)), rows)
    test = test[np.isin(windows.label[test], np.unique(windows.label[rows]))]
    if not len(test):
        return None
    found = judged(windows, taught, rows, test)
    return Tested(found=found, rows=test, on="the later repetitions of the same session")


def tested_in_turn(windows: OwnWindows, teach: Teacher, count: int) -> Tested | None:
    """Return how good it is on each repetition when the others teach it; None where there is but one."""
    found = judged_in_turn(windows, lambda rows: teach(rows, max(1, count - 1)))
    if found is None:
        return None
    rows = np.concatenate([test for _, test in folds(windows)])
    on = "each repetition, by a model that the others taught"
    return Tested(found=found, rows=rows, on=on, curve=learning_curve(windows, found, teach))


def figures(names: Sequence[str], windows: OwnWindows, tested: Tested, before: Ids | None) -> dict[str, Any]:
    """Return the child's figures, beside the parent's where it has all the gestures."""
    found = tested.found
    recall = zip(found.classes, found.recall, strict=True)
    parent = None
    if before is not None and set(windows.joined.classes) <= set(names):
        parent = round(balanced(found.label, before), 4)
    return {
        **_rounded(found),
        "tested_on": tested.on,
        **({} if parent is None else {"balanced_accuracy_before": parent}),
        "chance": found.chance,
        "windows": found.windows,
        "repetitions": found.repetitions,
        "per_class_recall": {name: None if r is None else round(r, 4) for name, r in recall},
        "confusion": found.confusion.tolist(),
        **({"learning_curve": [point.as_json() for point in tested.curve]} if tested.curve else {}),
    }


def parents_predictions(
    known: tuple[Artefact, str], names: Sequence[str], windows: OwnWindows, scale: Scale, test: Ids
) -> Ids | None:
    """Return what the parent predicts, among the gestures shown that it knows; None where it knows none."""
    there = np.array([k for k, name in enumerate(windows.joined.classes) if name in names], np.int64)
    if not len(there):
        return None
    columns = [names.index(windows.joined.classes[k]) for k in there]
    logits = head_of(*known).scores(scale.features(windows.moments[test]))[:, columns]
    predicted: Ids = there[logits.argmax(1)]
    return predicted


def _rounded(found: Judgement) -> dict[str, Any]:
    return {
        "balanced_accuracy": round(found.balanced_accuracy, 4),
        "interval": [round(value, 4) for value in found.interval],
        "lda_balanced_accuracy": round(found.lda, 4),
    }


def counted(moved: Refinement) -> dict[str, Any]:
    """Return what became of the labels, in numbers."""
    return {"labels": {"edges": moved.edges, "moved_s": round(moved.moved_s, 3), "left_out": moved.left_out}}


def expect_better(metrics: Mapping[str, Any]) -> None:
    """See that the child is worth keeping.

    Raises:
        NotBetterError: it is no better than its parent, or than guessing.
    """
    before = float(metrics.get("balanced_accuracy_before", 0.0))
    if metrics["balanced_accuracy"] <= max(before, metrics["chance"]):
        raise NotBetterError(
            f"{told(metrics)}: no better, so nothing was written; do the labels fit the signal?"
        )
