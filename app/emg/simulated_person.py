"""What a simulated person is asked to do: by whichever process prompts, done by the one that simulates."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

PATTERNS = 997  # of gestures that the simulator has no name for


@dataclass(frozen=True, slots=True)
class Wish:
    """A gesture to make for so many seconds: an index into the simulator's names, or beyond them one of no name."""

    number: int  # later wishes have higher ones; 0: there is none
    gesture: int = 0
    seconds: float = 0.0


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
