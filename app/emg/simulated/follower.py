"""A person who moves several joints at once, as strongly as a cursor says: the muscles' own activations are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.emg.signal.scipy_signal import scipy_signal
from app.emg.simulated.muscle_model import (
    BUMP_CONCENTRATION,
    EFFORT,
    GAIN_SD,
    SHIFT_DEG,
    STYLE_DEG,
    TONE,
    TREMOR_HZ,
    TREMOR_SD,
    Electrodes,
    Floats,
    gesture_bumps,
)
from app.emg.source import Samples

# People who track a cursor follow it late, by 0.2 s of visual reaction where they cannot foresee it (Kosinski 2008;
# Miall et al. 1993, J. Mot. Behav. 25:53), and by a low-pass of the limb's and the muscle's own.
LATE_S, FOLLOW_HZ = 0.2, 2.5
ASTRAY_SD, ASTRAY_HZ = 0.04, 0.7  # of full range: how far they are beside the cursor


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What the electrodes saw, and what the muscles did."""

    emg: Samples  # (n, channels) in fractions of MVC
    activation: Floats  # (n, degrees of freedom) -1..1: what was really done, late and beside the cursor


class Follower:
    """One person on one day. Each degree of freedom has two movements, and each movement its muscles.

    Movement 2k is degree k downwards and 2k + 1 upwards, with the muscles that `gesture_bumps` gives that number, so
    they look the same on every day but for the shift of the ring, gains and style.
    """

    def __init__(self, channels: int, rate: float, degrees: int, seed: int = 0) -> None:
        person, noise, self._tremor, self._astray = (
            np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(4)
        )
        shift = np.deg2rad(person.normal(0, SHIFT_DEG))
        sites = np.arange(channels) * (2 * np.pi / channels) + shift
        self._rate, self._degrees = rate, degrees
        patterns = []
        for movement in range(2 * degrees):
            angles, strengths = gesture_bumps(movement)
            angles = angles + np.deg2rad(person.normal(0, STYLE_DEG))
            bumps = np.exp(BUMP_CONCENTRATION * (np.cos(sites - angles[:, np.newaxis]) - 1))
            patterns.append(strengths @ bumps)
        self._patterns = np.stack(patterns)  # (movements, channels) amplitude at full movement
        self._electrodes = Electrodes(channels, rate, np.exp(person.normal(0, GAIN_SD, channels)), noise)

    def follow(self, cursor: Floats) -> Followed:
        """Return what comes of a cursor (n, degrees of freedom) -1..1 that the person sees."""
        late = round(LATE_S * self._rate)
        seen = np.concatenate([np.repeat(cursor[:1], late, axis=0), cursor])[: len(cursor)]
        b, a = scipy_signal().butter(1, FOLLOW_HZ, fs=self._rate)
        done = scipy_signal().lfilter(b, a, seen, axis=0, zi=_settled(b, a, seen[0]))[0]
        moving = np.abs(done).max(axis=1, keepdims=True)  # a hand at rest is not astray
        astray = ASTRAY_SD * self._slow(self._astray, ASTRAY_HZ, len(cursor))
        return self.do(np.clip(done + astray * np.minimum(4 * moving, 1), -1, 1))

    def do(self, activation: Floats) -> Followed:
        """Return what the electrodes see of activations (n, degrees of freedom) -1..1 that are really done."""
        movements = np.stack([np.maximum(-activation, 0), np.maximum(activation, 0)], 2)
        amplitude = movements.reshape(len(activation), -1)  # (n, movements), in their order
        tremor = np.exp(
            TREMOR_SD * self._slow(self._tremor, TREMOR_HZ, len(activation), amplitude.shape[1])
            - TREMOR_SD**2 / 2
        )
        activity = TONE + EFFORT * (amplitude * tremor) @ self._patterns
        emg = self._electrodes.emg(np.ascontiguousarray(activity.T, dtype=np.float32))
        return Followed(emg, np.asarray(activation, np.float64))

    def _slow(self, chance: np.random.Generator, hertz: float, count: int, columns: int = 0) -> Floats:
        """Return slow noise (n, columns) of deviation 1."""
        columns = columns or self._degrees
        pole = float(np.exp(-2 * np.pi * hertz / self._rate))
        white = chance.normal(size=(count, columns)) * np.sqrt(1 - pole**2)
        begun = chance.normal(size=(1, columns)) * pole
        found, _ = scipy_signal().lfilter([1.0], [1.0, -pole], white, axis=0, zi=begun)
        return np.asarray(found)


def _settled(b: Floats, a: Floats, first: Floats) -> Floats:
    """Return the filter's state after it has seen `first` (columns,) for ever, (order, columns)."""
    return np.asarray(scipy_signal().lfilter_zi(b, a)[:, np.newaxis] * first)
