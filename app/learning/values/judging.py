"""How good values are on stretches of a trajectory that were left out of learning, beside a linear regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.inference.values import NamedValue
from app.learning.values.followed import Followed, moving
from app.learning.values.regression import Taught
from app.learning.values.windows import FollowedWindows, amplitudes, ridge

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

STRETCH_S = 8.0  # of what is left out at a time
FOLDS = 5
LINEAR_RIDGE = 1e-3
FULL = 0.9  # of the way from neutral to a range's end: below it, and moving, a level is between

MODEL, LINEAR, MEAN = "model", "linear", "mean"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """Of windows whose stretch was left out of learning."""

    values: tuple[NamedValue, ...]
    target: Doubles  # (n, values) what was followed, late by the lag
    told: dict[
        str, Doubles
    ]  # by whom: the model, a linear regression of amplitudes, the mean of what was followed

    def r2(self, who: str) -> Doubles:
        """Return the share of each value's variance that is explained, (values,); 0 is what its mean would give."""
        left = np.square(self.target - self.told[who]).sum(axis=0)
        found: Doubles = 1 - left / np.square(self.target - self.target.mean(axis=0)).sum(axis=0)
        return found

    def mae(self, who: str, rows: Mask | None = None) -> Doubles:
        """Return the mean error of each value as a share of its range, (values,), of some windows or all."""
        span = np.array([value.high - value.low for value in self.values])
        error = np.abs(self.target - self.told[who]) / span
        found: Doubles = (error if rows is None else error[rows]).mean(axis=0)
        return found

    @property
    def between(self) -> Mask:
        """Return the windows at levels between rest and a full movement, (n,)."""
        low = np.array([value.low - value.neutral for value in self.values])
        high = np.array([value.high - value.neutral for value in self.values])
        away = self.target - np.array([value.neutral for value in self.values])
        level = np.where(away < 0, away / np.minimum(low, -1e-12), away / np.maximum(high, 1e-12)).max(axis=1)
        return np.asarray(moving(self.target, self.values).any(axis=1) & (level < FULL))

    @property
    def combined(self) -> Mask:
        """Return the windows in which two values or more were away from neutral, (n,)."""
        return np.asarray(moving(self.target, self.values).sum(axis=1) > 1)

    def as_json(self) -> dict[str, Any]:
        """Return the figures, for a manifest."""
        parts = {"between": self.between, "combined": self.combined}
        return {
            "split": f"stretches of {STRETCH_S:g} s left out",
            "windows": len(self.target),
            "r2": _short(float(self.r2(MODEL).mean())),
            "mae": _short(float(self.mae(MODEL).mean())),
            "of_each": {
                value.name: {"r2": _short(r2), "mae": _short(mae)}
                for value, r2, mae in zip(self.values, self.r2(MODEL), self.mae(MODEL), strict=True)
            },
            "beside": {
                who: {"r2": _short(float(self.r2(who).mean())), "mae": _short(float(self.mae(who).mean()))}
                for who in (LINEAR, MEAN)
            },
            **{
                name: {"windows": int(rows.sum()), "mae": _short(float(self.mae(MODEL, rows).mean()))}
                for name, rows in parts.items()
                if rows.any()
            },
        }


def folds(windows: FollowedWindows, rate: float, reads: int) -> list[tuple[Ids, Ids]]:
    """Return (taught, tested) rows: stretches by turns, and nothing taught that shares a sample with what is tested."""
    stretch = (windows.end // round(STRETCH_S * rate)).astype(np.int64)
    fold = (np.unique(stretch, return_inverse=True)[1]).reshape(-1) % FOLDS
    parts = []
    for k in range(FOLDS):
        test = np.flatnonzero(fold == k)
        if len(test):
            parts.append((_apart(windows, np.flatnonzero(fold != k), test, reads), test))
    return [(rows, test) for rows, test in parts if len(rows)]


def judge(found: Followed, windows: FollowedWindows, known: Taught, penalty: float, reads: int) -> Judgement:
    """Return how good it is, each stretch by what was taught without it."""
    rows: list[Ids] = []
    told: dict[str, list[Doubles]] = {MODEL: [], LINEAR: [], MEAN: []}
    read = amplitudes(windows.power)
    for taught, test in folds(windows, found.joined.rate, reads):
        rows.append(test)
        told[MODEL].append(known.within(known.fit(taught, penalty).values(known.features[test])))
        linear = read[test] @ ridge(read[taught], windows.target[taught], LINEAR_RIDGE)
        told[LINEAR].append(known.within(linear))
        told[MEAN].append(np.repeat(windows.target[taught].mean(axis=0)[np.newaxis], len(test), axis=0))
    return Judgement(
        values=found.values,
        target=windows.target[np.concatenate(rows)],
        told={who: np.concatenate(parts) for who, parts in told.items()},
    )


def _apart(windows: FollowedWindows, taught: Ids, test: Ids, reads: int) -> Ids:
    """Return those of the rows whose samples are in no window that is tested."""
    ends = np.sort(windows.end[test])
    at = np.searchsorted(ends, windows.end[taught])
    before = windows.end[taught] - ends[np.maximum(at - 1, 0)]
    after = ends[np.minimum(at, len(ends) - 1)] - windows.end[taught]
    near = ((at > 0) & (before < reads)) | ((at < len(ends)) & (after < reads))
    return taught[~near]


def _short(value: float) -> float:
    return round(float(value), 4)
