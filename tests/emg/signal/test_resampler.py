from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from app.emg.signal.resampler import Resampler
from app.emg.source import Samples
from app.errors import SourceError

RATES = [
    pytest.param(250, 200, None, id="250 to 200"),
    pytest.param(1259.259, 2000, 450, id="1259.259 to 2000"),
    pytest.param(148.148, 200, None, id="148.148 to 200"),
    pytest.param(1925.926, 2000, 450, id="1925.926 to 2000"),
    pytest.param(2048, 2000, None, id="2048 to 2000"),
    pytest.param(1000, 2000, 450, id="1000 to 2000"),
    pytest.param(4000, 2000, 450, id="4000 to 2000"),
]
pairs = st.sampled_from([(250, 200), (1259.259, 2000), (2048, 2000), (2000, 250), (200, 2000)])


def noise(number: int, channels: int = 2, level: float = 0.0) -> Samples:
    return np.random.default_rng(0).normal(level, 20, (number, channels)).astype(np.float32)


def in_chunks(resampler: Resampler, samples: Samples, sizes: list[int], index: int = 0) -> Samples:
    """The samples resampled in chunks of those sizes, the last one taking what is left."""
    made, at = [], 0
    for size in [*sizes, len(samples)]:
        made.append(resampler(index + at, samples[at : at + size]))
        at = min(at + size, len(samples))
    return np.concatenate(made)


