"""scipy's inner loop gives what its public function gives, and where it is missing or differs, that one is used."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from app.emg.signal import filters, sections
from app.emg.signal.filters import SosFilter, design
from app.emg.signal.sections import INNER, chosen, in_place, public

BANDPASS = {"kind": "bandpass", "order": 4, "low_hz": 20, "high_hz": 450}
NOTCH = {"kind": "notch", "frequency_hz": 50, "q": 30}
SOS = design((BANDPASS, NOTCH), 2000, None)


def noise(n: int, channels: int) -> np.ndarray:
    return np.random.default_rng(n).normal(40, 30, (n, channels)).astype(np.float32)


def expected(samples: np.ndarray, ends: list[int]) -> np.ndarray:
    """By the public function alone, chunk after chunk."""
    state, parts = None, []
    for chunk in np.split(samples, ends):
        if len(chunk):
            settled = signal.sosfilt_zi(SOS)[:, :, np.newaxis]
            state = settled * chunk[0].astype(np.float64) if state is None else state
            found, state = signal.sosfilt(SOS, chunk.astype(np.float64), axis=0, zi=state)
            parts.append(found.astype(np.float32))
    return np.concatenate(parts)


@pytest.fixture(params=[in_place, lambda: public], ids=["as chosen", "public"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "in_place", request.param)


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("channels", [1, 8, 16])
def test_chunk_by_chunk_it_is_bit_for_bit_what_the_public_function_gives(channels: int) -> None:
    samples = noise(500, channels)
    for ends in ([], [1, 2, 3, 250], [40, 80, 80, 499]):
        own = SosFilter(SOS, channels)
        found = np.concatenate([own(chunk) for chunk in np.split(samples, ends)])
        np.testing.assert_array_equal(found, expected(samples, ends))
        assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)


@given(st.lists(st.integers(0, 120), max_size=6))
def test_how_it_is_cut_changes_nothing(ends: list[int]) -> None:
    samples, own = noise(120, 3), SosFilter(SOS, 3)
    found = np.concatenate([own(chunk) for chunk in np.split(samples, sorted(ends))])
    np.testing.assert_array_equal(found, SosFilter(SOS, 3)(samples))


def test_samples_are_not_changed() -> None:
    samples = noise(40, 4)
    SosFilter(SOS, 4)(samples)
    np.testing.assert_array_equal(samples, noise(40, 4))
    SosFilter(SOS, 4)(np.asfortranarray(samples.astype(np.float64)))  # which needs no conversion
    np.testing.assert_array_equal(samples, noise(40, 4))


def test_the_inner_loop_is_used_where_it_is_there() -> None:
    """With the versions of scipy that are tested it is; the filter would only be slower without."""
    assert chosen(*INNER) is not public


def wrong_numbers(sos: Any, signals: Any, state: Any) -> None:
    public(sos, signals, state)
    signals *= 1.0 + 1e-15


def wrong_state(sos: Any, signals: Any, state: Any) -> None:
    public(sos, signals, state.copy())


def other_arguments(sos: Any, signals: Any) -> None:
    """As another version might have it."""


@pytest.mark.parametrize("inner", [wrong_numbers, wrong_state, other_arguments])
def test_one_that_does_something_else_is_not_used(inner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("other_scipy")
    module.loop = inner  # type: ignore[attr-defined]  # as modules are made
    monkeypatch.setitem(sys.modules, "other_scipy", module)
    assert chosen("other_scipy", "loop") is public
    assert chosen("other_scipy", "missing") is public
    assert chosen("no_such_module", "loop") is public


def test_it_is_tried_once() -> None:
    assert sections.in_place() is sections.in_place()
