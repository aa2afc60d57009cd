"""Channels without a signal are found as their standard deviation says, in whatever way it is worked out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.emg.quality.monitor import DEAD, dead_channels

REST = 5.0


def by_deviation(window: np.ndarray) -> list[int]:
    return np.flatnonzero(window.std(axis=0) <= DEAD * REST).tolist()


@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 300),
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.02, 0.099, 0.0999, 0.1, 0.1001, 0.2, 5.0]), st.floats(-1e5, 1e5)),
        min_size=1,
        max_size=16,
    ),
)
def test_they_are_those_that_hardly_deviate(
    seed: int, length: int, channels: list[tuple[float, float]]
) -> None:
    levels, offsets = np.array(channels).T
    noise = np.random.default_rng(seed).normal(size=(length, len(channels)))
    noise /= noise.std(axis=0) + 1e-12
    window = (noise * levels + offsets).astype(np.float32)
    assert dead_channels(window, REST) == by_deviation(window)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_a_large_offset_is_no_signal(offset: float) -> None:
    window = np.full((200, 3), offset, np.float32)
    window[:, 1] += np.random.default_rng(0).normal(0, 30, 200).astype(np.float32)
    assert dead_channels(window, REST) == [0, 2]


def test_a_part_of_a_longer_signal_is_judged_as_itself() -> None:
    signal = np.random.default_rng(0).normal(0, 30, (1500, 4)).astype(np.float32)
    signal[:1300, 2] = 0.0
    signal[1300:, 3] = 7.0
    assert dead_channels(signal[-200:], REST) == [3]
