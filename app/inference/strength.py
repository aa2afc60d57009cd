"""How strongly a gesture is made: 0 at the person's rest, 1 at the effort that is comfortable to them.

The power of the channels that a gesture moves, above that of rest, beside what it is at comfortable effort; its root,
since power grows with the square of what a muscle does. So it is linear in amplitude from the weakest contraction on,
also where the noise of skin and amplifier is as large, and never falls where any of these channels rises.

Source of amplitude above noise as a measure of effort: Clancy & Hogan 1999, "Probability density of the surface
electromyogram and its relation to amplitude detectors", IEEE Trans. Biomed. Eng. 46(6), 730-739.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import ArtefactError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

RESTING = 0.95  # of the windows of rest are of strength 0
DIGITS = 6  # of a number in a manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What one gesture's channels show at rest and at the effort that is comfortable to a person.

    Raises:
        ArtefactError: a weight below 0 or no number, or the levels are not in order.
    """

    weights: tuple[float, ...]  # of each channel's power; they sum to 1
    rest_rms: float  # root of the weighed power, in the model's units after filtering: strength 0
    comfortable_rms: float  # strength 1

    def __post_init__(self) -> None:
        if not all(math.isfinite(one) and one >= 0 for one in self.weights) or not sum(self.weights) > 0:
            raise ArtefactError("strength: weights must be numbers of 0 or more, and not all 0")
        levels = self.rest_rms, self.comfortable_rms
        if not (all(map(math.isfinite, levels)) and 0 <= self.rest_rms < self.comfortable_rms):
            raise ArtefactError(f"strength: must be 0 <= rest_rms < comfortable_rms, got {levels}")

    def as_json(self) -> dict[str, Any]:
        """Return what a manifest says of it."""
        return {
            "weights": list(self.weights),
            "rest_rms": self.rest_rms,
            "comfortable_rms": self.comfortable_rms,
        }


def effort_of(rest: Doubles, gesture: Doubles) -> Effort | None:
    """Return what windows show, whose channels have the powers `rest` and `gesture`, (windows, channels) each.

    A channel counts by the share of its power that is the gesture's. None where the gesture is no stronger than rest.
    """
    if not len(rest) or not len(gesture):
        return None
    quiet, active = np.median(rest, axis=0), np.median(gesture, axis=0)
    weights = np.maximum(active - quiet, 0) / np.maximum(active, 1e-300)
    if not weights.sum() > 0:
        return None
    weights = np.array([_short(one) for one in weights / weights.sum()])
    low, high = float(np.quantile(rest @ weights, RESTING)), float(np.median(gesture @ weights))
    rest_rms, comfortable_rms = _short(math.sqrt(low)), _short(math.sqrt(high))
    if not rest_rms < comfortable_rms:
        return None
    return Effort(weights=tuple(weights.tolist()), rest_rms=rest_rms, comfortable_rms=comfortable_rms)


class StrengthMeter:
    """Measures the strength of every class in a window, by the channels' powers."""

    def __init__(self, classes: Sequence[str], rest_class: str, efforts: Mapping[str, Effort]) -> None:
        """A gesture that has none of `efforts` is as strong as the window is intense; rest has no strength."""
        self._gestures = np.array([name != rest_class for name in classes], np.float32)
        self._known = bool(efforts)
        rows, rests, spans = [], [], []
        channels = max((len(one.weights) for one in efforts.values()), default=0)
        for name in classes:
            one = efforts.get(name)
            rows.append((0.0,) * channels if one is None else one.weights)
            rests.append(0.0 if one is None else one.rest_rms**2)
            spans.append(math.inf if one is None else one.comfortable_rms**2 - one.rest_rms**2)
        span = np.array(spans)
        self._weights = (np.array(rows) / span[:, np.newaxis]).astype(np.float32)  # (classes, channels)
        self._rest = (np.array(rests) / span).astype(np.float32)
        unknown = np.isinf(span) & (self._gestures > 0)
        self._uncalibrated = unknown.astype(np.float32)

    def strengths(self, powers: Floats, intensity: float) -> list[float]:
        """Return that of each class, 0..1, of a window's mean squares (channels,) and its contraction level."""
        if not self._known:
            alike: list[float] = (self._gestures * np.float32(intensity)).tolist()
            return alike
        above = self._weights @ powers - self._rest
        found: list[float] = (
            np.sqrt(np.minimum(np.maximum(above, 0), 1)) + self._uncalibrated * np.float32(intensity)
        ).tolist()
        return found


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
