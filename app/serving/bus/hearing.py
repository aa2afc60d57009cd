"""Those at one node who hear what owners publish: told in order, and each thing once."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field

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
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, one: Published) -> None:
        """Tell it, unless it was told this or something later."""
        place = (one.token, one.sequence)
        with self._lock:
            if self.last is not None and place <= self.last:
                return
            self.last = place
            try:
                self.heard(one)
            except Exception:
                log.exception("what was published of %s was not taken", self.key[0])


class Hearing:
    """All of one node."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._hears: dict[int, Hears] = {}
        self._by_key: dict[Key, dict[int, Hears]] = defaultdict(dict)
        self._came: deque[tuple[Key, int | None, Published]] = deque(maxlen=MOST)
        self._there, self._closed, self._running = threading.Event(), False, False
        self._lock = threading.Lock()

    def add(self, key: Key, heard: Heard, after: tuple[int, int] | None) -> tuple[int, Hears]:
        """Return a number for one more, and itself."""
        hears = Hears(key, heard, after)
        with self._lock:
            number = next(self._numbers)
            self._hears[number] = self._by_key[key][number] = hears
        return number, hears

    def remove(self, number: int) -> Hears | None:
        """Return what is told no more; None where it was not told anyway."""
        with self._lock:
            hears = self._hears.pop(number, None)
            if hears is not None:
                del self._by_key[hears.key][number]
                if not self._by_key[hears.key]:
                    del self._by_key[hears.key]
            return hears

    def all(self) -> list[tuple[int, Hears]]:
        with self._lock:
            return list(self._hears.items())

    def tell(self, key: Key, one: Published, number: int | None = None) -> None:
        """Tell it to those who want it, on the thread that has read it; with a `number`, to that one alone."""
        with self._lock:
            hearing = list(self._by_key[key].items()) if key in self._by_key else ()
        for its, hears in hearing:
            if number in (None, its):
                hears.tell(one)

    def tell_soon(self, key: Key, one: Published, number: int | None = None) -> None:
        """The same from a thread that must not wait, such as the one that publishes."""
        with self._lock:
            if key not in self._by_key:
                return
            self._came.append((key, number, one))
            start, self._running = not self._running, True
        if start:
            threading.Thread(target=self._run, name="bus hears", daemon=True).start()
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
                self.tell(key, one, number)
