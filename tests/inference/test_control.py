"""What should be acted upon of values: smooth, in range, neutral where little moves, and late by what is told."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ArtefactError
from app.inference.control import MOVEMENT_S, Controller, ControlRule, OneEuro, control_delay_ms
from app.inference.values import NamedValue

WRIST = NamedValue(name="wrist", low=-1, high=1)
GRIP = NamedValue(name="grip", low=0, high=1)
ELBOW = NamedValue(name="elbow", low=10, high=150, units="deg", rest=30)
STEP_S = 1 / 30
SMOOTH = ControlRule(min_cutoff_hz=1.0, beta=8.0, dead_band=0.05)
shares = st.lists(st.floats(-1, 1), min_size=1, max_size=60)


def run(rule: ControlRule, value: NamedValue, signal: Any, step_s: float = STEP_S) -> np.ndarray:
    controller = Controller(rule, (value,))
    return np.array([controller.update([float(one)], step_s)[0] for one in signal])


def as_published(
    signal: np.ndarray, rate: float, least: float, beta: float, derivative: float
) -> list[float]:
    """The algorithm of the paper's figure, as its authors wrote it down: first sample as it is, then low-passes."""

    def alpha(cutoff: float) -> float:
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau * rate)

    kept, speed, raw = signal[0], 0.0, signal[0]
    found = [kept]
    for value in signal[1:]:
        speed = alpha(derivative) * ((value - raw) * rate) + (1 - alpha(derivative)) * speed
        weight = alpha(least + beta * abs(speed))
        kept = weight * value + (1 - weight) * kept
        raw = value
        found.append(kept)
    return found


def test_the_filter_is_that_of_the_paper() -> None:
    signal = np.cumsum(np.random.default_rng(0).normal(0, 0.1, 300))
    smooth = OneEuro(0.7, 2.0, 1.5, float(signal[0]))

    found = [float(signal[0]), *(smooth(float(value), 1 / 60) for value in signal[1:])]

    np.testing.assert_allclose(found, as_published(signal, 60.0, 0.7, 2.0, 1.5), rtol=1e-9, atol=1e-12)


@given(shares, st.sampled_from([WRIST, GRIP, ELBOW]))
def test_what_comes_out_is_in_the_range(signal: list[float], value: NamedValue) -> None:
    span = value.high - value.low
    found = run(SMOOTH, value, [value.low + span * (one + 1) / 2 for one in signal])
    assert (found >= value.low).all()
    assert (found <= value.high).all()


def test_without_a_rule_values_are_acted_upon_as_they_are() -> None:
    signal = np.random.default_rng(0).uniform(-1, 1, 50)
    np.testing.assert_array_equal(run(ControlRule(), WRIST, signal), signal)


def test_a_hand_that_is_held_trembles_less_and_a_movement_arrives() -> None:
    chance = np.random.default_rng(0)
    held = 0.5 + chance.normal(0, 0.05, 600)
    still = run(ControlRule(min_cutoff_hz=1.0, beta=8.0), WRIST, held)[60:]
    assert np.abs(np.diff(still)).mean() < 0.6 * np.abs(np.diff(held)).mean()
    assert still.mean() == pytest.approx(0.5, abs=0.01)
    assert run(SMOOTH, WRIST, [1.0] * 60)[-1] == pytest.approx(1, abs=0.01)
    assert run(SMOOTH, ELBOW, [150.0] * 60)[-1] == pytest.approx(150, abs=1)


