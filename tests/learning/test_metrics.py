"""Figures of a confusion table."""

from __future__ import annotations

import json

import numpy as np
import pytest

from app.learning.metrics import Scores, confusion, summary

TABLE = np.array([[8, 2, 0], [1, 3, 0], [0, 0, 6]])


def test_confusion_counts_true_by_predicted() -> None:
    table = confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)

    assert table.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_each_figure_is_what_its_name_says() -> None:
    scores = Scores(TABLE, rest=0)

    assert scores.accuracy == pytest.approx(17 / 20)
    assert scores.balanced_accuracy == pytest.approx((0.8 + 0.75 + 1) / 3)
    assert scores.active_accuracy == pytest.approx(9 / 10)


def test_a_class_without_windows_does_not_count() -> None:
    scores = Scores(np.array([[4, 0, 0], [1, 1, 0], [0, 0, 0]]), rest=0)

    assert scores.per_class_recall == [1.0, 0.5, None]
    assert scores.balanced_accuracy == 0.75


def test_the_summary_is_the_mean_over_people_and_json() -> None:
    perfect, half = Scores(np.diag([5, 5]), 0), Scores(np.array([[5, 0], [5, 0]]), 0)

    found = summary([("S01", [perfect, half]), ("S02", [perfect])])

    assert found["balanced_accuracy"] == pytest.approx((0.75 + 1) / 2)
    assert found["spread"]["balanced_accuracy"] == {"sd": 0.125, "min": 0.75, "max": 1.0}
    assert [one["person"] for one in found["people"]] == ["S01", "S02"]
    assert found["confusion"] == [[15, 0], [5, 10]]
    json.dumps(found, allow_nan=False)


def test_without_any_gesture_the_active_accuracy_is_unknown() -> None:
    found = summary([("S01", [Scores(np.diag([5, 0]), 0)])])

    assert found["active_accuracy"] is None
    json.dumps(found, allow_nan=False)
