from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from app.emg.signal.filters import SosFilter, design, filter_all, group_delay_ms
from app.errors import ConfigError, SourceError

BANDPASS = {"kind": "bandpass", "order": 4, "low_hz": 20, "high_hz": 450}
HIGHPASS = {"kind": "highpass", "order": 2, "low_hz": 5}
MAINS_NOTCH = {"kind": "notch", "frequency_hz": "mains", "q": 30}


def noise(n: int, channels: int = 3, seed: int = 0, offset: float = 100.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, channels)) * 20 + offset).astype(np.float32)


def gain_at(sos: np.ndarray, frequency: float, rate: float) -> float:
    _, h = signal.sosfreqz(sos, worN=[frequency], fs=rate)
    return float(np.abs(h[0]))


def test_no_specs_are_no_sections_and_the_identity() -> None:
    sos = design((), 200, mains=50)
    assert sos.shape == (0, 6)
    np.testing.assert_array_equal(filter_all(sos, noise(10)), noise(10))


@pytest.mark.parametrize(
    ("spec", "passed", "stopped"),
    [
        pytest.param(BANDPASS, 100, 2, id="bandpass"),
        pytest.param(HIGHPASS, 100, 0.5, id="highpass"),
        pytest.param({"kind": "lowpass", "order": 4, "high_hz": 90}, 20, 400, id="lowpass"),
        pytest.param({"kind": "notch", "frequency_hz": 50, "q": 30}, 80, 50, id="notch"),
    ],
)
def test_each_kind_passes_and_stops_what_it_says(spec: dict, passed: float, stopped: float) -> None:
    sos = design((spec,), 2000, mains=None)
    assert gain_at(sos, passed, 2000) == pytest.approx(1, abs=0.05)
    assert gain_at(sos, stopped, 2000) < 0.02


def test_an_edge_frequency_is_where_half_the_power_is_left() -> None:
    assert gain_at(design((HIGHPASS,), 200, None), 5, 200) == pytest.approx(np.sqrt(0.5), rel=1e-6)


@pytest.mark.parametrize("mains", [50, 60])
def test_a_mains_notch_sits_where_the_operator_says(mains: float) -> None:
    sos = design((MAINS_NOTCH,), 2000, mains=mains)
    assert gain_at(sos, mains, 2000) < 1e-9
    assert gain_at(sos, 110 - mains, 2000) > 0.95


@pytest.mark.parametrize(
    ("mains", "rate"), [(None, 2000), (60, 120), (50, 80)], ids=["off", "nyquist", "above"]
)
def test_a_mains_notch_that_does_not_apply_is_left_out(mains: float | None, rate: float) -> None:
    assert len(design((HIGHPASS, MAINS_NOTCH), rate, mains)) == len(design((HIGHPASS,), rate, mains))


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        pytest.param(BANDPASS, "high_hz must be .* below 100 Hz", id="above nyquist"),
        pytest.param({**HIGHPASS, "low_hz": 0}, "low_hz must be a number above 0", id="zero"),
        pytest.param({**HIGHPASS, "low_hz": "5"}, "low_hz", id="text"),
        pytest.param({**HIGHPASS, "low_hz": float("nan")}, "low_hz", id="nan"),
        pytest.param({**HIGHPASS, "order": 0}, "order must be", id="order zero"),
        pytest.param({**HIGHPASS, "order": 2.0}, "order must be", id="order not whole"),
        pytest.param({**BANDPASS, "low_hz": 50, "high_hz": 20}, "low_hz must lie below", id="swapped"),
        pytest.param({**BANDPASS, "low_hz": 20, "high_hz": 20}, "low_hz must lie below", id="no band"),
        pytest.param({"kind": "highpass", "order": 2}, "takes exactly", id="missing key"),
        pytest.param({**HIGHPASS, "ripple": 3}, "takes exactly", id="unknown key"),
        pytest.param({"kind": "magic"}, "kind must be one of", id="unknown kind"),
        pytest.param(
            {"kind": "notch", "frequency_hz": 120, "q": 30}, "frequency_hz", id="notch above nyquist"
        ),
        pytest.param({"kind": "notch", "frequency_hz": 50, "q": 0}, "q must be", id="no quality"),
        pytest.param({"kind": "notch", "frequency_hz": 50, "q": 0.1}, "q must leave", id="unstable notch"),
        pytest.param({**HIGHPASS, "low_hz": 1e-10}, "low_hz must be a number above 0", id="singular"),
        pytest.param({**BANDPASS, "low_hz": 20, "high_hz": 20 + 1e-12}, "low_hz must lie", id="hair"),
    ],
)
def test_an_impossible_filter_is_refused_by_name(spec: dict, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        design((spec,), 200, mains=50)
    assert spec["kind"] in str(caught.value)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=30))
