from __future__ import annotations

import numpy as np

from app.emg.signal.segments import pieces


def test_consecutive_samples_stay_together_and_a_gap_parts_them() -> None:
    samples = np.arange(10, dtype=np.float32).reshape(5, 2)
    one, two = pieces(np.array([7, 8, 20, 21, 22]), samples)
    assert (one.index, two.index) == (7, 20)
    assert np.array_equal(np.concatenate([one.samples, two.samples]), samples)


def test_only_the_first_piece_says_restart() -> None:
    found = pieces(np.array([0, 5]), np.ones((2, 1), np.float32), restart=True)
    assert [piece.restart for piece in found] == [True, False]


def test_a_sample_that_is_not_a_number_is_lost() -> None:
    """In a recursive filter it would stay for ever."""
    samples = np.ones((4, 2), np.float32)
    samples[1, 0], samples[2, 1] = np.nan, np.inf
    assert [(piece.index, len(piece.samples)) for piece in pieces(np.arange(4), samples)] == [(0, 1), (3, 1)]


def test_nothing_gives_nothing() -> None:
    assert pieces(np.arange(1), np.full((1, 2), np.nan, np.float32)) == []
