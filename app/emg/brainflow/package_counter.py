"""The package numbers that boards put beside their samples: what is missing between them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

LEARNED = 64  # samples before the usual step is known


class PackageCounter:
    """Counts lost samples from package numbers that rise by a usual step and begin again at a board's own limit.

    Boards differ: most count 0..255, some begin at 1, count in twos, or repeat a number for the samples of one
    package. So step, samples per number and limits are learned from what comes; nothing is reported lost before they
    are known. A loss of whole turns cannot be seen.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._steps: Counter[float] = Counter()
        self._repeats: Counter[int] = Counter()
        self._run = 0  # samples with the present number
        self._seen = 0
        self._lowest, self._highest = math.inf, -math.inf
        self._turned = False

    def lost_before(self, numbers: Iterable[float]) -> list[int]:
        """How many samples are missing before each."""
        return [self._lost_before(number) for number in numbers]

    def reset(self) -> None:
        """Forget the numbers: the board was started again, and they begin anew."""
        self._last, self._run = None, 0

    def _lost_before(self, number: float) -> int:
        last, self._last = self._last, number
        self._seen += 1
        self._lowest, self._highest = min(self._lowest, number), max(self._highest, number)
        if last is None or number == last:
            self._run += 1
            return 0
        self._repeats[self._run] += 1
        self._run = 1
        step = number - last
        if step < 0:
            lost = self._across_the_turn(step)
            self._turned = True
        else:
            self._steps[step] += 1
            lost = self._packages_in(step)
        return lost

    def _across_the_turn(self, step: float) -> int:
        if not self._turned:  # the first turn tells where it is
            return 0
        return self._packages_in(step + self._highest - self._lowest + self._usual_step)

    def _packages_in(self, step: float) -> int:
        if self._seen < LEARNED:
            return 0
        missing = round(step / self._usual_step) - 1
        return max(missing, 0) * self._repeats.most_common(1)[0][0]

    @property
    def _usual_step(self) -> float:
        return self._steps.most_common(1)[0][0] if self._steps else 1.0
