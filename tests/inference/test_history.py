"""What stands before a window whose history is missing."""

from __future__ import annotations

import numpy as np
import pytest

from app.inference.history import with_history

RNG = np.random.default_rng(4)


@pytest.mark.parametrize("samples", [1, 2, 7, 19, 20, 39, 40])
@pytest.mark.parametrize("shape", [(), (3,)], ids=["one", "batch"])
def test_a_missing_history_is_the_mirror_as_often_as_needed(samples: int, shape: tuple[int, ...]) -> None:
    signal = RNG.standard_normal((*shape, samples, 2))
    before = [(0, 0)] * len(shape)
    expected = np.pad(signal, [*before, (40 - samples, 0), (0, 0)], mode="symmetric")

    assert np.array_equal(with_history(signal, 40), expected)


def test_a_signal_that_is_long_enough_ends_with_what_is_read() -> None:
    signal = RNG.standard_normal((3, 50, 2)).astype(np.float32)

    found = with_history(signal, 40)

    assert np.array_equal(found, signal[:, 10:])
    assert found.dtype == np.float32
