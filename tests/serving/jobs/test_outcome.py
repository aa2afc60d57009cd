"""Whether a model is used: better for sure, or as somebody says."""

from __future__ import annotations

from typing import Any

import pytest

from app.serving.jobs.job import IF_BETTER, NO, YES
from app.serving.jobs.outcome import alike, told, why_not

JUDGED = {"balanced_accuracy": 0.9, "interval": [0.8, 0.95], "lda_balanced_accuracy": 0.85, "chance": 0.3}

VALUES = {"r2": 0.8, "mae": 0.07, "split": "stretches", "beside": {"linear": {"r2": 0.7, "mae": 0.09}}}


def result(
    before: float | None = None, metrics: dict[str, Any] = JUDGED, **comparison: Any
) -> dict[str, Any]:
    compared = {"model": "a", "balanced_accuracy": before, "why": comparison.get("why")}
    beside = compared if before is not None or comparison else None
    return {"metrics": metrics, "comparison": beside, "told": told(metrics)}


@pytest.mark.parametrize(
    ("use", "of", "says"),
    [
        (NO, result(0.1), "use=no"),
        (YES, result(0.99), None),
        (IF_BETTER, result(0.79), None),
        (IF_BETTER, result(0.8), "0.90 (0.80-0.95), and a has 0.80 on the same repetitions"),
        (IF_BETTER, result(), None),
        (IF_BETTER, result(why="a reads 8 channels"), "cannot be compared with the model before: a reads 8"),
        (IF_BETTER, result(0.1, {"split": "not judged"}), "one repetition of each gesture"),
        (IF_BETTER, result(metrics=VALUES), None),
        (IF_BETTER, result(metrics=VALUES, why="values are compared with"), "values are compared with"),
        (YES, result(metrics=VALUES, why="values are compared with"), None),
        (IF_BETTER, result(0.1, {**JUDGED, "chance": 0.81}), "no better than guessing"),
    ],
)
def test_use(use: str, of: dict[str, Any], says: str | None) -> None:
    why = why_not(use, of)
    assert (why is None) if says is None else (says in (why or ""))


CLASSES = ("rest", "fist", "grasp", "point")


@pytest.mark.parametrize(
    ("confusion", "found"),
    [
        ([[9, 1, 0, 0], [0, 8, 2, 0], [0, 6, 14, 0], [0, 1, 0, 9]], (["fist", "grasp"], 0.25)),
        ([[5, 5, 0, 0], [5, 5, 0, 0], [0, 0, 10, 0], [0, 0, 0, 10]], None),
        ([[10, 0, 0, 0], [0, 96, 4, 0], [0, 0, 10, 0], [0, 0, 0, 10]], None),
        ([[10, 0, 0, 0], [0, 5, 5, 0], [0, 0, 0, 0], [0, 0, 0, 10]], None),
    ],
    ids=["the-mean-of-both-shares", "rest-is-none-of-them", "hardly-any", "one-was-not-tested"],
)
def test_the_two_gestures_that_are_alike(confusion: list[list[int]], found: Any) -> None:
    told = None if found is None else {"gestures": found[0], "share": found[1]}
    assert alike(CLASSES, "rest", confusion) == told
