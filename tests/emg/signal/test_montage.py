from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.emg.auxiliary import AuxChunk
from app.emg.signal.filters import design
from app.emg.signal.montage import Montage
from app.emg.signal.resampler import Resampler
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.signal.windows import Grid
from app.emg.source import UNLABELLED, Chunk, Samples
from app.errors import SourceError

SOS = design(({"kind": "highpass", "order": 2, "low_hz": 5},), 200, None)
AUX = (AuxChunk(stream=0, at=0.0, samples=np.zeros((1, 3), np.float32)),)

pairs = st.sampled_from(
    [(250.0, 200.0), (1259.259, 2000.0), (2048.0, 2000.0), (2000.0, 200.0), (148.148, 200.0)]
)
# (samples lost before the chunk, samples in it, restart)
deliveries = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 1, 3, 9, 400]), st.integers(0, 60), st.sampled_from([False] * 7 + [True])
    ),
    min_size=1,
    max_size=15,
)


def noise(number: int, channels: int = 2) -> Samples:
    return np.random.default_rng(0).normal(500, 20, (number, channels)).astype(np.float32)


def resampling(source: float = 250, model: float = 200, max_fill: int = 0, channels: int = 2) -> Montage:
    columns = tuple(range(channels))
    return Montage(channels, columns, resampler=Resampler(source, model, channels), max_fill=max_fill)


def chunks_of(delivered: Sequence[tuple[int, int, bool]]) -> list[Chunk]:
    index, chunks, samples = 0, [], noise(1000)
    for lost, number, restart in delivered:
        index += lost
        at = index % 400
        chunks.append(Chunk(index=index, samples=samples[at : at + number], restart=restart))
        index += number
    return chunks


def test_a_montage_that_changes_nothing_hands_on_the_chunk_itself() -> None:
    montage = Montage(2, (0, 1))
    chunk = Chunk(index=7, samples=noise(5), aux=AUX)
    assert montage.process(chunk) is chunk
    assert (montage.trivial, montage.delay_ms, str(montage)) == (True, 0.0, "as it is")
    assert montage.to_output(7) == montage.to_input(7) == montage.to_input_end(7) == 7


def test_channels_are_chosen_in_order_and_scaled() -> None:
    montage = Montage(4, (3, 0), scale=1e-3)
    chunk = Chunk(
        index=7,
        samples=noise(5, 4),
        labels=np.arange(5, dtype=np.int16),
        acquired_at=2.5,
        restart=True,
        aux=AUX,
    )
    made = montage.process(chunk)
    np.testing.assert_array_equal(made.samples, chunk.samples[:, [3, 0]] * np.float32(1e-3))
    assert made.samples.dtype == np.float32
    assert (made.index, made.acquired_at, made.restart, made.aux) == (7, 2.5, True, ())
    assert made.labels is chunk.labels
    assert str(montage) == "channels 4,1, times 0.001"


@pytest.mark.parametrize("montage", [Montage(4, (3, 0)), Montage(4, (0, 1, 2, 3), scale=2.0)])
def test_a_chunk_of_another_width_is_refused(montage: Montage) -> None:
    with pytest.raises(SourceError, match=r"samples must be \(n, 4\), got \(5, 3\)"):
        montage.process(Chunk(index=0, samples=noise(5, 3)))


def test_what_a_chosen_channel_does_not_hold_does_no_harm() -> None:
    samples = noise(50, 3)
    samples[10, 1] = np.nan
    montage = Montage(3, (0, 2), resampler=Resampler(250, 200, 2))
    made = montage.process(Chunk(index=0, samples=samples))
    np.testing.assert_array_equal(made.samples, Resampler(250, 200, 2)(0, samples[:, [0, 2]]))


def test_a_resampled_chunk_has_the_models_index_labels_and_the_time_it_came() -> None:
    montage = resampling()
    labels = np.arange(10, dtype=np.int16)
    made = montage.process(
        Chunk(index=100, samples=noise(10), labels=labels, repetitions=labels + 1, acquired_at=3.25, aux=AUX)
    )
    assert (made.index, len(made.samples), made.acquired_at, made.aux) == (80, 8, 3.25, ())
    assert made.labels is not None
    assert made.labels.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    assert made.repetitions is not None
    assert made.repetitions.tolist() == [1, 2, 3, 4, 6, 7, 8, 9]
    assert str(montage) == "resampled from 250 to 200 Hz (4/5, off by 0 ppm)"


def test_a_chunk_too_short_for_a_sample_gives_none_and_counts() -> None:
    montage = resampling(2000, 200)
    made = [montage.process(Chunk(index=k, samples=noise(30)[k : k + 1])) for k in range(30)]
    assert [len(chunk.samples) for chunk in made] == [1, *[0] * 9] * 3
    assert [chunk.index for chunk in made] == [0, *[1] * 10, *[2] * 10, *[3] * 9]


def test_after_a_restart_nothing_is_left_of_what_was_before() -> None:
    montage = resampling(max_fill=100)
    montage.process(Chunk(index=0, samples=-noise(100)))
    made = montage.process(Chunk(index=101, samples=noise(100), restart=True))
    assert (made.index, made.restart) == (81, True)
    fresh = resampling().process(Chunk(index=101, samples=noise(100)))
    np.testing.assert_array_equal(made.samples, fresh.samples)


