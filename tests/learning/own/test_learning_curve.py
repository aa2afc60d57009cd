"""What more repetitions bring, and how far a figure of few repetitions is to be trusted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from app.learning.own.judging import folds, interval_of
from app.learning.own.learning_curve import gain, learning_curve
from app.learning.own.making import learn
from app.learning.own.teaching import Taught, teach
from tests.learning.own.makers import recording


def test_measured_points_come_first_and_then_what_to_expect_of_all_and_of_one_more(tmp_path: Path) -> None:
    curve = learn([recording(tmp_path / "a.npz", repetitions=6)]).curve

    assert [(point.repetitions, point.estimated) for point in curve] == [
        (1, False),
        (2, False),
        (4, False),
        (5, False),
        (6, True),
        (7, True),
    ]
    assert curve[3].accuracy <= curve[4].accuracy <= curve[5].accuracy <= 1
    assert gain(curve) == (curve[4].accuracy, curve[5].accuracy)


def test_nothing_is_expected_where_nothing_was_judged(tmp_path: Path) -> None:
    curve = learn([recording(tmp_path / "a.npz", repetitions=1)]).curve
    assert (curve, gain(curve)) == ((), None)


def test_no_model_of_the_curve_has_seen_what_it_is_judged_on(tmp_path: Path) -> None:
    learned = learn([recording(tmp_path / "a.npz", repetitions=4)])
    windows, calls = learned.windows, []

    def spy(rows: np.ndarray, count: int) -> Taught:
        calls.append((rows, count))
        return teach(windows, rows)

    learning_curve(windows, learned.judgement, spy)

    parts = folds(windows)
    assert [count for _, count in calls] == [1] * len(parts) + [2] * len(parts)
    for (rows, count), (taught, _) in zip(calls, parts * 2, strict=True):
        assert set(rows) <= set(taught)
        for k in range(len(windows.joined.classes)):
            assert len(np.unique(windows.repetition[rows[windows.label[rows] == k]])) == count


def test_an_interval_of_two_repetitions_holds_what_many_would_have_shown() -> None:
    """Drawn from two as they are it holds it in 80 of 100 cases: their spread is too small by the root of a half."""
    chance, held = np.random.default_rng(0), 0
    for _ in range(200):
        right = np.clip(np.round(100 * chance.normal(0.85, 0.08, (9, 2))), 0, 100)
        low, high = interval_of([np.stack([row, np.full(2, 100.0)], 1) for row in right])
        held += low <= 0.85 <= high
    assert (
        held / 200 > 0.88
    )  # a spread that is known from nine gestures alone has heavier tails than 0.95 says
