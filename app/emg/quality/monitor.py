"""Whether electrodes deliver a signal worth judging: per channel, causal, from the raw signal (docs/quality.md).

A problem is on after it has lasted ON_S and off after it has been gone OFF_S (hum: HUM_ON_S, HUM_OFF_S), with
another threshold for on than for off, so that states do not flicker between rest and contraction.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from app.emg.quality.clipping import ClippingDetector, Shares
from app.emg.quality.hysteresis import Flags, Hysteresis
from app.emg.quality.line_noise import LineNoise
from app.emg.source import Chunk, Samples

# An electrode that touches skin gives at least its amplifier's noise, a few percent of the level of rest. One that is
# off, shorted or stuck at the end of its range gives a constant, of which the filters leave nothing.
DEAD = 0.02  # of the model's level of rest

CERTAIN = 1 - 1e-4  # of a power, beside which the rounding of a difference of two is nothing

BLOCK_S = 0.25  # the signal is looked at so often
WINDOW_S = 1.0  # and over so long
LOSS_WINDOW_S = 5.0
ON_S, OFF_S = 1.0, 2.0
HUM_ON_S, HUM_OFF_S = 3.0, 10.0  # it comes and goes with the arm's posture; this spans a gesture and its rest

# Sources and reasons are in docs/quality.md.
PILED_ON, PILED_OFF = 0.5, 0.25  # share of samples at the ends of the range
HUM_ON, HUM_OFF = 0.5, 0.25  # share of the power; between them it is as it was
HUM_ON_ALONE = 0.75  # the same where levels cannot be judged, and HUM_LOUD is no help
HUM_LOUD = 2.0  # times the model's level of rest
HUM_GONE = 0.5  # of the hum's RMS when it was found: a contraction drowns hum, but does not remove it
WEAK_ON, WEAK_OFF = 0.1, 0.2  # of the model's level of rest
STRONG_ON, STRONG_OFF = 10.0, 5.0  # times the model's level of a full gesture
MAX_LOSS = 0.01  # share of samples
# times the model's levels: no electrode is so bad, nor any muscle so strong, but units differ by a thousand at least
OTHER_UNITS = 100.0

PROBLEMS = ("flat", "railed", "hum", "weak", "strong")
FLAT, RAILED, HUM, WEAK, STRONG = range(len(PROBLEMS))

Levels = npt.NDArray[np.float64]  # (channels,)


def dead_channels(window: Samples, rest_rms: float) -> list[int]:
    """Return the channels (from 0) of a filtered window (length, channels) that carry no signal."""
    shares = _shares(len(window))
    mean, power = shares @ window, shares @ np.square(window)  # a tenth of the time that `std` takes
    if (power * CERTAIN - np.square(mean)).min() > (DEAD * rest_rms) ** 2:  # nearly always
        return []
    found: list[int] = np.flatnonzero(window.std(axis=0) <= DEAD * rest_rms).tolist()
    return found


@lru_cache(maxsize=16)
def _shares(length: int) -> npt.NDArray[np.float32]:
    return np.full(length, 1 / length, np.float32)


@dataclass(frozen=True, slots=True)
class ChannelQuality:
    """One electrode's last second; `rms` and `hum_ratio` are None before there was one."""

    channel: int
    problems: tuple[str, ...]  # of PROBLEMS
    rms: float | None  # without the offset, in the source's units
    hum_ratio: float | None  # share of the power at the mains frequency and its harmonics; None: not measured

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class Quality:
    """A source's signal up to `sample_index`."""

    ok: bool
    sample_index: int
    channels: tuple[ChannelQuality, ...]
    loss: float  # share of the samples of the last LOSS_WINDOW_S
    advice: str | None = None  # where all channels together say that the units are wrong


@dataclass(frozen=True, slots=True)
class _Look:
    """What one block left behind; replaced as a whole, so that any thread may read it."""

    sample_index: int
    rms: Levels | None
    hum_ratio: Levels | None
    states: dict[str, Flags]
    loss: float


