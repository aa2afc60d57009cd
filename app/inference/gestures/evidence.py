"""What the last moments of a stream say for each class, from which gestures begin and end.

Two things tell a gesture from an unquiet rest (docs/models.md has what they are worth, and what was worth nothing):
probabilities that are multiplied over some time rather than looked at one by one, and that the odds against rest
rose, as they do where somebody begins, while they wander where nobody does.

Sources:
    Products of probabilities: Kittler, Hatef, Duin & Matas 1998, "On combining classifiers", IEEE Trans. Pattern Anal.
        Mach. Intell. 20(3), here of one classifier's successive windows.
    A short mean less a long one: the detector of first arrivals of Allen 1978, "Automatic earthquake recognition and
        timing from single traces", Bull. Seismol. Soc. Am. 68(5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

LEAST = 1e-4  # a probability below says nothing more: one window must not outweigh half a second
MOST_NATS = 5.0  # nor odds of more than so many nats
SHORT_S, LONG_S = 0.2, 1.5  # of the means of which the rise is the difference


class GestureEvidence:
    """The means of one stream of frames; used by one thread.

    Means are exponential in time, counted in samples, so that frames may come at any rate.
    """

    def __init__(self, rest: int, sampling_rate_hz: float, smooth_s: float) -> None:
        """`smooth_s` is the time constant of the product; 0: probabilities count as they come, and nothing rises."""
        self._rest, self._rate, self._smooth_s = rest, sampling_rate_hz, smooth_s
        self._at = 0
        self._logs: list[float] = []  # mean log probability of each class; empty before the first frame
        self._short = self._long = 0.0  # means of the odds against rest, nats
        self.shares: Sequence[float] = ()  # of each class; they sum to 1
        self.rise = 0.0  # nats by which the odds against rest rose lately
        self._before: tuple[Sequence[float], float] = (), 0.0  # both of the frame before

    @property
    def smooths(self) -> bool:
        """Whether more than the newest frame counts."""
        return self._smooth_s > 0

    def update(self, sample_index: int, probabilities: Sequence[float], unknown: bool) -> None:
        """Take in a frame. Where frames are smoothed a window that is `unknown` counts as rest for sure."""
        if not self.smooths:
            self.shares = probabilities
            return
        self._before = self.shares, self.rise
        if unknown:
            probabilities = [float(k == self._rest) for k in range(len(probabilities))]
        logs = [math.log(max(share, LEAST)) for share in probabilities]
        against = math.log(max(1 - probabilities[self._rest], LEAST)) - logs[self._rest]
        against = min(max(against, -MOST_NATS), MOST_NATS)
        if not self._logs:
            self._logs, self._short, self._long = logs, against, against
        else:
            past_s = max(sample_index - self._at, 0) / self._rate
            kept = math.exp(-past_s / self._smooth_s)
            self._logs = [new + kept * (old - new) for old, new in zip(self._logs, logs, strict=True)]
            self._short = against + math.exp(-past_s / SHORT_S) * (self._short - against)
            self._long = against + math.exp(-past_s / LONG_S) * (self._long - against)
        self._at = sample_index
        self.shares, self.rise = _shares(self._logs), self._short - self._long

    def score(self, index: int, rise: float) -> float:
        """Return what stands for a class: its share, and `rise` for each nat that the odds rose."""
        return self.shares[index] + rise * self.rise

    def before(self, index: int, rise: float) -> float | None:
        """Return the score of the frame before; None where there is none, or frames count by themselves."""
        shares, rose = self._before
        return shares[index] + rise * rose if shares else None

    def reset(self) -> None:
        """Forget what came: the signal broke off."""
        self._logs, self._before, self.shares, self.rise = [], ((), 0.0), (), 0.0


def _shares(logs: Sequence[float]) -> list[float]:
    most = max(logs)
    each = [math.exp(one - most) for one in logs]
    whole = sum(each)
    return [one / whole for one in each]
