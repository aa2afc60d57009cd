"""When two sampling rates are one (headers round them, and crystals are no better), and what lies between two."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]

TOLERANCE = (
    0.005  # a stream in the network may state 1000 Hz, and deliver 996; LSL's senders measure what they state
)
CLOSE_ENOUGH = 1e-5  # of a ratio: a crystal is off by 20 to 100 ppm
MAX_UP = 1000  # phases of a resampler's filter, which bounds its memory


def same_rate(one: float, other: float) -> bool:
    """Return whether two rates in Hz differ by no more than TOLERANCE, as 1925.926 and 1925.92593 do."""
    return math.isclose(one, other, rel_tol=TOLERANCE)


@dataclass(frozen=True, slots=True)
class Ratio:
    """`up` samples of the model's side for each `down` of the source's; in integers, so that nothing drifts.

    Sample m of the model's side lies at m * down / up on the source's axis. So it exists as soon as the source's
    sample before (or at) that place does, wherever chunks, gaps and restarts lie.
    """

    up: int
    down: int
    error: float = 0.0  # relative: how far up / down is from the ratio of the rates

    def to_output(self, index: int) -> int:
        """Return the first sample of the model's side at or after the source's sample `index`."""
        return -(-index * self.up // self.down)

    def to_input(self, index: int) -> int:
        """Return the source's newest sample at or before sample `index` of the model's side."""
        return index * self.down // self.up

    def to_input_end(self, end: int) -> int:
        """Return how many of the source's samples the first `end` of the model's side have seen; 0 of none."""
        return self.to_input(end - 1) + 1 if end > 0 else 0

    def between(self, index: int, count: int) -> tuple[Indices, Indices]:
        """Return where the samples of the model's side lie that `count` source samples from `index` on make possible.

        Of each, how many samples after `index` the newest source sample lies that it sees, and how far it is itself
        from that one, in `up`-th parts. No index is too large for it.
        """
        first = self.to_output(index)
        number = np.arange(self.to_output(index + count) - first, dtype=np.int64)
        newest, phase = np.divmod(first * self.down - index * self.up + number * self.down, self.up)
        return newest, phase

    def __str__(self) -> str:
        return f"{self.up}/{self.down}, off by {1e6 * abs(self.error):.2g} ppm"


def ratio_between(source_rate: float, model_rate: float) -> Ratio:
    """Return the simplest ratio within CLOSE_ENOUGH of `model_rate / source_rate` (both Hz), by continued fractions.

    Where none with an `up` of MAX_UP or less is as close, the closest of those. A float is taken for the decimal
    it prints as (1259.259 is 1259259/1000).
    """
    exact = Fraction(str(model_rate)) / Fraction(str(source_rate))
    found = next(one for one in _convergents(exact) if abs(one / exact - 1) <= CLOSE_ENOUGH)
    if found.numerator > MAX_UP:
        found = 1 / (1 / exact).limit_denominator(MAX_UP)
    return Ratio(found.numerator, found.denominator, float(found / exact - 1))


def _convergents(exact: Fraction) -> Iterator[Fraction]:
    """Return ever better fractions for a positive number, each the best of its size; the last is the number."""
    (p, q), (p_before, q_before), rest = (int(exact), 1), (1, 0), exact
    while True:
        yield Fraction(p, q)
        if rest == int(rest):
            return
        rest = 1 / (rest - int(rest))
        whole = int(rest)
        (p, q), (p_before, q_before) = (whole * p + p_before, whole * q + q_before), (p, q)
