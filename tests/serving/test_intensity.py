from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.decision import intensity

REST, ACTIVE = 2.0, 10.0
seeds = st.integers(0, 2**32 - 1)


def window(seed: int, rms: float) -> np.ndarray:
    """Noise (length, channels) of that RMS on every channel."""
    noise = np.random.default_rng(seed).normal(size=(50, 4))
    return (noise / np.sqrt(np.square(noise).mean(axis=0)) * rms).astype(np.float32)


@given(seeds, st.floats(0, 1e6))
def test_it_lies_between_0_and_1(seed: int, rms: float) -> None:
    assert 0 <= intensity(window(seed, rms), REST, ACTIVE) <= 1


@given(seeds, st.floats(0, 100), st.floats(0, 100))
def test_more_amplitude_is_never_less_intensity(seed: int, one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert intensity(window(seed, low), REST, ACTIVE) <= intensity(window(seed, high), REST, ACTIVE) + 1e-6


@given(seeds)
def test_rest_is_0_a_full_gesture_1_and_halfway_a_half(seed: int) -> None:
    levels = [intensity(window(seed, rms), REST, ACTIVE) for rms in (REST, (REST + ACTIVE) / 2, ACTIVE)]
    assert levels == pytest.approx([0, 0.5, 1], abs=1e-5)
