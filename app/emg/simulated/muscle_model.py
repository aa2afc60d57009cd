"""A physiological surrogate of surface EMG: who contracts when, and what a ring of electrodes then sees.

The signal of one electrode site is Gaussian noise with the spectrum of surface EMG, which is what many
motor units firing asynchronously add up to (Hogan & Mann 1980, IEEE TBME 27:382), times the activity of
the muscles below, plus the noise of skin and amplifier. Amplitudes are fractions of the RMS at maximal
voluntary contraction (MVC). Constants without a source are choices, made so that classifiers err on it
about as they do on a good recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.signal.filters import Sos
from app.emg.signal.scipy_signal import scipy_signal
from app.emg.source import UNLABELLED, Labels, Samples

Floats = npt.NDArray[np.float64]

# Shaping filter of Shwedyk et al. 1977 (IEEE TBME 24:417) and Stulen & De Luca 1981 (IEEE TBME 28:515):
# P(f) = k fh^4 f^2 / ((f^2 + fl^2) (f^2 + fh^2)^2). With 60 and 120 Hz the median is 96 Hz and the energy
# lies in 20-450 Hz, most of it in 50-150 Hz (De Luca 2002, Surface EMG: Detection and Recording).
LOW_HZ, HIGH_HZ = 60.0, 120.0

# Cross-talk reaches 17 % of the amplitude on the neighbouring muscle (De Luca & Merletti 1988,
# Electroencephalogr. Clin. Neurophysiol. 69:568); a neighbour is taken to be 35 degrees of forearm away.
CROSSTALK, CROSSTALK_DEG = 0.17, 35.0

# Widths: a superficial forearm muscle covers some 80 degrees of the ring (half-maximum of the bump).
BUMP_CONCENTRATION = 3.0
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))  # successive gestures lie far apart, however many there are

# Ninapro asks for 5 s of movement and 3 s of rest (Atzori et al. 2014, Sci. Data 1:140053); ours are
# shorter and vary, so that a viewer sees more of them and no model learns the rhythm.
GESTURE_S, REST_S = (2.0, 4.0), (1.5, 3.0)
REACTION_S = (0.2, 0.3)  # from a prompt on a screen to the muscle (Kosinski 2008: 0.19 s and more)
RAMP_S = (0.15, 0.4)  # voluntary onset and release, rest to hold
EFFORT = 0.25  # of MVC: a comfortable full movement, between light and moderate
LEVEL = (0.04, 0.4)  # of MVC: light to moderate, as people drive a prosthesis
# Who is asked for a gesture makes it as strong as the last time: in myo-readings the log-RMS of a gesture's repetitions
# in a session has a standard deviation of 0.14 (root mean square of 525), of which REPETITION_SD brings most.
ASKED_SD = 0.1

# Motor noise grows with the command (Harris & Wolpert 1998, Nature 394:780): log-amplitude, slow.
TREMOR_HZ, TREMOR_SD = 1.5, 0.25
REPETITION_SD = 0.3  # log-amplitude of each muscle, from one repetition to the next
REPETITION_DEG = 8.0  # and where it is active
CO_CONTRACTION = 0.35  # of the level at most, anywhere on the ring

TONE = 0.006  # of MVC, a muscle at rest is not silent
FIDGET_CHANCE, FIDGET_LEVEL, FIDGET_S = 0.3, (0.015, 0.05), (0.3, 0.8)  # uninstructed movements in rest

# From day to day the ring sits a few millimetres elsewhere (5 degrees of a 26 cm forearm are 3.6 mm; 10 mm
# shifts are what Young et al. 2011, IEEE TNSRE 19:262, study as realistic) and skin contact changes.
SHIFT_DEG, STYLE_DEG, GAIN_SD = 5.0, 4.0, 0.12
BASELINE = 0.01  # of MVC: 3 uV RMS under 300 uV

BLOCK_S = 0.25  # the stream is made in blocks of one fixed length, so that chunks of any size agree


def gesture_bumps(position: int) -> tuple[Floats, Floats]:
    """Where on the ring the two muscles of a gesture lie (radians) and how strong they are (0..1).

    A function of the gesture's position in the class list alone, never of the seed. The sequences are
    additive recurrences with irrational steps: every position gets its own pair, evenly spread.
    """
    first = position * GOLDEN_ANGLE
    second = first + np.pi / 3 + (position * 0.754877666 % 1) * 4 * np.pi / 3
    return np.array([first, second]), np.array([1.0, 0.3 + 0.5 * (position * 0.569840291 % 1)])


def shaping_filter(rate: float) -> Sos:
    """Return the cited spectrum as sections with unit output power; above Nyquist there is nothing."""
    low, high = 2 * np.pi * LOW_HZ, 2 * np.pi * HIGH_HZ
    zeros, poles, gain = scipy_signal().bilinear_zpk([0.0], [-low, -high, -high], 1.0, fs=rate)
    sos = scipy_signal().zpk2sos(zeros, poles, gain)
    _, response = scipy_signal().sosfreqz(sos, worN=8192)
    sos[0, :3] /= np.sqrt(np.mean(np.abs(response) ** 2))
    return np.asarray(sos, dtype=np.float32)


def crosstalk(channels: int) -> Floats:
    """How much of each site's activity (columns) each electrode (rows) picks up; unit power a row."""
    steps = np.abs(np.subtract.outer(np.arange(channels), np.arange(channels)))
    degrees = np.minimum(steps, channels - steps) * (360 / channels)
    mixing = CROSSTALK ** (degrees / CROSSTALK_DEG)
    return np.asarray(mixing / np.linalg.norm(mixing, axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Contraction:
    """One movement. The label holds from half-way up to half-way down."""

    label: int
    start: int  # samples
    end: int
    rise: int
    fall: int
    muscles: Floats  # (3, channels) amplitude of each muscle at each site, of MVC

    def envelope(self, at: npt.NDArray[np.int64]) -> Floats:
        """Raised-cosine ramps centred on start and end."""
        up = np.clip((at - self.start) / self.rise + 0.5, 0, 1)
        down = np.clip((self.end - at) / self.fall + 0.5, 0, 1)
        return np.asarray((1 - np.cos(np.pi * up)) * (1 - np.cos(np.pi * down)) / 4)


class Subject:
    """One person on one day: draws contractions, endlessly, every gesture once a round."""

    def __init__(
        self, channels: int, rate: float, gestures: list[int], rest: int, seed: np.random.SeedSequence
    ):
        self._rng = np.random.default_rng(seed)
        self._rate, self._gestures, self._rest = rate, gestures, rest
        self._sites = np.arange(channels) * (2 * np.pi / channels) + self._turn(SHIFT_DEG)
        self._style = {position: self._turn(STYLE_DEG) for position in gestures}
        self.gain: Floats = np.exp(self._rng.normal(0, GAIN_SD, channels))

    def contractions(self, now: int = 0) -> Iterator[Contraction]:
        """In order of their start, from sample `now` on: what comes to their mind."""
        while True:
            for gesture in self._rng.permutation(self._gestures or [self._rest]).tolist():
                rest = self._samples(REST_S)
                if self._rng.random() < FIDGET_CHANCE:
                    yield self._fidget(now + rest // 3)
                now += rest
                if gesture == self._rest:
                    continue
                end = now + self._samples(GESTURE_S)
                yield self._contract(gesture, gesture, now, end, self._rng.uniform(*LEVEL))
                now = end

    def asked(self, gesture: int, seconds: float, now: int) -> Iterator[Contraction]:
        """First a gesture that they are asked for at `now`, a little late; one of another number has no label."""
        end = now + round(seconds * self._rate)
        if gesture != self._rest:
            label = gesture if gesture in self._gestures else UNLABELLED
            begin, stop = self.reacted(now), self.reacted(end)
            yield self._contract(label, gesture, begin, stop, EFFORT * np.exp(self._rng.normal(0, ASKED_SD)))
        yield from self.contractions(end)

    def pattern(self, movement: int) -> Floats:
        """Return the amplitude of a movement's muscles at each site, (channels,), the strongest 1."""
        angles, strengths = gesture_bumps(movement)
        bumps = np.exp(BUMP_CONCENTRATION * (np.cos(self._sites - angles[:, np.newaxis]) - 1))
        return np.asarray(strengths @ bumps)

    def reacted(self, now: int) -> int:
        """Return the sample at which they heed what they are told at `now`."""
        return now + self._samples(REACTION_S)

    def _fidget(self, start: int) -> Contraction:
        anything = int(self._rng.integers(0, 1000))
        end = start + self._samples(FIDGET_S)
        return self._contract(self._rest, anything, start, end, self._rng.uniform(*FIDGET_LEVEL))

    def _contract(self, label: int, pattern: int, start: int, end: int, level: float) -> Contraction:
        angles, strengths = gesture_bumps(pattern)
        angles = angles + self._style.get(pattern, 0.0) + [self._turn(REPETITION_DEG) for _ in angles]
        strengths = strengths * np.exp(self._rng.normal(0, REPETITION_SD, len(strengths)))
        angles = np.append(angles, self._rng.uniform(0, 2 * np.pi))
        strengths = np.append(strengths, self._rng.uniform(0, CO_CONTRACTION))
        bumps = np.exp(BUMP_CONCENTRATION * (np.cos(self._sites - angles[:, np.newaxis]) - 1))
        rise, fall = self._samples(RAMP_S), self._samples(RAMP_S)
        return Contraction(label, start, end, rise, fall, level * strengths[:, np.newaxis] * bumps)

    def _samples(self, seconds: tuple[float, float]) -> int:
        return max(1, round(self._rng.uniform(*seconds) * self._rate))

    def _turn(self, degrees: float) -> float:
        return float(np.deg2rad(self._rng.normal(0, degrees)))


class Movement:
    """Joints that a person moves as far as they are shown, each by two movements: down, and up."""

    def __init__(self, subject: Subject, rate: float) -> None:
        self._subject, self._rate = subject, rate
        self._from: Floats = np.zeros(0)  # of each movement, where the block before ended
        self._to, self._until = self._from, 0

    def follow(self, levels: Sequence[float], now: int, seconds: float) -> None:
        """Move joints so far, -1 to 1 each, for so long."""
        asked = np.asarray(levels, np.float64)
        self._to = np.stack([np.maximum(-asked, 0), np.maximum(asked, 0)], 1).reshape(-1)
        self._until = now + round(seconds * self._rate)
        if len(self._from) != len(self._to):
            self._from = np.zeros(len(self._to))

    def activity(self, at: npt.NDArray[np.int64]) -> Floats | float:
        """Return the amplitude at every site of a block, (channels, block); it begins where the one before ended."""
        if int(at[0]) >= self._until:
            self._to = np.zeros_like(self._from)
        if not self._from.any() and not self._to.any():
            return 0.0
        share = np.linspace(0, 1, len(at), endpoint=False)
        levels = self._from[:, np.newaxis] + (self._to - self._from)[:, np.newaxis] * share
        self._from = self._to
        patterns = np.stack([self._subject.pattern(k) for k in range(len(levels))])
        return np.asarray(EFFORT * patterns.T @ levels)


class Electrodes:
    """What a ring of electrodes sees of the muscles below, block by block."""

    def __init__(self, channels: int, rate: float, gain: Floats, noise: np.random.Generator) -> None:
        """`gain` (channels,) is that of skin contact."""
        self._channels, self._noise = channels, noise
        self._mixing = (crosstalk(channels) * gain[:, np.newaxis]).astype(np.float32)  # (channels, sites)
        self._sos = shaping_filter(rate)
        self._state: npt.NDArray[Any] = np.zeros((len(self._sos), channels, 2), np.float32)

    def emg(self, activity: Samples) -> Samples:
        """Return the signal (n, channels) in fractions of MVC, of the amplitude at every site, (channels, n)."""
        shape = (self._channels, activity.shape[1])
        white = self._noise.standard_normal(shape, np.float32)
        sites, self._state = scipy_signal().sosfilt(self._sos, white, axis=-1, zi=self._state)
        baseline = self._noise.standard_normal(shape, np.float32)
        emg = self._mixing @ (sites * activity) + np.float32(BASELINE) * baseline
        return np.ascontiguousarray(emg.T, dtype=np.float32)


class MuscleModel:
    """An endless signal in fractions of MVC with its labels, made block by block."""

    def __init__(self, channels: int, rate: float, gestures: list[int], rest: int, seed: int) -> None:
        person, noise, tremor = np.random.SeedSequence(seed).spawn(3)
        self.block = max(1, round(BLOCK_S * rate))
        self._channels, self._rest = channels, rest
        self._subject = Subject(channels, rate, gestures, rest, person)
        self._contractions = self._subject.contractions()
        self._active: list[Contraction] = [next(self._contractions)]
        self._electrodes = Electrodes(channels, rate, self._subject.gain, np.random.default_rng(noise))
        self._tremor = np.random.default_rng(tremor)
        self._slow = float(np.exp(-2 * np.pi * TREMOR_HZ / rate))  # pole of the tremor's low-pass
        self._tremor_state = self._tremor.normal(size=(3, 1)) * self._slow
        self._movement = Movement(self._subject, rate)
        self._at = 0

    def ask(self, gesture: int, seconds: float) -> None:
        """Have the person leave what they do, and make that for so long from the next block on, a little late."""
        ends = self._subject.reacted(self._at)
        begun = [one for one in self._active if one.start <= ends]
        self._active = [replace(one, end=max(one.start, min(one.end, ends))) for one in begun]
        self._contractions = self._subject.asked(gesture, seconds, self._at)
        self._active.append(next(self._contractions))

    def follow(self, levels: Sequence[float], seconds: float) -> None:
        """Have the person move joints so far, -1 to 1 each, from the next block on, and make no gesture meanwhile."""
        self.ask(self._rest, seconds)
        self._movement.follow(levels, self._at, seconds)

    def next_block(self) -> tuple[Samples, Labels]:
        """Return the next `block` samples (block, channels) and their labels (block,)."""
        at = np.arange(self._at, self._at + self.block)
        self._at += self.block
        self._recall(int(at[0]), int(at[-1]))
        labels = np.full(self.block, self._rest, np.int16)
        for contraction in self._active:
            if contraction.label != self._rest:  # a fidget may reach into a gesture; the gesture counts
                labels[(at >= contraction.start) & (at < contraction.end)] = contraction.label
        return self._electrodes.emg(self._activity(at)), labels

    def _recall(self, first: int, last: int) -> None:
        """Keep the contractions that reach into samples first..last; the newest drawn starts after them."""
        while self._active[-1].start - self._active[-1].rise <= last:
            self._active.append(next(self._contractions))
        self._active = [c for c in self._active if c.end + c.fall >= first]

    def _activity(self, at: npt.NDArray[np.int64]) -> Samples:
        """Amplitude of every site, (channels, block)."""
        slow, shaken = self._slow, self._tremor.normal(size=(3, self.block)) * np.sqrt(1 - self._slow**2)
        tremor, self._tremor_state = scipy_signal().lfilter(
            [1.0], [1.0, -slow], shaken, zi=self._tremor_state
        )
        tremor = np.exp(TREMOR_SD * tremor - TREMOR_SD**2 / 2)
        activity = np.full((self._channels, self.block), TONE)
        for contraction in self._active:
            activity += contraction.muscles.T @ (tremor * contraction.envelope(at))
        activity += self._movement.activity(at) * tremor[0]
        return activity.astype(np.float32)
