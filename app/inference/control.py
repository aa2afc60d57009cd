"""From values to what a device should follow: a One-Euro filter and a dead-band about neutral.

Source: Casiez, Roussel, Vogel, "1 Euro filter: a simple speed-based low-pass filter for noisy input in interactive
systems", Proc. CHI 2012, 2527-2530: a first-order low-pass whose cutoff rises with the speed of what it filters, so
that a hand held still does not tremble and a quick movement is not late.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import ArtefactError
from app.inference.values import DIGITS, NamedValue

LEAST_HZ, MOST_HZ, MOST_BETA = 0.01, 1000.0, 1000.0
WIDEST = 0.9  # of the way from neutral to a range's end: a dead-band that leaves something
MOVEMENT_S = 0.5  # from rest to full: the movement whose delay is told


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRule:
    """How a model's values become what should be acted upon. As it is: they are it.

    Raises:
        ArtefactError: a value is out of range; the message names the field as manifest.json spells it.
    """

    min_cutoff_hz: float | None = None  # of the filter while nothing moves; None: no filter
    beta: float = 0.0  # Hz by which the cutoff rises where a value moves through its range in a second
    derivative_cutoff_hz: float = 1.0  # of the low-pass of that speed
    dead_band: float = 0.0  # of the way from neutral to a range's end: what is nearer is neutral

    def __post_init__(self) -> None:
        for name in ("min_cutoff_hz", "derivative_cutoff_hz"):
            value = getattr(self, name)
            if value is not None and not LEAST_HZ <= value <= MOST_HZ:
                raise ArtefactError(
                    f"control.{name} must be from {LEAST_HZ:g} to {MOST_HZ:g} Hz, got {value}"
                )
        if not 0 <= self.beta <= MOST_BETA:
            raise ArtefactError(f"control.beta must be from 0 to {MOST_BETA:g}, got {self.beta}")
        if not 0 <= self.dead_band <= WIDEST:
            raise ArtefactError(f"control.dead_band must be from 0 to {WIDEST:g}, got {self.dead_band}")


class OneEuro:
    """Smooths one signal; its steps may be of any length."""

    def __init__(self, min_cutoff_hz: float, beta: float, derivative_cutoff_hz: float, start: float) -> None:
        self._least, self._beta, self._derivative = min_cutoff_hz, beta, derivative_cutoff_hz
        self._value, self._raw, self._speed = start, start, 0.0

    def __call__(self, value: float, step_s: float) -> float:
        """Return it smoothed, `step_s` after the one before."""
        speed = (value - self._raw) / step_s
        self._speed += _alpha(self._derivative, step_s) * (speed - self._speed)
        cutoff = self._least + self._beta * abs(self._speed)
        self._value += _alpha(cutoff, step_s) * (value - self._value)
        self._raw = value
        return self._value


class Controller:
    """The state of one stream of values: each begins at neutral, and so it does after trouble."""

    def __init__(self, rule: ControlRule, values: Sequence[NamedValue]) -> None:
        self._rule, self._values = rule, tuple(values)
        self.reset()

    def update(self, values: Sequence[float], step_s: float) -> list[float]:
        """Return what should be acted upon, `step_s` after the update before; each stays in its range."""
        rule = self._rule
        if rule.min_cutoff_hz is None and not rule.dead_band:
            return list(values)
        found = []
        for value, declared, smooth in zip(values, self._values, self._filters, strict=True):
            span = declared.high - declared.low
            told = value if smooth is None else smooth(value / span, step_s) * span
            beyond = _beyond(told, declared, rule.dead_band)
            found.append(float(f"{beyond:.{DIGITS}g}"))
        return found

    def reset(self) -> list[float]:
        """Forget the past, and return neutral: the signal stalled, broke off, or cannot be trusted."""
        rule, least = self._rule, self._rule.min_cutoff_hz
        self._filters = [
            None
            if least is None
            else OneEuro(least, rule.beta, rule.derivative_cutoff_hz, one.neutral / (one.high - one.low))
            for one in self._values
        ]
        return [one.neutral for one in self._values]


def control_delay_ms(rule: ControlRule, values: Sequence[NamedValue], step_s: float) -> float:
    """Return by how much a movement from rest to full in MOVEMENT_S is late behind the filter, half way, in ms.

    It is measured: the filter of each value is asked, every `step_s`, and the latest counts. A slower movement is
    later, up to 1 / (2 pi min_cutoff_hz).
    """
    if rule.min_cutoff_hz is None:
        return 0.0
    reaches = {max(one.high - one.neutral, one.neutral - one.low) / (one.high - one.low) for one in values}
    return max(_half_way_s(rule, reach, step_s) for reach in reaches) * 1e3


def _half_way_s(rule: ControlRule, reach: float, step_s: float) -> float:
    """Return how late a movement of so much of the range passes its middle, in s."""
    assert rule.min_cutoff_hz is not None  # there is a filter
    smooth = OneEuro(rule.min_cutoff_hz, rule.beta, rule.derivative_cutoff_hz, 0.0)
    at, before, told = 0.0, 0.0, 0.0
    while told < reach / 2:
        before, at = told, at + step_s
        share = min(at / MOVEMENT_S, 1.0)
        told = smooth(reach * (1 - math.cos(math.pi * share)) / 2, step_s)
    half = at - step_s * (told - reach / 2) / (told - before)
    return max(half - MOVEMENT_S / 2, 0.0)


def _alpha(cutoff_hz: float, step_s: float) -> float:
    """Return the weight of the newest in a first-order low-pass."""
    turn = 2 * math.pi * cutoff_hz * step_s
    return turn / (turn + 1)


def _beyond(value: float, declared: NamedValue, dead_band: float) -> float:
    """Return the value outside of its dead-band, which it leaves without a step and with the same ends."""
    if not dead_band:
        return value
    neutral = declared.neutral
    end = declared.high if value >= neutral else declared.low
    reach = abs(end - neutral)
    if not reach:
        return neutral
    share = max(abs(value - neutral) / reach - dead_band, 0.0) / (1 - dead_band)
    return neutral + math.copysign(min(share, 1.0) * reach, value - neutral)
