"""What a simulated person is asked to do: by whichever process prompts, done by the one that simulates."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MOST_JOINTS, LEVEL_BITS, HALF = 6, 8, 127  # a joint's level is one of 255
PATTERNS = 997  # of gestures that the simulator has no name for


@dataclass(frozen=True, slots=True)
class Wish:
    """A gesture to make for so many seconds: an index into the simulator's names, or beyond them one of no name.

    Below 0 it says how far to move which joints: see `levels`.
    """

    number: int  # later wishes have higher ones; 0: there is none
    gesture: int = 0
    seconds: float = 0.0

    @property
    def levels(self) -> tuple[float, ...] | None:
        """Return how far each joint is to be moved, -1 to 1; None where a gesture is to be made."""
        if self.gesture >= 0:
            return None
        code = -1 - self.gesture
        count = code >> (LEVEL_BITS * MOST_JOINTS)
        return tuple(((code >> (LEVEL_BITS * k)) % (2 * HALF + 2) - HALF) / HALF for k in range(count))


def gesture_of(levels: Sequence[float]) -> int:
    """Return the number of a wish that says these levels, of up to MOST_JOINTS joints, to 1 / HALF.

    One number, as a wish has among workers; below 2^53, which a double holds exactly.
    """
    code = len(levels) << (LEVEL_BITS * MOST_JOINTS)
    for k, level in enumerate(levels):
        code |= (round(min(max(level, -1.0), 1.0) * HALF) + HALF) << (LEVEL_BITS * k)
    return -1 - code


class WishControl(Protocol):
    """What the processes of a server know together of what one simulated person is asked."""

    def newest(self) -> Wish:
        """Return the newest. Cheap: it is asked before every block of the signal."""

    def ask(self, gesture: int, seconds: float) -> None:
        """Have that done from now on, in place of what was asked before."""


class OwnWishes:
    """Those of a person whom one process has for itself."""

    def __init__(self) -> None:
        self._wish = Wish(0)

    def newest(self) -> Wish:
        return self._wish

    def ask(self, gesture: int, seconds: float) -> None:
        self._wish = Wish(self._wish.number + 1, gesture, seconds)


class SimulatedPerson:
    """One simulated person, in each process that shares them."""

    def __init__(self, gesture_names: Sequence[str], rest: int) -> None:
        self._names, self._rest = tuple(gesture_names), rest
        self.control: WishControl = OwnWishes()

    def ask(self, gesture: str | None, seconds: float) -> None:
        """Have them make a gesture of any name, None for rest, and then what comes to their mind."""
        self.control.ask(self._index(gesture), seconds)

    def follow(self, levels: Sequence[float], seconds: float) -> None:
        """Have them move joints so far, -1 to 1 each, and after that what comes to their mind."""
        self.control.ask(gesture_of(levels), seconds)

    def _index(self, gesture: str | None) -> int:
        if gesture is None:
            return self._rest
        if gesture in self._names:
            return self._names.index(gesture)
        return len(self._names) + zlib.crc32(gesture.encode()) % PATTERNS  # the same under each name


def person_of(source: object) -> SimulatedPerson | None:
    """Return the person whom a source simulates, or wraps; None where it simulates none."""
    found: SimulatedPerson | None = getattr(source, "person", None)
    return found
