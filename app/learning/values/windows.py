"""Windows of a followed recording: their features, their powers, and what was followed when they were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.source import Samples
from app.inference.covariance.features import of_moments
from app.inference.covariance.moments import Moments, moments_along
from app.inference.covariance.parameters import CovarianceParameters
from app.learning.own.signal_plan import SignalPlan
from app.learning.own.windows import deviations, together
from app.learning.values.followed import Followed

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

HOP_S = 0.05
# How late people follow: reaction, and what the muscle takes. A measured angle may also come before what the muscle
# does is seen, which is 0 here.
LAGS_S = np.arange(0.0, 0.601, 0.025)
LAG_RIDGE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FollowedWindows:
    """One row a window, in order of time."""

    end: Ids  # the row before which it ends
    first: Ids  # the row at which its piece begins
    moments: Moments  # in units of the signal
    std: Doubles  # (channels,) what normalises it
    parameters: CovarianceParameters
    target: Doubles  # (n, values) what was followed, late by `lag_s`, mean over the window
    lag_s: float

    def __len__(self) -> int:
        return len(self.end)

    @property
    def power(self) -> Doubles:
        """Return each channel's mean square, (n, channels), in squared units of the signal."""
        found: Doubles = np.diagonal(self.moments.window, axis1=1, axis2=2)
        return found

    def features(self, gain: float = 1.0, hum: Doubles | None = None) -> Doubles:
        """Return the features, (n, d), of the signal `gain` times as strong.

        `hum` (n,) is the RMS of what is added to all channels alike, in their own deviations.
        """
        square = np.square(self.std) / gain**2
        products = np.outer(self.std, self.std) / gain**2
        added = 0.0 if hum is None else np.square(hum)[:, np.newaxis, np.newaxis]
        return of_moments(
            Moments(
                window=self.moments.window / products + added,
                context=self.moments.context / products + added,
                bands=self.moments.bands / square,
                power=self.moments.power,
            ),
            self.parameters,
        )


def cut(found: Followed, signal: Samples, plan: SignalPlan) -> FollowedWindows:
    """Return the windows every HOP_S whose target is known, whatever the lag; and the lag that explains them best."""
    hop, most = max(1, round(HOP_S * found.joined.rate)), round(float(LAGS_S[-1]) * found.joined.rate)
    ends, firsts, parts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], []
    along: dict[str, Any] = {"length": plan.length, "reads": plan.reads, "rate": found.joined.rate}
    sums, unknown = _running(found.target)
    for piece in found.pieces():
        at = np.arange(piece.start + plan.length + most, piece.stop + 1, hop)
        at = at[unknown[at] == unknown[at - plan.length - most]]
        if len(at):
            parts.append(moments_along(signal[piece], at - piece.start, plan.parameters, **along))
            ends.append(at)
            firsts.append(np.full_like(at, piece.start))
    end, moments = np.concatenate(ends), together(parts, found.joined.channels, 0)
    power = np.diagonal(moments.window, axis1=1, axis2=2)
    lag = _lag(np.sqrt(power), sums, end, plan.length, found.joined.rate)
    behind = end - round(lag * found.joined.rate)
    return FollowedWindows(
        end=end,
        first=np.concatenate(firsts),
        moments=moments,
        std=deviations(power.mean(axis=0)) if len(power) else np.ones(found.joined.channels),
        parameters=plan.parameters,
        target=_means(sums, behind, plan.length),
        lag_s=lag,
    )


def ridge(features: Doubles, target: Doubles, weight: float) -> Doubles:
    """Return what maps features (n, d) to targets (n, values), (d, values), least squares with a penalty."""
    products = features.T @ features
    mean = float(np.trace(products)) / len(products)
    found: Doubles = np.linalg.solve(products + weight * mean * np.eye(len(products)), features.T @ target)
    return found


def amplitudes(power: Doubles) -> Doubles:
    """Return root powers and a column of ones, (n, channels + 1): what a linear regression reads."""
    return np.concatenate([np.sqrt(power), np.full((len(power), 1), np.sqrt(power).mean())], axis=1)


def _running(target: Doubles) -> tuple[Doubles, Ids]:
    """Return sums of the targets up to each row, and how many rows before it are unknown."""
    unknown = np.asarray(~np.isfinite(target).all(axis=1))
    sums = np.cumsum(np.where(unknown[:, np.newaxis], 0.0, target), axis=0)
    return np.concatenate([np.zeros((1, target.shape[1])), sums]), np.concatenate([[0], np.cumsum(unknown)])


def _means(sums: Doubles, ends: Ids, length: int) -> Doubles:
    means: Doubles = (sums[ends] - sums[ends - length]) / length
    return means


def _lag(rms: Doubles, sums: Doubles, end: Ids, length: int, rate: float) -> float:
    """Return how late the signal follows, in s: the lag at which its amplitudes explain most of the target."""
    if not len(end):
        return 0.0
    read = amplitudes(np.square(rms))

    def left(lag: float) -> float:
        target = _means(sums, end - round(lag * rate), length)
        target = target / np.maximum(target.std(axis=0), 1e-12)
        return float(np.square(target - read @ ridge(read, target, LAG_RIDGE)).mean())

    return float(min(LAGS_S, key=left))
