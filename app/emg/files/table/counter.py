"""A column that counts samples, and begins again at some number: what is missing between its rows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

MOST_PAIRS = 100_000  # numbers that follow one another unevenly; more of them are not remembered
SURE_TURNS = 20  # after which the largest number was seen
SOME_TURNS = 5  # in all of which nothing is lost at the same number
ALIKE_TURNS = 2
FEW_PAIRS = 2  # uneven steps: its end, and one more
RECURS = 0.5  # of many turns: a jump that comes in so many is the way that it counts
LONGEST_RUN = 64  # rows that share a number and are counted; a counter that stays at its end has no use


class CounterColumn:
    """What a counter column does, learned from all its rows: `look` at them piece by piece, then `steps` tells.

    Two rows that share a number (two samples to a packet) are two samples; so are all rows at the end of a counter
    that stays there.
    """

    def __init__(self, step: int) -> None:
        self.step = step  # from one number to the next
        self.lowest, self.highest = np.inf, -np.inf
        self.falls = 0
        self._pairs: Counter[tuple[float, float]] = Counter()
        self._runs: Counter[int] = Counter()  # rows that share a number
        self._run = 1
        self._last: float | None = None

    @property
    def size(self) -> int:
        """How many numbers a turn has, as seen: the largest, the smallest and what lies between.

        Where samples are missing, and few turns were seen that do not all end alike, a round number that is hardly
        larger.
        """
        seen = round(self.highest - self.lowest) + abs(self.step)
        if self.falls >= SURE_TURNS or not self._lossy or self._ends_alike:
            return seen
        rounds = [*(2**k for k in range(4, 33)), *(10**k for k in range(2, 10)), -(-seen // 100) * 100]
        return min((one for one in rounds if seen <= one <= seen + max(2, seen // 100)), default=seen)

    @property
    def _lossy(self) -> bool:
        return any(after > before for before, after in self._pairs)

    @property
    def _ends_alike(self) -> bool:
        """Whether every turn went from the largest number to the smallest: by chance a loss lies so once, not twice."""
        ends = (self.highest, self.lowest) if self.step > 0 else (self.lowest, self.highest)
        return self.falls >= ALIKE_TURNS and self._pairs[ends] == self.falls

    @property
    def sharing(self) -> int:
        """How many rows share a number, mostly."""
        return self._runs.most_common(1)[0][0] if self._runs else 1

    def look(self, numbers: Floats) -> None:
        """Learn from the next rows; NaN is passed over."""
        numbers = numbers[np.isfinite(numbers)]
        if not len(numbers):
            return
        self.lowest, self.highest = min(self.lowest, numbers.min()), max(self.highest, numbers.max())
        if self._last is not None:
            numbers = np.concatenate(([self._last], numbers))
        self._last = float(numbers[-1])
        steps = np.diff(numbers)
        self.falls += int((steps * self.step < 0).sum())
        odd = np.flatnonzero((steps != 0) & (steps != self.step))
        if len(self._pairs) < MOST_PAIRS:
            self._pairs.update(zip(numbers[odd].tolist(), numbers[odd + 1].tolist(), strict=True))
        self._count_runs(np.flatnonzero(steps))

    def _count_runs(self, changes: npt.NDArray[np.intp]) -> None:
        lengths = np.diff(changes)
        found, counts = np.unique(lengths[lengths <= LONGEST_RUN], return_counts=True)
        self._runs.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))

    def steps(self, before: Floats, after: Floats) -> Whole:
        """Return how many samples each row lies after the one before, at least 1."""
        rise = (after - before) / self.step
        across = rise + self.size / abs(self.step)
        packets = np.where(rise < 0, across, rise)
        odd = np.flatnonzero((packets != 1) & (rise != 0))
        for k in odd:
            if self._recurs(float(before[k]), float(after[k])):
                packets[k] = 1
        return np.maximum(1 + (np.rint(packets).astype(np.int64) - 1) * self.sharing, 1)

    def _recurs(self, before: float, after: float) -> bool:
        """Whether the counter goes on so in most of its turns: it is then no loss.

        By chance the same number is missing in a few turns; not in many, and not alone.
        """
        seen = self._pairs[before, after]
        if self.falls >= SURE_TURNS or len(self._pairs) <= FEW_PAIRS:
            return seen >= max(RECURS * self.falls, 2)
        return self.falls >= SOME_TURNS and seen >= self.falls


def counting_step(numbers: Floats) -> int | None:
    """Return by how much the numbers of a column rise mostly; None: they are no counter's."""
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers) < 8 or (numbers != np.rint(numbers)).any():
        return None
    steps = np.diff(numbers)
    moved = steps[steps != 0]
    if len(moved) < 4 or len(moved) < 0.2 * len(steps):
        return None
    found, counts = np.unique(moved, return_counts=True)
    best = int(np.argmax(counts))
    usual = counts[best] + (moved < 0).sum()
    if found[best] <= 0 or counts[best] < 0.5 * len(moved) or usual < 0.7 * len(moved):
        return None
    return int(found[best])
