from __future__ import annotations

import numpy as np
import pytest

from app.emg.signal.time_axis import AuxPlacer, TimeAxis
from app.emg.signal.timestamps import TimestampFit

RATE = 1000.0


def axis_of(index: np.ndarray, stamps: np.ndarray) -> TimeAxis:
    axis = TimeAxis(RATE)
    axis.update(index, stamps)
    return axis


def test_a_slow_stream_lies_where_its_stamps_are() -> None:
    axis = axis_of(np.arange(100), 50.0 + np.arange(100) / RATE)
    placer = AuxPlacer(3, 20.0)
    (first,) = placer.place(50.01 + np.arange(2) / 20.0, np.zeros((2, 1), np.float32), axis)
    (later,) = placer.place(50.11 + np.arange(2) / 20.0, np.zeros((2, 1), np.float32), axis)
    assert (first.stream, len(first.samples)) == (3, 2)
    assert first.at == pytest.approx(10.0)
    assert later.at == pytest.approx(110.0)


def test_what_is_missing_moves_the_next_chunk_and_not_the_rate() -> None:
    axis = axis_of(np.arange(100), np.arange(100) / RATE)
    placer = AuxPlacer(0, 100.0)
    stamps = np.concatenate([np.arange(10), np.arange(60, 70)]) / 100.0
    first, second = placer.place(stamps, np.zeros((20, 3), np.float32), axis)
    assert (first.at, len(first.samples)) == (0.0, 10)
    assert second.at == pytest.approx(600.0, abs=1.0)


def test_jitter_is_taken_away_and_a_lost_emg_sample_does_not_move_the_axis() -> None:
    random = np.random.default_rng(1)
    axis = TimeAxis(RATE)
    for at in range(0, 20000, 100):
        index = at + np.arange(100) + (500 if at >= 10000 else 0)
        axis.update(index, 7.0 + index / RATE + random.uniform(0.0, 0.02, 100))
    assert axis.index_at(7.0 + 20.01) == pytest.approx(20000.0, abs=2.0)


@pytest.mark.parametrize("rate", [1.0, 4.0, 8.0, 20.0])
def test_a_slow_stream_that_is_late_by_less_than_a_sample_has_lost_none(rate: float) -> None:
    """Of less than 10 Hz 50 ms are not half a sample: what was missing was rounded to none, for ever and ever."""
    fit = TimestampFit(rate)
    fit.place(np.arange(10) / rate)
    placed = fit.place(np.arange(10, 20) / rate + 0.06)
    assert placed.indices.tolist() == list(range(10, 20))
    assert fit.stamp_of(20) == pytest.approx(20 / rate, abs=0.06)
    assert fit.index_at(fit.stamp_of(20)) == pytest.approx(20.0)
