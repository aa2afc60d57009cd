"""What waits for a receiver: bounded, and such that whoever hears of a gesture is told its end."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

M = TypeVar("M")

Kind = Literal["onset", "hold", "release", "values"]
LIMIT = 256  # letters


@dataclass(slots=True, eq=False)
class Letter(Generic[M]):
    """One message on its way."""

    message: M
    kind: Kind
    id: int  # of the gesture; 0 for values
    row: int  # of the table; -1: the default form
    put_at: float = 0.0  # s of the clock
    tries: int = 0


class Mailbox(Generic[M]):
    """Letters in their order. Who puts never waits; one thread takes.

    Of holds and values only the newest waits. A gesture that began and ended while nothing could be sent is left out
    as a whole after `stale_s`, or where there is no room: an actor would do now what somebody meant then. A release
    whose onset has left is never dropped.
    """

    def __init__(
        self,
        stale_s: float,
        dropped: Callable[[int], None],
        limit: int = LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stale_s, self._limit, self._dropped, self._clock = stale_s, limit, dropped, clock
        self._waiting: deque[Letter[M]] = deque()
        self._left: set[int] = set()  # gestures of which something has left, or may have
        self._news = threading.Condition()
        self.closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, letter: Letter[M]) -> None:
        """Take a letter; nothing after it was closed."""
        with self._news:
            if self.closed:
                return
            letter.put_at = self._clock()
            if letter.kind in ("hold", "values"):
                self._drop([one for one in self._waiting if _same(one, letter)])
            self._waiting.append(letter)
            while len(self._waiting) > self._limit and self._make_room():
                pass
            self._news.notify()

    def take(self, timeout_s: float) -> Letter[M] | None:
        """Return the next letter, waiting so long for it; None where none came."""
        with self._news:
            self._drop_stale()
            if not self._waiting and not self.closed:
                self._news.wait(timeout_s)
            return self._waiting.popleft() if self._waiting else None

    def left(self, letter: Letter[M]) -> None:
        """Note that it has left, or may have: the gesture's release is owed from now on."""
        with self._news:
            if letter.kind == "onset":  # of what has left, only what waits is still of interest
                self._left = {*(one.id for one in self._waiting if one.id in self._left), letter.id}

    def put_back(self, letter: Letter[M]) -> None:
        """Have it be the next again."""
        with self._news:
            self._waiting.appendleft(letter)

    def close(self) -> None:
        """Take no more, and leave out what is no release or has no news for the receiver."""
        with self._news:
            self.closed = True
            untold = {one.id for one in self._waiting if one.kind == "onset"} - self._left
            owed = [one for one in self._waiting if one.kind == "release" and one.id not in untold]
            self._drop([one for one in self._waiting if one not in owed])
            self._news.notify()

    def _drop_stale(self) -> None:
        before = self._clock() - self._stale_s
        for gesture in self._unheard():
            if all(one.put_at < before for one in self._waiting if one.id == gesture and one.kind == "onset"):
                self._drop([one for one in self._waiting if one.id == gesture])

    def _make_room(self) -> bool:
        """Leave something out; whether there was something that may be."""
        for kind in ("values", "hold"):
            if first := next((one for one in self._waiting if one.kind == kind), None):
                self._drop([first])
                return True
        if unheard := self._unheard():
            self._drop([one for one in self._waiting if one.id == unheard[0]])
            return True
        return False

    def _unheard(self) -> list[int]:
        """Return the gestures that are over and of which nothing has left, in their order."""
        released = {one.id for one in self._waiting if one.kind == "release"} - self._left
        begun = [one.id for one in self._waiting if one.kind == "onset"]
        return [gesture for gesture in dict.fromkeys(begun) if gesture in released]

    def _drop(self, letters: list[Letter[M]]) -> None:
        for letter in letters:
            self._waiting.remove(letter)
        if letters:
            self._dropped(len(letters))


def _same(one: Letter[M], other: Letter[M]) -> bool:
    return (one.kind, one.id, one.row) == (other.kind, other.id, other.row)