def test_after_a_long_gap_it_starts_afresh_and_after_a_short_one_it_carries_on() -> None:
    """The line between the two is the ring's: `max_fill` samples of the model's side."""
    samples = noise(300)
    for lost, fresh in [(10, False), (11, True)]:  # 8 and 9 of the model's side
        montage = resampling(max_fill=8)
        montage.process(Chunk(index=0, samples=samples[:100]))
        made = montage.process(Chunk(index=100 + lost, samples=samples[100:]))
        assert made.index == (89 if fresh else 88)
        alone = resampling().process(Chunk(index=100 + lost, samples=samples[100:]))
        assert np.array_equal(made.samples, alone.samples) == fresh


def test_a_refused_chunk_leaves_no_trace_but_its_restart() -> None:
    montage = resampling(max_fill=100)
    montage.process(Chunk(index=0, samples=noise(100)))
    with pytest.raises(SourceError, match="NaN"):
        montage.process(Chunk(index=100, samples=np.full((5, 2), np.nan, np.float32), restart=True))
    with pytest.raises(SourceError, match="backwards"):
        montage.process(Chunk(index=50, samples=noise(5)))
    made = montage.process(Chunk(index=105, samples=noise(100)))
    assert made.restart
    again = montage.process(Chunk(index=205, samples=noise(100)))
    assert not again.restart


@given(pairs, deliveries, st.integers(0, 30))
@settings(deadline=None)
def test_ring_and_montage_count_the_same_whatever_is_lost(
    rates: tuple[float, float], delivered: list[tuple[int, int, bool]], max_fill: int
) -> None:
    montage = resampling(*rates, max_fill=max_fill)
    ring = Ring(2000, 2, max_fill)
    path = SignalPath(ring, SOS)
    for chunk in chunks_of(delivered):
        made = montage.process(chunk)
        path.process(made)
        assert made.index + len(made.samples) == montage.to_output(chunk.index + len(chunk.samples))
        if len(made.samples):
            assert ring.newest == made.index + len(made.samples)


@given(pairs, deliveries)
@settings(deadline=None)
def test_how_the_signal_is_cut_changes_nothing(
    rates: tuple[float, float], delivered: list[tuple[int, int, bool]]
) -> None:
    whole, cut = resampling(*rates, max_fill=10), resampling(*rates, max_fill=10)
    for chunk in chunks_of(delivered):
        expected = whole.process(chunk)
        middle = len(chunk.samples) // 3
        first = cut.process(Chunk(index=chunk.index, samples=chunk.samples[:middle], restart=chunk.restart))
        second = cut.process(Chunk(index=chunk.index + middle, samples=chunk.samples[middle:]))
        joined = np.concatenate([first.samples, second.samples])
        np.testing.assert_allclose(joined, expected.samples, rtol=1e-6, atol=1e-4)
        assert (first.index, first.index + len(first.samples)) == (expected.index, second.index)


@given(pairs, st.sampled_from([5.0, 29.97, 30.0, 100.0]), st.integers(0, 10**12), st.integers(0, 10**6))
def test_windows_lie_on_the_models_grid_and_map_back_to_what_they_have_seen(
    rates: tuple[float, float], fps: float, start: int, k: int
) -> None:
    montage = resampling(*rates)
    grid = Grid(rates[1], fps, start)
    end = grid.end_of(k)
    seen = montage.to_input_end(end)
    assert montage.to_output(seen) >= end, "with that many samples of the source the window is whole"
    assert montage.to_output(seen - 1) < end, "and with one less it is not"
    assert montage.to_input_end(grid.end_of(k + 1)) >= seen
    assert grid.first_at_or_after(montage.to_output(seen)) >= k


def test_a_window_can_be_cut_as_soon_as_its_source_samples_are_there() -> None:
    montage, grid = resampling(1259.259, 2000), Grid(2000, 30)
    ring = Ring(5000, 2)
    path = SignalPath(ring, SOS)
    whole = montage.to_input_end(grid.end_of(9))
    samples = noise(whole)
    path.process(montage.process(Chunk(index=0, samples=samples[: whole - 1])))
    assert ring.window(grid.end_of(9), 200) is None
    path.process(montage.process(Chunk(index=whole - 1, samples=samples[whole - 1 :])))
    assert ring.window(grid.end_of(9), 200) is not None


def test_filled_samples_are_counted_on_the_models_side() -> None:
    montage = resampling(max_fill=20)
    ring = Ring(1000, 2, 20)
    path = SignalPath(ring, SOS)
    path.process(montage.process(Chunk(index=0, samples=noise(100), labels=np.zeros(100, np.int16))))
    path.process(montage.process(Chunk(index=110, samples=noise(90), labels=np.zeros(90, np.int16))))
    assert (ring.newest, ring.missing(160, 160), ring.gaps.lost_samples) == (160, 8, 8)
    assert ring.label_at(85) == UNLABELLED
