from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import signal

from app.emg.simulated import muscle_model as surrogate
from app.emg.simulated.muscle_model import Subject, crosstalk, gesture_bumps, shaping_filter


def cited_spectrum(f: np.ndarray) -> np.ndarray:
    """Shwedyk et al. 1977; Stulen & De Luca 1981."""
    return 120**4 * f**2 / ((f**2 + 60**2) * (f**2 + 120**2) ** 2)


def median_frequency(f: np.ndarray, power: np.ndarray) -> float:
    cumulative = np.cumsum(power)
    return float(f[np.searchsorted(cumulative, cumulative[-1] / 2)])


def contractions(seed: int, n: int = 200, rate: float = 200) -> list:
    subject = Subject(8, rate, [1, 2, 3], 0, np.random.SeedSequence(seed))
    return list(itertools.islice(subject.contractions(), n))


def test_the_shaping_filter_has_the_cited_spectrum_and_unit_power() -> None:
    f, response = signal.sosfreqz(shaping_filter(2000).astype(float), worN=4096, fs=2000)
    power = np.abs(response) ** 2
    assert power.mean() == pytest.approx(1, rel=1e-3)
    expected = cited_spectrum(f[1:1600])
    np.testing.assert_allclose(power[1:1600] / power[1:1600].max(), expected / expected.max(), atol=0.02)
    assert median_frequency(f, power) == pytest.approx(
        95.6, abs=5
    )  # the bilinear transform draws it down a bit


def test_a_slow_device_gets_what_lies_below_its_nyquist() -> None:
    f, response = signal.sosfreqz(shaping_filter(200).astype(float), worN=4096, fs=200)
    power = np.abs(response) ** 2
    assert 40 < median_frequency(f, power) < 70
    assert power[-1] < 0.01 * power.max()


@pytest.mark.parametrize("channels", [1, 2, 8, 16])
def test_crosstalk_falls_with_the_angle_and_keeps_the_power(channels: int) -> None:
    mixing = crosstalk(channels)
    np.testing.assert_allclose((mixing**2).sum(axis=1), 1)
    np.testing.assert_allclose(mixing, mixing.T)
    falling = mixing[0, : channels // 2 + 1]
    assert (np.diff(falling) < 0).all()


def test_gestures_have_muscles_of_their_own() -> None:
    ring = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    patterns = []
    for position in range(12):
        angles, strengths = gesture_bumps(position)
        bumps = np.exp(surrogate.BUMP_CONCENTRATION * (np.cos(ring - angles[:, None]) - 1))
        pattern = strengths @ bumps
        patterns.append(pattern / np.linalg.norm(pattern))
    similarity = np.array(patterns) @ np.array(patterns).T - np.eye(12)
    assert similarity.max() < 0.97


def test_every_gesture_comes_once_a_round_with_rest_between() -> None:
    gestures = [c for c in contractions(0) if c.label != 0]
    for at in range(0, len(gestures) - 3, 3):
        assert {c.label for c in gestures[at : at + 3]} == {1, 2, 3}
    rests = [after.start - before.end for before, after in itertools.pairwise(gestures)]
    assert min(rests) >= 1.5 * 200 - 1
    assert max(rests) <= 3.0 * 200 + 1


def test_contractions_start_in_order_and_vary_from_repetition_to_repetition() -> None:
    drawn = contractions(0)
    assert [c.start for c in drawn] == sorted(c.start for c in drawn)
    levels = [c.muscles.max() for c in drawn if c.label == 1]
    assert np.std(levels) / np.mean(levels) > 0.3


def test_who_is_asked_for_a_gesture_makes_it_as_strong_as_the_last_time() -> None:
    """Its strength varied tenfold, so that a lesson with the simulator was told of other gestures, or of none."""
    subject = Subject(8, 200, [1, 2, 3], 0, np.random.SeedSequence(0))
    asked = [next(subject.asked(2, 3.0, 2000 * k)) for k in range(200)]
    efforts = np.log([np.sqrt((c.muscles**2).mean()) for c in asked])
    assert np.std(efforts) < 0.3  # in people 0.14: ASKED_SD
    assert 0.1 < np.exp(np.median([np.log(c.muscles.max()) for c in asked])) < 0.4  # of MVC


def test_an_envelope_is_half_way_up_where_the_label_begins_and_half_way_down_where_it_ends() -> None:
    one = contractions(0)[0]
    envelope = one.envelope(np.arange(one.start - one.rise, one.end + one.fall))
    assert one.envelope(np.array([one.start, one.end])) == pytest.approx([0.5, 0.5])
    assert (envelope[0], envelope[-1]) == (0, 0)
    assert envelope.max() == pytest.approx(1)


def test_rest_holds_some_uninstructed_movements_and_they_are_weak() -> None:
    drawn = contractions(0, n=500)
    fidgets = [c for c in drawn if c.label == 0]
    assert 0.1 < len(fidgets) / len(drawn) < 0.4
    assert max(c.muscles[0].max() for c in fidgets) < max(c.muscles[0].max() for c in drawn) / 2