class QualityMonitor:
    """Judges the raw chunks of one source. `process` belongs to one thread; the rest may be read from any.

    `rest_rms` and `active_rms` are the model's levels. They are None where the source's units are not the
    model's (a recording in unknown units): levels are not judged then, shapes are. Without `mains_hz` hum is not.
    """

    def __init__(
        self,
        channels: int,
        rate: float,
        mains_hz: float | None,
        rest_rms: float | None,
        active_rms: float | None,
    ) -> None:
        self._channels, self._rest, self._active = channels, rest_rms, active_rms
        self._block = max(16, round(BLOCK_S * rate))  # samples
        self._pending: list[Samples] = []
        self._count = 0  # samples pending
        self._next: int | None = None  # the index that the next chunk should have
        self._mains, self._rails = LineNoise(rate, mains_hz, self._block), ClippingDetector()
        each_s = self._block / rate
        looks = {
            s: max(1, round(s / each_s)) for s in (WINDOW_S, LOSS_WINDOW_S, ON_S, OFF_S, HUM_ON_S, HUM_OFF_S)
        }
        self._powers: deque[tuple[Levels, Levels]] = deque(maxlen=looks[WINDOW_S])  # hum, whole
        self._losses: deque[int] = deque(maxlen=looks[LOSS_WINDOW_S])  # samples lost beside each block
        self._lost = 0  # since the last look
        self._states = Hysteresis(
            channels,
            [looks[HUM_ON_S if problem == "hum" else ON_S] for problem in PROBLEMS],
            [looks[HUM_OFF_S if problem == "hum" else OFF_S] for problem in PROBLEMS],
        )
        self._hum_found: Levels = np.zeros(channels)  # RMS of the hum when it was at its clearest
        self._look = _Look(0, None, None, dict(zip(PROBLEMS, self._states.state, strict=True)), 0.0)
        self._problems: dict[str, list[int]] = {}

    def judge_by(self, rest_rms: float | None, active_rms: float | None) -> None:
        """Judge by the levels of another model from the next block on."""
        self._rest, self._active = rest_rms, active_rms
        for problem in (WEAK, STRONG):  # of levels that may be judged no more
            self._states.forget(problem)

    def process(self, chunk: Chunk) -> None:
        """Take one raw chunk. Cheap: all but every BLOCK_S it is only kept."""
        if self._next is not None:
            self._lost += max(0, chunk.index - self._next)
        self._next = chunk.index + len(chunk.samples)
        if chunk.restart:  # no block spans two signals
            self._pending, self._count = [], 0
            self._powers.clear()
        self._pending.append(chunk.samples)
        self._count += len(chunk.samples)
        if self._count >= self._block:
            self._take_blocks()

    def look(self) -> Quality:
        """Return the quality of the last second, as of the last block."""
        look = self._look
        channels = tuple(self._channel(look, channel) for channel in range(self._channels))
        ok = look.loss <= MAX_LOSS and all(channel.ok for channel in channels)
        advice = None if look.rms is None else self._advice(float(np.median(look.rms)))
        return Quality(
            ok=ok and advice is None,
            sample_index=look.sample_index,
            channels=channels,
            loss=look.loss,
            advice=advice,
        )

    @property
    def problems(self) -> dict[str, list[int]]:
        """Which channels have which problem; empty when none has. Not to be changed by the caller."""
        return self._problems

    def _take_blocks(self) -> None:
        samples = np.concatenate(self._pending)
        whole = len(samples) // self._block * self._block
        self._pending, self._count = [samples[whole:].copy()], len(samples) - whole
        assert self._next is not None  # process has set it
        first = self._next - len(samples)
        for at in range(0, whole, self._block):
            block = np.asfortranarray(
                samples[at : at + self._block]
            )  # what is asked of channels is quicker so
            self._judge(block, first + at + self._block)

    def _judge(self, block: Samples, end: int) -> None:
        self._powers.append(self._mains.powers(block))
        hum, power = np.mean(self._powers, axis=0)
        ratio = np.minimum(hum / np.maximum(power, np.finfo(np.float64).tiny), 1.0)
        rms = np.sqrt(power)
        piled = self._rails.at_extremes(block, PILED_OFF)
        still = self._still(block)
        bad = np.zeros((len(PROBLEMS), self._channels), np.bool_)
        good = bad.copy()  # where neither is said, it is as it was
        self._judge_ends(piled, still, bad, good)
        self._judge_hum(np.sqrt(hum), ratio, still, bad, good)
        self._judge_levels(rms, still, bad, good)
        found = self._states.update(bad, good)
        self._hum_found = np.where(good[HUM] & ~found[HUM], 0.0, self._hum_found)
        states = dict(zip(PROBLEMS, found, strict=True))
        heard = ratio if self._mains.frequencies else None
        self._look = _Look(end, rms, heard, states, self._share_lost())
        self._problems = {
            problem: np.flatnonzero(state).tolist() for problem, state in states.items() if state.any()
        }

    def _still(self, block: Samples) -> Flags:
        """Return the channels on which nothing moves, of a block whose ends are known."""
        low, high = self._rails.ends
        if self._rest is None:
            return np.asarray(high == low)
        # of n samples that move so far, the standard deviation is at least that over the root of 2 n
        if (high - low).min() > DEAD * self._rest * math.sqrt(2 * len(block)):  # nearly always
            return np.zeros(self._channels, np.bool_)
        return np.asarray(block.std(axis=0, dtype=np.float64) <= DEAD * self._rest)

    def _judge_ends(self, piled: Shares, still: Flags, bad: Flags, good: Flags) -> None:
        stuck = still & self._rails.at_end() if still.any() else still
        bad[RAILED], good[RAILED] = stuck | (piled >= PILED_ON), ~still & (piled < PILED_OFF)
        bad[FLAT], good[FLAT] = still & ~stuck, ~still | stuck

    def _judge_hum(self, hum_rms: Levels, ratio: Levels, still: Flags, bad: Flags, good: Flags) -> None:
        loud = ~still & (ratio > HUM_ON_ALONE)
        if self._rest is not None:
            loud = ~still & (ratio > HUM_ON) & (hum_rms > HUM_LOUD * self._rest)
        self._hum_found = np.where(loud, np.maximum(self._hum_found, hum_rms), self._hum_found)
        bad[HUM], good[HUM] = loud, (ratio < HUM_OFF) & (hum_rms < HUM_GONE * self._hum_found) | still

    def _judge_levels(self, rms: Levels, still: Flags, bad: Flags, good: Flags) -> None:
        if self._rest is not None:  # where nothing moves at all it is flat or railed
            bad[WEAK] = (rms < WEAK_ON * self._rest) & ~still
            good[WEAK] = still | (rms >= WEAK_OFF * self._rest)
        if self._active is not None:
            bad[STRONG], good[STRONG] = rms > STRONG_ON * self._active, rms < STRONG_OFF * self._active

    def _share_lost(self) -> float:
        self._losses.append(self._lost)
        self._lost = 0
        lost = sum(self._losses)
        return lost / (len(self._losses) * self._block + lost)

    def _advice(self, rms: float) -> str | None:
        """Return what to say of a signal that is a power of a thousand too small or too large."""
        if self._rest is None or self._active is None or rms == 0:
            return None
        if self._rest / OTHER_UNITS <= rms <= self._active * OTHER_UNITS:
            return None
        power = round(math.log(math.sqrt(self._rest * self._active) / rms, 1000))
        scale = 1000.0 ** (power or (1 if rms < self._rest else -1))
        what = f"{scale:,.0f} times too small" if scale > 1 else f"{1 / scale:,.0f} times too large"
        return f"the signal is about {what} for the model: are its units right? EMG_SCALE={scale:g} makes up for it"

    def _channel(self, look: _Look, channel: int) -> ChannelQuality:
        return ChannelQuality(
            channel=channel,
            problems=tuple(problem for problem, state in look.states.items() if state[channel]),
            rms=None if look.rms is None else float(look.rms[channel]),
            hum_ratio=None if look.hum_ratio is None else float(look.hum_ratio[channel]),
        )