@pytest.mark.parametrize("value", [WRIST, GRIP, ELBOW], ids=lambda one: one.name)
def test_a_dead_band_is_neutral_and_left_without_a_step(value: NamedValue) -> None:
    rule = ControlRule(dead_band=0.1)
    neutral, reach = value.neutral, value.high - value.neutral
    inside, edge, half, full = (
        run(rule, value, [neutral + part * reach])[0] for part in (0.09, 0.101, 0.55, 1.0)
    )
    assert inside == neutral
    assert 0 <= edge - neutral < 0.01 * reach
    assert half - neutral == pytest.approx(0.5 * reach)
    assert full == pytest.approx(value.high)
    assert run(rule, value, [value.low])[0] == value.low


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 0.9))
def test_more_is_never_less_behind_a_dead_band(one: float, other: float, band: float) -> None:
    low, high = sorted((one, other))
    rule = ControlRule(dead_band=band)
    assert run(rule, WRIST, [low])[0] <= run(rule, WRIST, [high])[0]


def test_it_begins_at_neutral_and_so_it_does_after_a_reset() -> None:
    controller = Controller(ControlRule(min_cutoff_hz=0.5), (WRIST, ELBOW))

    first = controller.update([1.0, 150.0], STEP_S)
    for _ in range(300):
        controller.update([1.0, 150.0], STEP_S)

    assert first[0] < 0.2
    assert 30 < first[1] < 60
    assert controller.reset() == [0.0, 30.0]
    assert controller.update([1.0, 150.0], STEP_S) == first


def movement(step_s: float, reach: float) -> np.ndarray:
    at = np.arange(1, round(4 / step_s) + 1) * step_s
    return reach * (1 - np.cos(np.pi * np.minimum(at / MOVEMENT_S, 1))) / 2


@pytest.mark.parametrize("step_s", [1 / 30, 1 / 100, 1 / 8])
@pytest.mark.parametrize("beta", [0.0, 4.0, 40.0])
@pytest.mark.parametrize("value", [WRIST, GRIP], ids=lambda one: one.name)
def test_the_delay_that_is_told_is_the_delay_there_is(step_s: float, beta: float, value: NamedValue) -> None:
    """Where what comes out passes half of a movement from rest to full, against where what goes in does."""
    rule = ControlRule(min_cutoff_hz=1.0, beta=beta)
    signal = movement(step_s, value.high)
    told = run(rule, value, signal, step_s)

    def half_at(one: np.ndarray) -> float:
        at = int(np.argmax(one >= value.high / 2))
        before = one[at - 1] if at else 0.0
        return step_s * (at + (value.high / 2 - before) / (one[at] - before))

    late_ms = 1e3 * (half_at(told) - half_at(signal))
    assert control_delay_ms(rule, (value,), step_s) == pytest.approx(late_ms, abs=150 * step_s)
    assert control_delay_ms(rule, (value,), step_s) > 0


def test_a_quicker_filter_is_less_late_and_none_is_not_late() -> None:
    late = [
        control_delay_ms(ControlRule(min_cutoff_hz=1.0, beta=beta), (WRIST,), STEP_S)
        for beta in (0, 2, 8, 32)
    ]
    assert late == sorted(late, reverse=True)
    assert late[0] == pytest.approx(1e3 / (2 * math.pi), rel=0.25)  # of a first-order low-pass
    assert control_delay_ms(ControlRule(dead_band=0.1), (WRIST,), STEP_S) == 0


def test_the_slowest_filter_there_is_has_a_delay_too() -> None:
    assert 1e3 < control_delay_ms(ControlRule(min_cutoff_hz=0.01), (GRIP,), 1 / 1000) < 1e5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_cutoff_hz": 0.0}, r"control\.min_cutoff_hz must be from 0\.01 to 1000 Hz, got 0"),
        ({"min_cutoff_hz": float("nan")}, r"control\.min_cutoff_hz must be"),
        ({"derivative_cutoff_hz": 1e9}, r"control\.derivative_cutoff_hz must be"),
        ({"beta": -1.0}, r"control\.beta must be from 0 to 1000"),
        ({"dead_band": 1.0}, r"control\.dead_band must be from 0 to 0\.9, got 1"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_by_the_name_of_the_field(
    changes: dict[str, float], message: str
) -> None:
    with pytest.raises(ArtefactError, match=message):
        ControlRule(**changes)
