from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.emg.signal.filters import design, filter_all
from app.emg.signal.windows import Cut, Grid, cut
from app.emg.source import Chunk
from app.errors import DataError

SOS = design(({"kind": "highpass", "order": 2, "low_hz": 5},), 200, None)
RATES = st.sampled_from([200, 1000, 2000, 2148.1481, 200.0, 512])


def fps_for(rate: float) -> st.SearchStrategy[float]:
    return st.one_of(st.integers(1, int(rate)), st.sampled_from([0.1, 7, 29.97, 30, 60, 0.3333]))


def signal_of(n: int, seed: int = 0, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, channels)).astype(np.float32), (np.arange(n) // 100 % 4).astype(np.int16)


def in_chunks(samples: np.ndarray, labels: np.ndarray, sizes: Iterable[int], edges: set[int]) -> list[Chunk]:
    """The signal in chunks of the given sizes, split at every edge, where it says restart."""
    chunks, at, sizes = [], 0, itertools.cycle(sizes)
    while at < len(samples):
        limit = min([edge for edge in edges if edge > at] + [len(samples)])
        end = min(at + next(sizes), limit)
        chunk = Chunk(index=at, samples=samples[at:end], labels=labels[at:end], restart=at in edges)
        chunks.append(chunk)
        at = end
    return chunks


def digest(cuts: Iterable[Cut]) -> tuple[int, str]:
    sha, n = hashlib.sha256(), 0
    for k, end, window, label in cuts:
        sha.update(f"{k} {end} {label} ".encode() + window.tobytes())
        n += 1
    return n, sha.hexdigest()


@given(st.data(), RATES, st.integers(0, 10_000_000), st.integers(0, 1000))
def test_window_k_ends_at_the_rounded_multiple_of_the_hop(data, rate: float, k: int, start: int) -> None:
    fps = data.draw(fps_for(rate))
    exact = start + (k + 1) * Fraction(str(rate)) / Fraction(str(fps))
    assert Grid(rate, fps, start).end_of(k) == int(exact + Fraction(1, 2))  # half up


@given(st.data(), RATES, st.integers(-100, 10_000_000), st.integers(0, 1000))
def test_the_inverse_functions_bracket_any_sample(data, rate: float, sample: int, start: int) -> None:
    grid = Grid(rate, data.draw(fps_for(rate)), start)
    last, first = grid.last_at_or_before(sample), grid.first_at_or_after(sample)
    assert last == -1 or grid.end_of(last) <= sample
    assert grid.end_of(last + 1) > sample
    assert grid.end_of(first) >= sample
    assert first == 0 or grid.end_of(first - 1) < sample


@pytest.mark.parametrize(
    ("rate", "fps", "ends"),
    [
        pytest.param(2000, 30, [67, 133, 200, 267, 333, 400], id="30 at 2000"),
        pytest.param(200, 7, [29, 57, 86, 114, 143, 171, 200], id="7 at 200"),
        pytest.param(200, 80, [3, 5, 8, 10], id="half rounds up"),
        pytest.param(200, 200, [1, 2, 3], id="every sample"),
        pytest.param(200, 0.5, [400, 800], id="slower than a second"),
    ],
)
def test_known_grids(rate: float, fps: float, ends: list[int]) -> None:
    assert [Grid(rate, fps).end_of(k) for k in range(len(ends))] == ends


def test_a_day_of_windows_has_not_drifted() -> None:
    assert Grid(2000, 30).end_of(30 * 86_400 - 1) == 2000 * 86_400
    assert Grid(2000.0, 29.97).end_of(2997 * 864 - 1) == 2000 * 86_400


@pytest.mark.parametrize("fps", [0, -1, 201, float("nan"), float("inf")])
def test_an_fps_outside_the_sampling_rate_is_refused(fps: float) -> None:
    with pytest.raises(DataError, match="at most the sampling rate 200 Hz"):
        Grid(200, fps)


@settings(deadline=None)
@given(st.lists(st.integers(1, 97), min_size=1, max_size=8), st.sampled_from([7, 30, 33.3]))
def test_a_replay_gives_identical_windows_whatever_the_chunks(sizes: list[int], fps: float) -> None:
    samples, labels = signal_of(1500)
    edges = {400, 443, 1000}
    whole = digest(cut(in_chunks(samples, labels, [1500], edges), SOS, 40, Grid(200, fps)))
    assert digest(cut(in_chunks(samples, labels, sizes, edges), SOS, 40, Grid(200, fps))) == whole
    assert whole[0] > 20


def test_the_windows_are_slices_of_the_filtered_recording() -> None:
    samples, labels = signal_of(12_000)
    filtered = filter_all(SOS, samples)
    cuts = list(cut([Chunk(index=0, samples=samples, labels=labels)], SOS, 40, Grid(200, 30)))
    assert [c.end for c in cuts] == [e for k in range(1800) if (e := Grid(200, 30).end_of(k)) >= 40]
    for c in cuts:
        np.testing.assert_array_equal(c.window, filtered[c.end - 40 : c.end])
        assert c.label == labels[c.end - 1]


def test_no_window_spans_a_restart_and_the_filter_starts_afresh_there() -> None:
    samples, labels = signal_of(600)
    cuts = list(cut(in_chunks(samples, labels, [10], {300}), SOS, 40, Grid(200, 50)))
    assert not [c.end for c in cuts if 300 < c.end < 340]
    second = filter_all(SOS, samples[300:])
    np.testing.assert_array_equal(next(c.window for c in cuts if c.end == 340), second[:40])


def test_a_long_gap_behaves_like_a_restart_and_a_short_one_is_filled() -> None:
    samples, _ = signal_of(600)
    chunks = [Chunk(index=0, samples=samples[:300]), Chunk(index=310, samples=samples[310:])]
    apart = [c.end for c in cut(chunks, SOS, 40, Grid(200, 50))]
    filled = [c.end for c in cut(chunks, SOS, 40, Grid(200, 50), max_fill=10)]
    assert filled == list(range(40, 601, 4))
    assert sorted(set(filled) - set(apart)) == list(range(304, 350, 4))


def test_a_signal_without_labels_gives_unlabelled_windows() -> None:
    samples, _ = signal_of(100)
    assert {c.label for c in cut([Chunk(index=0, samples=samples)], SOS, 40, Grid(200, 50))} == {-1}


def test_a_signal_that_starts_late_costs_no_walk_through_the_windows_before() -> None:
    samples, _ = signal_of(100)
    first = next(cut([Chunk(index=10**12, samples=samples)], SOS, 40, Grid(200, 50)))
    assert first.end == 10**12 + 40


def test_context_comes_with_a_window_as_far_as_its_segment_goes() -> None:
    samples, labels = signal_of(600)
    plain = list(cut(in_chunks(samples, labels, [10], {300}), SOS, 40, Grid(200, 50)))
    longer = list(cut(in_chunks(samples, labels, [10], {300}), SOS, 40, Grid(200, 50), context=60))
    assert [c.end for c in longer] == [c.end for c in plain]
    for c, own in zip(longer, plain, strict=True):
        assert len(c.window) == min(100, c.end if c.end <= 300 else c.end - 300)
        np.testing.assert_array_equal(c.window[-40:], own.window)
