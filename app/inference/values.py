"""Values with names and ranges, which a regression gives: joint angles, forces, proportional control. numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.errors import ArtefactError, NoNumberError

Floats = npt.NDArray[np.float32]

MOST = 1024  # values of a model
LARGEST = 1e30  # of a range: float32 holds ten thousand times as much
DIGITS = 7  # that count in float32
MAX_LABEL = 64  # characters, as of a class


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedValue:
    """One column of a graph's output.

    `rest` is what to act upon where the signal cannot be trusted; None: 0, or what lies nearest to it in the range.

    Raises:
        ArtefactError: it has no name, or no range.
    """

    name: str
    low: float
    high: float
    units: str = ""
    rest: float | None = None

    def __post_init__(self) -> None:
        if not _is_label(self.name):
            raise ArtefactError(
                f"outputs.values[].name must be a short printable text, got {self.name[:40]!r}"
            )
        where = f"outputs.values[{self.name}]"
        if self.units and not _is_label(self.units):
            raise ArtefactError(f"{where}.units must be a short printable text, got {self.units[:40]!r}")
        for name, bound in (("low", self.low), ("high", self.high)):
            if not (math.isfinite(bound) and abs(bound) <= LARGEST):
                raise ArtefactError(f"{where}.{name} must be a number up to {LARGEST:g}, got {bound}")
        if not np.float32(self.low) < np.float32(self.high):
            raise ArtefactError(f"{where}: low must be below high, got {self.low:g} and {self.high:g}")
        if self.rest is not None and not self.low <= self.rest <= self.high:
            raise ArtefactError(
                f"{where}.rest must lie in its range, {self.low:g} to {self.high:g}, got {self.rest:g}"
            )

    @property
    def neutral(self) -> float:
        """Return what to act upon where the signal cannot be trusted."""
        return min(max(0.0, self.low), self.high) if self.rest is None else self.rest


def expect_distinct(values: Sequence[NamedValue]) -> None:
    """See that there are values, and that no two are called the same.

    Raises:
        ArtefactError: there are none, too many, or two of one name.
    """
    if not 1 <= len(values) <= MOST:
        raise ArtefactError(f"outputs.values must be 1 to {MOST} values, got {len(values)}")
    names = [value.name for value in values]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ArtefactError(f"outputs.values must have names that differ, got {twice!r} twice")


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """What the model says of each window of a batch, within the ranges. NaN stays NaN: see `expect_numbers`."""

    values: Floats  # (batch, values)
    clipped: npt.NDArray[np.bool_]  # (batch,) whether one of them was outside its range

    def __getitem__(self, rows: slice) -> Values:
        """Return the same of some windows."""
        return Values(self.values[rows], self.clipped[rows])

    def expect_numbers(self) -> Values:
        """Return the same, where each is a number.

        Raises:
            NoNumberError: one is none.
        """
        if not np.isfinite(self.values).all():
            raise NoNumberError(
                "the model's graph gives NaN or infinity for this window: see whether it divides by 0, or takes the "
                "logarithm of it, where the signal is flat or strong"
            )
        return self

    def rows(self) -> list[list[float]]:
        """Return them with the digits that count, (batch, values)."""
        return [[float(f"{value:.{DIGITS}g}") for value in row] for row in self.values.tolist()]


def within(outputs: Floats, declared: Sequence[NamedValue]) -> Values:
    """Return a graph's outputs (batch, values), each clipped into its range; infinity lies in none, and becomes NaN."""
    low = np.array([value.low for value in declared], np.float32)
    high = np.array([value.high for value in declared], np.float32)
    inside: Floats = np.clip(outputs, low, high)
    inside[~np.isfinite(outputs)] = np.nan
    outside = (outputs < low) | (outputs > high)  # (batch, values)
    return Values(inside, np.any(outside, axis=1, keepdims=True)[:, 0])


def _is_label(text: str) -> bool:
    return 0 < len(text) <= MAX_LABEL and text.isprintable() and text.strip() == text
