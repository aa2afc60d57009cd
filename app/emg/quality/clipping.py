"""Channels at an end of their range, found without knowing the range."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.emg.quality.hysteresis import Flags
from app.emg.source import Samples

Shares = npt.NDArray[np.float64]  # (channels,), 0..1

# A clipped signal piles up on its extreme value: more samples there than on the value beside it. The tail of an honest
# signal thins out towards its extreme, however coarse its steps are. (Own choices, checked on 8-bit recordings.)
PILE = 2.0  # times as many as on the neighbouring value
MIN_STEPS = (
    8  # a signal of fewer steps than this is the noise of the converter's last bits, not a clipped one
)


class ClippingDetector:
    """Learns the range of a source (all channels share one converter) and the size of its steps from its samples."""

    def __init__(self) -> None:
        self._low, self._high = np.inf, -np.inf  # of all samples so far
        self.ends = np.zeros((2, 0), np.float32)  # lowest and highest of each channel in the last block
        self._step = np.inf  # smallest difference seen; next to 0 where samples are not quantised

    def at_extremes(self, block: Samples, least: float) -> Shares:
        """Return the share of samples (n, channels) that pile up at the channel's lowest and highest value.

        It is 0 where less than `least` of them are there.
        """
        low, high = self.ends = np.array([block.min(axis=0), block.max(axis=0)])
        self._low, self._high = min(self._low, float(low.min())), max(self._high, float(high.max()))
        top, bottom = block == high, block == low
        fewest = max(
            least * len(block), 2.0
        )  # one at each end is the usual case where samples are not quantised
        # of all channels first, which takes a tenth of the time
        if np.count_nonzero(top) + np.count_nonzero(bottom) < fewest:
            return np.zeros(len(low))
        at_top, at_bottom = top.sum(axis=0), bottom.sum(axis=0)
        if (at_top + at_bottom).max() < fewest:
            return np.zeros(len(low))
        below = np.where(top, -np.inf, block).max(axis=0)
        above = np.where(bottom, np.inf, block).min(axis=0)
        steps = np.concatenate([high - below, above - low])
        self._step = min(self._step, float(steps.min()))
        wide = (high - low >= MIN_STEPS * self._step) & np.isfinite(below)
        beside_top, beside_bottom = (block == below).sum(axis=0), (block == above).sum(axis=0)
        piled = np.where(at_top > PILE * beside_top, at_top, 0)
        piled = piled + np.where(at_bottom > PILE * beside_bottom, at_bottom, 0)
        # one sample at the extreme is no pile: float signals have one at each end of every block
        return np.where(wide & (piled > 2), piled / len(block), 0.0)

    def at_end(self) -> Flags:
        """Whether channels that stand still in the last block stand at an end of what the source has shown.

        A saturated amplifier may still tremble: it may stay as far from the end as it moves.
        """
        low, high = self.ends
        moves = high - low
        near = (low - self._low <= moves) | (self._high - high <= moves)
        # a source that has hardly moved yet has shown no ends
        return np.asarray(near & (self._high - self._low > MIN_STEPS * moves))
