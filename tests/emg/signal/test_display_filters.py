from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from app.emg.signal.display_filters import display_filters


def gain_db(rate: float, mains: float | None, hz: list[float]) -> np.ndarray:
    _, gain = signal.sosfreqz(display_filters(rate, mains).sos(rate), hz, fs=rate)
    return 20 * np.log10(np.abs(gain) + 1e-12)


@pytest.mark.parametrize(
    ("rate", "low", "high"),
    [
        (2000.0, 20, 450),
        (10_000.0, 20, 450),
        (1000.0, 20, 450),
        (500.0, 20, 225),
        (1259.259, 20, 450),
        (200.0, 20, 90),
        (100.0, 20, 45),
        (80.0, 18, 36),
        (50.0, 11.25, 22.5),
    ],
)
def test_the_band_goes_from_20_hz_to_what_the_rate_holds(rate: float, low: float, high: float) -> None:
    band = display_filters(rate, None).specs[0]
    assert (band["low_hz"], band["high_hz"]) == (pytest.approx(low), pytest.approx(high))
    np.testing.assert_allclose(gain_db(rate, None, [low, high]), -3.01, atol=0.05)


def test_mains_and_each_harmonic_in_the_band_are_taken_out_and_little_beside_them() -> None:
    harmonics = [50.0 * k for k in range(1, 9)]
    assert (gain_db(2000.0, 50.0, harmonics) < -60).all()
    assert (gain_db(2000.0, 50.0, [hz + 10 for hz in harmonics[:-1]]) > -0.6).all()
    assert len(display_filters(2000.0, 50.0).specs) == 1 + 8, "450 Hz is the edge of the band"


@pytest.mark.parametrize(
    ("rate", "mains", "notches"),
    [
        (200.0, 50.0, [50]),
        (200.0, 60.0, [60]),
        (2000.0, 60.0, [60, 120, 180, 240, 300, 360, 420]),
        (100.0, 50.0, []),
        (50.0, 50.0, []),
        (2000.0, None, []),
    ],
)
def test_no_notch_lies_outside_the_band(rate: float, mains: float | None, notches: list[float]) -> None:
    found = display_filters(rate, mains).specs[1:]
    assert [spec["frequency_hz"] for spec in found] == notches


def test_the_words_say_what_the_filters_are() -> None:
    assert display_filters(500.0, 50.0).description == "20-225 Hz, without 50 100 150 200 Hz"
    assert display_filters(50.0, 50.0).description == (
        "11.25-22.5 Hz (from 11.25 and not 20 Hz: the rate of 50 Hz leaves no more)"
    )


@given(st.floats(50, 10_000), st.sampled_from([50.0, 60.0, None]))
def test_any_rate_has_stable_filters_that_can_be_told_as_json(rate: float, mains: float | None) -> None:
    filters = display_filters(rate, mains)
    sos = filters.sos(rate)
    assert all(np.abs(np.roots(section[3:])).max() < 1 for section in sos)
    assert json.loads(json.dumps(filters.specs)) == [dict(spec) for spec in filters.specs]