@given(pairs, st.lists(st.integers(0, 97), max_size=12), st.integers(0, 10**12))
@settings(deadline=None)
def test_chunks_of_any_size_give_what_one_chunk_gives(
    rates: tuple[float, float], sizes: list[int], index: int
) -> None:
    samples = noise(600, level=500)
    whole = Resampler(*rates, 2)(index, samples)
    made = in_chunks(Resampler(*rates, 2), samples, sizes, index)
    assert made.dtype == whole.dtype == np.float32
    np.testing.assert_allclose(made, whole, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(("source", "model", "high"), RATES)
def test_it_is_the_sum_that_it_is_said_to_be(source: float, model: float, high: float | None) -> None:
    """scipy's upfirdn, given the same weights, is the independent reader; it takes the past for zeros."""
    resampler = Resampler(source, model, 1, high)
    samples = noise(500, 1)
    samples[0] = 0
    up, down = resampler.ratio.up, resampler.ratio.down
    expected = signal.upfirdn(weights_of(resampler), samples[:, 0].astype(np.float64), up, down)
    resampler.reset()
    made = resampler(10**10 * down, samples)[:, 0]
    np.testing.assert_allclose(made, expected[: len(made)], atol=1e-4)


def weights_of(resampler: Resampler) -> np.ndarray:
    """The filter as it runs at `up` times the source's rate, read off the answers to impulses."""
    up, down = resampler.ratio.up, resampler.ratio.down
    found = np.zeros(up * resampler.taps)
    for late in range(1, down + 1):
        impulse = np.zeros((resampler.taps + 2 * down, 1), np.float32)
        impulse[late] = 1
        resampler.reset()
        made = resampler(down * 10**6 * late, impulse)[:, 0]
        places = np.arange(len(made)) * down - late * up
        inside = (places >= 0) & (places < len(found))
        found[places[inside]] = made[inside]
    return found


def spectrum_db(made: Samples, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz, and the level at each: 0 dB is a sine of amplitude 1."""
    window = signal.windows.blackmanharris(len(made))
    level = np.abs(np.fft.rfft(made * window)) * 2 / window.sum()
    return np.fft.rfftfreq(len(made), 1 / rate), 20 * np.log10(level + 1e-12)


def tone(resampler: Resampler, hz: float, rate: float, number: int = 16384) -> np.ndarray:
    """A settled sine of amplitude 1 at `hz`, resampled."""
    samples = np.sin(2 * np.pi * hz / rate * np.arange(number))[:, np.newaxis].astype(np.float32)
    made = resampler(0, samples)[:, 0]
    return made[len(made) // 4 :]


@pytest.mark.parametrize(("source", "model", "high"), RATES)
@pytest.mark.parametrize("part", [0.05, 0.31, 0.77, 1.0])
def test_a_tone_that_is_read_comes_through_alone(
    source: float, model: float, high: float | None, part: float
) -> None:
    resampler = Resampler(source, model, 1, high)
    hz = part * resampler.high_hz
    where, level = spectrum_db(tone(resampler, hz, source), model)
    near = np.abs(where - hz) < 8 * where[1]
    assert level[near].max() == pytest.approx(0, abs=0.85), (
        "Blackman-Harris between two bins gives away 0.83 dB"
    )
    assert level[~near].max() < -60


@pytest.mark.parametrize(
    ("source", "model", "high"), [(250, 200, None), (2048, 2000, None), (4000, 2000, 450)]
)
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.95])
def test_a_tone_that_the_models_rate_cannot_hold_is_gone(
    source: float, model: float, high: float | None, part: float
) -> None:
    hz = model / 2 + part * (source - model) / 2
    _, level = spectrum_db(tone(Resampler(source, model, 1, high), hz, source), model)
    assert level.max() < -60


def burst_delay_ms(resampler: Resampler, hz: float, source: float, model: float) -> float:
    """How much later the middle of a tone burst comes out: the group delay around its frequency."""
    number = round(4 * source)
    middle, width = 2.0, max(0.15, 4 / hz)
    at = np.arange(number) / source
    burst = np.sin(2 * np.pi * hz * at) * np.exp(-(((at - middle) / width) ** 2))
    made = resampler(0, burst[:, np.newaxis].astype(np.float32))[:, 0].astype(np.float64)
    energy = np.square(made)
    out = np.arange(len(made)) / model
    return 1e3 * (float((out * energy).sum() / energy.sum()) - middle)


@pytest.mark.parametrize(("source", "model", "high"), RATES)
def test_the_delay_is_what_tone_bursts_show(source: float, model: float, high: float | None) -> None:
    resampler = Resampler(source, model, 1, high)
    low = 20.0
    bursts = np.linspace(low, resampler.high_hz, 41)
    delays = [burst_delay_ms(resampler_of(source, model, high), hz, source, model) for hz in bursts]
    assert resampler.delay_ms(low) == pytest.approx(np.mean(delays), rel=0.08)


def resampler_of(source: float, model: float, high: float | None) -> Resampler:
    return Resampler(source, model, 1, high)


def test_its_delay_is_far_below_that_of_a_linear_phase() -> None:
    resampler = Resampler(250, 200, 1)
    linear_ms = 1e3 * (resampler.taps * resampler.ratio.up - 1) / 2 / (250 * resampler.ratio.up)
    assert linear_ms > 200
    assert resampler.delay_ms() < 20


@pytest.mark.parametrize(("source", "model", "high"), RATES)
def test_an_offset_stays_and_makes_no_step_at_the_start(
    source: float, model: float, high: float | None
) -> None:
    made = Resampler(source, model, 1, high)(0, np.full((700, 1), 32768.25, np.float32))
    np.testing.assert_allclose(made, 32768.25, rtol=1e-7)


def test_missing_samples_count_as_the_last_one_held() -> None:
    samples, held = noise(400), noise(400)
    held[100:107] = held[99]
    whole = Resampler(250, 200, 2)(0, held)
    resampler = Resampler(250, 200, 2)
    before, after = resampler(0, samples[:100]), resampler(107, samples[107:])
    np.testing.assert_allclose(before, whole[: len(before)], rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(after, whole[-len(after) :], rtol=1e-6, atol=1e-5)
    assert (len(before), len(after)) == (80, 320 - 86)


def test_after_a_gap_longer_than_its_memory_all_of_it_is_the_held_sample() -> None:
    resampler = Resampler(250, 200, 2)
    resampler(0, noise(300))
    after = resampler(100_000, np.repeat(noise(300)[-1:], 50, axis=0))
    np.testing.assert_allclose(after, np.repeat(noise(300)[-1:], 40, axis=0), rtol=1e-5)


def test_after_a_reset_it_is_as_new() -> None:
    resampler = Resampler(250, 200, 2)
    resampler(0, noise(100, level=-900))
    resampler.reset()
    made = resampler(100, noise(100, level=50))
    np.testing.assert_array_equal(made, Resampler(250, 200, 2)(100, noise(100, level=50)))


@pytest.mark.parametrize(
    ("index", "samples", "says"),
    [
        (90, noise(10), "sample index went backwards, from 100 to 90"),
        (100, noise(10, channels=3), r"samples must be \(n, 2\), got \(10, 3\)"),
        (100, np.full((10, 2), np.nan, np.float32), "NaN or infinite"),
        (100, np.full((10, 2), np.inf, np.float32), "NaN or infinite"),
    ],
)
def test_a_bad_chunk_is_refused_and_leaves_no_trace(index: int, samples: Samples, says: str) -> None:
    resampler, good = Resampler(250, 200, 2), noise(200)
    first = resampler(0, good[:100])
    with pytest.raises(SourceError, match=says):
        resampler(index, samples)
    second = resampler(100, good[100:])
    np.testing.assert_allclose(
        np.concatenate([first, second]), Resampler(250, 200, 2)(0, good), rtol=1e-6, atol=1e-5
    )