def test_any_chunking_gives_the_very_same_samples(sizes: list[int]) -> None:
    sos = design((BANDPASS, MAINS_NOTCH), 2000, mains=50)
    samples = noise(sum(sizes))
    chunked = SosFilter(sos, 3)
    pieces = [chunked(piece) for piece in np.split(samples, np.cumsum(sizes)[:-1])]
    np.testing.assert_array_equal(np.concatenate(pieces), filter_all(sos, samples))


def test_it_equals_one_shot_sosfilt_to_rounding() -> None:
    sos = design((BANDPASS,), 2000, mains=None)
    samples = noise(1009)
    zi = signal.sosfilt_zi(sos)[:, :, None] * samples[0].astype(float)
    expected, _ = signal.sosfilt(sos, samples.astype(float), axis=0, zi=zi)
    filtered = SosFilter(sos, 3)
    out = np.concatenate([filtered(samples[i : i + 7]) for i in range(0, len(samples), 7)])
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-5)


def test_an_electrode_offset_makes_no_start_up_step() -> None:
    constant = np.full((500, 2), 30_000, dtype=np.float32)
    assert np.abs(filter_all(design((HIGHPASS,), 200, None), constant)).max() < 1e-3


def test_a_lowpass_starts_at_the_level_of_its_first_sample() -> None:
    constant = np.full((50, 1), 7, dtype=np.float32)
    lowpass = design(({"kind": "lowpass", "order": 2, "high_hz": 5},), 200, None)
    np.testing.assert_allclose(filter_all(lowpass, constant), constant, rtol=1e-5)


def test_a_reset_filter_behaves_like_a_new_one() -> None:
    sos = design((HIGHPASS,), 200, None)
    used = SosFilter(sos, 3)
    used(noise(100, seed=1, offset=-5000))
    used.reset()
    np.testing.assert_array_equal(used(noise(50)), filter_all(sos, noise(50)))
    used.reset(noise(50)[0])
    np.testing.assert_array_equal(used(noise(50)), filter_all(sos, noise(50)))


def test_an_empty_chunk_leaves_the_state_alone() -> None:
    sos = design((HIGHPASS,), 200, None)
    filtered = SosFilter(sos, 3)
    head = filtered(noise(20)[:10])
    assert filtered(np.zeros((0, 3), np.float32)).shape == (0, 3)
    np.testing.assert_array_equal(
        np.concatenate([head, filtered(noise(20)[10:])]), filter_all(sos, noise(20))
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sample_that_is_not_finite_is_refused_and_does_not_poison_the_state(value: float) -> None:
    sos = design((HIGHPASS,), 200, None)
    filtered = SosFilter(sos, 3)
    head = filtered(noise(20)[:10])
    bad = noise(4)
    bad[2, 1] = value
    with pytest.raises(SourceError, match="NaN"):
        filtered(bad)
    np.testing.assert_array_equal(
        np.concatenate([head, filtered(noise(20)[10:])]), filter_all(sos, noise(20))
    )


def test_samples_of_another_channel_count_are_refused() -> None:
    with pytest.raises(SourceError, match=r"\(n, 3\), got \(5, 4\)"):
        SosFilter(design((HIGHPASS,), 200, None), 3)(noise(5, channels=4))


def test_group_delay_is_the_shift_a_passband_tone_gets() -> None:
    """Cross-check against scipy's own figure, averaged over the same band."""
    lowpass = design(({"kind": "lowpass", "order": 2, "high_hz": 200},), 2000, None)
    b, a = signal.sos2tf(lowpass)
    _, delay = signal.group_delay((b, a), w=np.linspace(1, 199, 500), fs=2000)
    assert group_delay_ms(lowpass, 2000) == pytest.approx(delay.mean() / 2000 * 1000, rel=0.01)


def test_group_delay_adds_up_over_sections_and_is_zero_without_any() -> None:
    one = {"kind": "lowpass", "order": 1, "high_hz": 100}
    assert group_delay_ms(design((), 2000, None), 2000) == 0
    assert group_delay_ms(design((one, one), 2000, None), 2000) > group_delay_ms(
        design((one,), 2000, None), 2000
    )
    assert np.isfinite(group_delay_ms(design((BANDPASS, MAINS_NOTCH), 2000, 50), 2000))
