"""The package numbers that boards put beside their samples: what is missing between them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from app.emg.brainflow.place_steps import PlaceSteps
from app.emg.brainflow.turn import Turn, TurnFinder


class PackageCounter:
    """Counts lost samples from package numbers that are any, so long as they come the same in each turn.

    Most boards count 0..255; some begin at 1, count in twos, share a number among the samples of a package, or leave
    numbers out. A Ganglion counts 0, 101, 101, 102, 102 .. 200, 200. So the turn is learned: once it has come twice
    without a loss, every place of it is known, and until then what comes after each number. A jump that recurs at its
    place is no loss. A loss of whole turns cannot be seen.
    """

    def __init__(self) -> None:
        self._begin()

    @property
    def turn(self) -> int | None:
        """How many samples a turn of the numbers has; None while that is not known."""
        return None if self._turn is None else len(self._turn)

    def lost_before(self, numbers: Iterable[float], most: float = math.inf) -> list[int]:
        """How many samples are missing before each. More than `most` cannot be: it is no loss, but a way to count."""
        return [lost if (lost := self._lost_before(number)) <= most else 0 for number in numbers]

    def reset(self) -> None:
        """Forget where the numbers were: the board was started again, and they begin anew."""
        self._finder = TurnFinder()
        self._steps.be_anywhere()
        if self._turn is not None:
            self._turn.be_anywhere()

    def _begin(self) -> None:
        self._finder, self._steps = TurnFinder(), PlaceSteps()
        self._turn: Turn | None = None

    def _lost_before(self, number: float) -> int:
        if self._turn is not None:
            if (lost := self._turn.lost_before(number)) is not None:
                return lost
            self._begin()  # the board counts in another way now
        self._turn = self._finder.add(number)
        if self._turn is not None:
            self._turn.lost_before(number)  # it begins with this one
        return self._steps.lost_before(number)
