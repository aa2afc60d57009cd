"""Those at one node who hear what owners publish: told in order, each thing once, on one thread."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from dataclasses import dataclass

from app.serving.bus.bus import Heard, Published

log = logging.getLogger(__name__)

MOST = 20_000  # that wait to be told; of more, the oldest are dropped

Key = tuple[str, str]  # source and topic


@dataclass(eq=False)
class Hears:
    """One subscription. `last` is the (token, sequence) that it was told last."""

    key: Key
    heard: Heard
    last: tuple[int, int] | None

    def tell(self, one: Published) -> None:
        """Tell it, unless it was told this or something later."""
        place = (one.token, one.sequence)
        if self.last is not None and place <= self.last:
            return
        self.last = place
        try:
            self.heard(one)
        except Exception:
            log.exception("what was published of %s was not taken", self.key[0])


class Hearing:
    """All of one node. Its thread runs from the first subscription on."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._hears: dict[int, Hears] = {}
        self._came: deque[tuple[Key, int | None, Published]] = deque(maxlen=MOST)
        self._there, self._closed, self._running = threading.Event(), False, False
        self._lock = threading.Lock()

    def add(self, key: Key, heard: Heard, after: tuple[int, int] | None) -> tuple[int, Hears]:
        """Return a number for one more, and itself."""
        hears = Hears(key, heard, after)
        with self._lock:
            number = next(self._numbers)
            self._hears[number] = hears
            start, self._running = not self._running, True
        if start:
            threading.Thread(target=self._run, name="bus hears", daemon=True).start()
        return number, hears

    def remove(self, number: int) -> Hears | None:
        """Return what is told no more; None where it was not told anyway."""
        with self._lock:
            return self._hears.pop(number, None)

    def all(self) -> list[tuple[int, Hears]]:
        with self._lock:
            return list(self._hears.items())

    def wanted(self, key: Key) -> bool:
        """Whether anybody here wants to hear of that."""
        return any(hears.key == key for _, hears in self.all())

    def came(self, key: Key, one: Published, number: int | None = None) -> None:
        """Have it told soon to those who want it; with a `number`, to that one alone."""
        if self._hears:
            self._came.append((key, number, one))
            self._there.set()

    def close(self) -> None:
        self._closed = True
        self._there.set()

    def _run(self) -> None:
        while not self._closed:
            self._there.wait()
            self._there.clear()
            while self._came:
                key, number, one = self._came.popleft()
                for its, hears in self.all():
                    if hears.key == key and number in (None, its):
                        hears.tell(one)
