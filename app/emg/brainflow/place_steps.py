"""What a board's numbers do at each place of their turn, learned from numbers of which some are missing."""

from __future__ import annotations

import math
from collections import Counter

LEARNED = 64  # samples before the usual step is known
WIDE = (
    512  # numbers that rose by the usual step without a break: a counter of more than 8 bits, which is even
)
MOST_PLACES = 4096  # that are learned one by one; no board is known to have more and not to count evenly


class PlaceSteps:
    """Counts what is missing by the number that comes after each, as it did in most turns before.

    A place that is new says nothing yet, so what is missing there does not count; nor does a jump that recurs there.
    Where the usual step was seen at a place, a jump is a loss.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._usual = 1.0
        self._steps: Counter[float] = Counter()
        self._sharing: dict[float, int] = {}  # samples that share a number
        self._usually_sharing: Counter[int] = Counter()
        self._run = 0  # samples with the present number
        self._seen = 0
        self._even = self._most_even = 0  # numbers in a row that rose by the usual step
        self._after: dict[float, tuple[float, int]] = {}  # number: the one after it, and votes for that
        self._lowest, self._highest = math.inf, -math.inf
        self._turned = False

    def be_anywhere(self) -> None:
        """Forget the place: the board was started again."""
        self._last, self._run, self._even = None, 0, 0

    def lost_before(self, number: float) -> int:
        """Return how many samples are missing before the one with this number, and learn from it."""
        last, self._last = self._last, number
        self._seen += 1
        self._lowest, self._highest = min(self._lowest, number), max(self._highest, number)
        if last is None or number == last:
            self._run += 1
            return 0
        lost = self._judged(last, number)
        self._learn(last, number)
        self._run = 1
        return lost

    def _judged(self, last: float, number: float) -> int:
        if self._seen < LEARNED:
            return 0
        after = self._after[last][0] if last in self._after else None
        cut = max(self._sharing.get(last, 0) - self._run, 0)  # of those that share the last number
        if number in (after, last + self._usual):
            return cut
        even_here = self._most_even >= WIDE if after is None else after == last + self._usual
        if even_here or (after is not None and self._after[last][1] > 2):
            return cut + self._between(last, number)
        return 0

    def _between(self, last: float, number: float) -> int:
        """Return the samples that belong between two numbers; 0 where that is not known."""
        if len(self._after) >= MOST_PLACES:
            return self._evenly_between(last, number)
        lost, place = 0, last
        for _ in range(len(self._after) + WIDE):
            place = self._after[place][0] if place in self._after else place + self._usual
            if place == number:
                return lost
            lost += self._sharing.get(place, self._share)
        return 0

    def _evenly_between(self, last: float, number: float) -> int:
        """Return the same for a counter that begins again at the lowest number seen."""
        packages = (number - last) / self._usual
        if packages < 0:
            if not self._turned:  # the first turn tells where it is
                return 0
            packages += (self._highest - self._lowest) / abs(self._usual) + 1
        return max(round(packages) - 1, 0) * self._share

    @property
    def _share(self) -> int:
        return self._usually_sharing.most_common(1)[0][0] if self._usually_sharing else 1

    def _learn(self, last: float, number: float) -> None:
        step = number - last
        self._steps[step] += 1
        if step != self._usual:
            self._usual = self._steps.most_common(1)[0][0]
        usual = step == self._usual
        self._even = self._even + 1 if usual else 0
        self._most_even = max(self._most_even, self._even)
        self._turned = self._turned or step * self._usual < 0
        self._usually_sharing[self._run] += 1
        if last in self._after or len(self._after) < MOST_PLACES:
            self._after[last] = self._voted(last, number, usual)
            self._sharing[last] = max(self._sharing.get(last, 0), self._run)  # a loss makes it shorter only

    def _voted(self, last: float, number: float, usual: bool) -> tuple[float, int]:
        after, votes = self._after.get(last, (number, 0))
        if number == after:
            return after, votes + 1
        if usual or votes <= 1:  # the shortest step there is: what was seen before was a loss
            return number, 1
        return after, votes - 1
