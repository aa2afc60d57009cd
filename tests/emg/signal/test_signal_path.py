from __future__ import annotations

import numpy as np
import pytest

from app.emg.signal.filters import design, filter_all
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.source import Chunk
from app.errors import SourceError

SOS = design(({"kind": "highpass", "order": 2, "low_hz": 5},), 200, None)
SAMPLES = np.random.default_rng(0).normal(500, 20, (200, 2)).astype(np.float32)


def path_of(max_fill: int = 0) -> SignalPath:
    return SignalPath(Ring(1000, 2, max_fill), SOS)


def test_a_chunk_arrives_filtered_with_its_label_and_time() -> None:
    path = path_of()
    path.process(Chunk(index=0, samples=SAMPLES, labels=np.full(200, 3, np.int16)), acquired_at=12.5)
    np.testing.assert_array_equal(path.ring.window(200, 200), filter_all(SOS, SAMPLES))
    assert (path.ring.label_at(7), path.ring.acquired_at(7)) == (3, 12.5)


@pytest.mark.parametrize(
    ("second", "max_fill"),
    [
        pytest.param(Chunk(index=100, samples=SAMPLES[100:], restart=True), 5, id="restart"),
        pytest.param(Chunk(index=106, samples=SAMPLES[100:]), 5, id="long gap"),
    ],
)
def test_the_filter_starts_afresh_with_a_new_segment(second: Chunk, max_fill: int) -> None:
    path = path_of(max_fill)
    path.process(Chunk(index=0, samples=SAMPLES[:100]))
    path.process(second)
    np.testing.assert_array_equal(path.ring.window(path.ring.newest, 100), filter_all(SOS, SAMPLES[100:]))


def test_the_filter_carries_on_over_a_short_gap() -> None:
    path = path_of(max_fill=5)
    path.process(Chunk(index=0, samples=SAMPLES[:100]))
    path.process(Chunk(index=105, samples=SAMPLES[100:]))
    np.testing.assert_array_equal(path.ring.window(205, 100), filter_all(SOS, SAMPLES)[100:])


def test_a_bad_chunk_is_refused_and_the_next_good_one_is_taken() -> None:
    path = path_of()
    path.process(Chunk(index=0, samples=SAMPLES[:100]))
    with pytest.raises(SourceError, match="NaN"):
        path.process(Chunk(index=100, samples=np.full((5, 2), np.nan, np.float32)))
    path.process(Chunk(index=100, samples=SAMPLES[100:]))
    np.testing.assert_array_equal(path.ring.window(200, 200), filter_all(SOS, SAMPLES))


def test_a_restart_outlives_the_refusal_of_the_chunk_that_announced_it() -> None:
    path = path_of(max_fill=5)
    path.process(Chunk(index=0, samples=SAMPLES[:100]))
    with pytest.raises(SourceError, match="NaN"):
        path.process(Chunk(index=100, samples=np.full((2, 2), np.nan, np.float32), restart=True))
    path.process(Chunk(index=102, samples=SAMPLES[100:]))
    assert path.ring.segment_start == 102
    np.testing.assert_array_equal(path.ring.window(202, 100), filter_all(SOS, SAMPLES[100:]))
