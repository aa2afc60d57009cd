"""One turn of a board's package numbers, whatever they are: found in what comes, and then followed."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence

LONGEST = 4096  # samples of a turn that is looked for; longer ones count evenly on every board that is known
BEGINNINGS = 4  # of a turn that are tried: its lowest number may come more than once in it


class TurnFinder:
    """Looks for a turn: the last samples, twice the same. Any loss among them, and it looks on."""

    def __init__(self) -> None:
        self._numbers: list[float] = []
        self._forgotten = 0  # numbers before those
        self._begun: deque[int] = deque(maxlen=BEGINNINGS)  # where the lowest number came after another
        self._lowest = float("inf")

    def add(self, number: float) -> Turn | None:
        """Return the turn once `number` has ended it for the second time; the next sample begins it."""
        numbers = self._numbers
        begins = bool(numbers) and number != numbers[-1] and number <= self._lowest
        found = self._look() if begins and number == self._lowest else None
        if number < self._lowest:
            self._lowest = number
            self._begun.clear()
        if begins:
            self._begun.append(self._forgotten + len(numbers))
        numbers.append(number)
        if len(numbers) > 4 * LONGEST:
            del numbers[: 2 * LONGEST]
            self._forgotten += 2 * LONGEST
        return found

    def _look(self) -> Turn | None:
        numbers = self._numbers
        for begun in reversed(self._begun):
            size = self._forgotten + len(numbers) - begun
            if size > LONGEST or 2 * size > len(numbers):
                return None
            if numbers[-size:] == numbers[-2 * size : -size]:
                return Turn(numbers[-size:])
        return None


class Turn:
    """Follows the numbers of a turn, sample by sample, from its beginning on."""

    def __init__(self, numbers: Sequence[float]) -> None:
        self._numbers = tuple(numbers)
        self._places: dict[float, list[int]] = {}
        for place, number in enumerate(self._numbers):
            self._places.setdefault(number, []).append(place)
        self._next: int | None = 0  # place of the next sample
        self._first: float | None = None  # number of the first sample since it was said to be anywhere

    def __len__(self) -> int:
        return len(self._numbers)

    def be_anywhere(self) -> None:
        """Forget the place: the board was started again."""
        self._next = self._first = None

    def lost_before(self, number: float) -> int | None:
        """Return how many samples are missing before the one with this number; None: it is of no such turn."""
        places = self._places.get(number)
        if places is None:
            return None
        if self._next is None:
            self._settle(number, places)
            return 0
        at = bisect_left(places, self._next)
        place = places[at] if at < len(places) else places[0]
        lost = (place - self._next) % len(self._numbers)
        self._next = (place + 1) % len(self._numbers)
        return lost

    def _settle(self, number: float, places: list[int]) -> None:
        """Find the place: it is sure where the number changes, for several samples may share one."""
        if self._first is None or number == self._first:
            self._first = number
            return
        fitting = [place for place in places if self._numbers[place - 1] == self._first]
        self._next = ((fitting or places)[0] + 1) % len(self._numbers)
