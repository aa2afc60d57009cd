"""Where a muscle began, found backwards; the muscle model's own activations are the truth."""

from __future__ import annotations

import numpy as np
import pytest

from app.emg.signal.filters import SosFilter, design
from app.emg.signal.onset import LOOK_BACK_S, onset_in
from app.emg.simulated.muscle_model import Contraction, MuscleModel

SHOWN_S = 0.1  # after half of the contraction: a model says so about then


def begun(rate: float, channels: int, seed: int, seconds: float = 90) -> tuple[np.ndarray, list[Contraction]]:
    """Return a filtered signal of the muscle model, and the gestures in it."""
    muscles = MuscleModel(channels, rate, [1, 2, 3, 4, 5, 6], 0, seed)
    blocks, gestures = [], {}
    for _ in range(round(seconds * rate / muscles.block)):
        blocks.append(muscles.next_block()[0])
        gestures |= {one.start: one for one in muscles._active if one.label != 0}
    band = {"kind": "bandpass", "order": 4, "low_hz": 20, "high_hz": min(450, 0.475 * rate)}
    signal = SosFilter(design((band,), rate, None), channels)(np.concatenate(blocks))
    return signal, [one for at, one in sorted(gestures.items()) if at + rate < len(signal)]


@pytest.mark.parametrize(("rate", "channels"), [(2000.0, 16), (200.0, 8)], ids=["2 kHz", "200 Hz"])
def test_it_is_where_the_muscles_of_the_model_begin(rate: float, channels: int) -> None:
    """No later than at a tenth of the full activation, and no earlier than 100 ms before that."""
    signal, gestures = begun(rate, channels, seed=3)
    late = []
    for one in gestures:
        shown = round(one.start + SHOWN_S * rate)
        look = round((SHOWN_S + LOOK_BACK_S) * rate)
        found = shown - look + onset_in(signal[shown - look : shown], rate)
        times = np.arange(one.start - one.rise, one.start + one.rise)
        tenth = int(times[np.argmax(one.envelope(times) > 0.1)])
        late.append((found - tenth) / rate)
    assert len(late) > 10
    assert -0.06 < np.median(late) < 0.01
    assert np.mean([-0.1 < one < 0.03 for one in late]) >= 0.9


@pytest.mark.parametrize(("rate", "channels"), [(2000.0, 16), (200.0, 8)], ids=["2 kHz", "200 Hz"])
def test_after_another_gesture_it_is_where_the_channels_change(rate: float, channels: int) -> None:
    random = np.random.default_rng(0)
    late = []
    for _ in range(20):
        gains = np.exp(random.normal(0, 1, channels))
        rows, true = round(0.7 * rate), round(0.5 * rate)
        signal = random.normal(0, 1, (rows, channels))
        signal[:true] *= gains
        signal[true:] *= gains[::-1]
        late.append((onset_in(signal.astype(np.float32), rate) - true) / rate)
    assert abs(np.median(late)) < 0.02
    assert np.mean(np.abs(late) < 0.05) >= 0.9


def test_a_gesture_before_it_does_not_count() -> None:
    random = np.random.default_rng(1)
    signal = random.normal(0, 1, (1400, 8)).astype(np.float32)
    signal[:500] *= 10
    signal[1000:] *= 10
    assert onset_in(signal, 2000.0) == pytest.approx(1000, abs=50)


@pytest.mark.parametrize("rows", [0, 1, 10])
def test_too_few_rows_tell_nothing(rows: int) -> None:
    assert onset_in(np.ones((rows, 4), np.float32), 2000.0) == rows


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-30, 1e30], ids=["zeros", "ones", "tiny", "huge"])
def test_a_constant_signal_gives_some_row(value: float) -> None:
    assert 0 <= onset_in(np.full((1000, 4), value, np.float32), 2000.0) <= 1000
