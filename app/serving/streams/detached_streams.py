"""Looks after streams whose requests are over, all of them on one thread.

A request that stays open as long as its stream keeps a greenlet, its stack and all that gunicorn and Flask made for
it: some 25 KB for each client, of which much stays with the process when a crowd has left (docs/decisions/0007).
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from app.serving.process.memory import give_back

log = logging.getLogger(__name__)

T = TypeVar("T")

CROWD = 100  # streams open at once; after fewer there is nothing worth giving back
OVER = -1.0  # no look is due any more
TURN = 50  # looks before the other work of this process gets its turn


class DetachedStream:
    """One stream: `looks` is drawn from until it ends, each time after the seconds it gave; then comes `close`.

    A look must not wait.
    """

    __slots__ = ("close", "due", "looks")

    def __init__(self, looks: Iterator[float], close: Callable[[], None]) -> None:
        self.looks, self.close = looks, close
        self.due = 0.0  # on the clock of DetachedStreams


class DetachedStreams:
    """Its thread runs while streams are open."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, give_back: Callable[[], object] = give_back
    ) -> None:
        self._clock, self._give_back = clock, give_back
        self._waiting: list[
            tuple[float, int, DetachedStream]
        ] = []  # a heap; the number keeps equal times apart
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._sooner = threading.Event()
        self._running = False
        self._most = 0
        self.open = 0

    def keep(self, stream: DetachedStream) -> None:
        """Take the first look at once, and the others when they are due."""
        with self._lock:
            self.open += 1
            self._most = max(self._most, self.open)
            self._push(stream, self._clock())
            start, self._running = not self._running, True
        if start:
            threading.Thread(target=self._run, name="detached streams", daemon=True).start()
        self._sooner.set()

    def hurry(self, stream: DetachedStream) -> None:
        """Have the next look taken at once; may be called from any thread."""
        with self._lock:
            if stream.due != OVER:
                self._push(stream, self._clock())
        self._sooner.set()

    def drain(self, patience_s: float) -> bool:
        """Wait until no stream is open; False when the time was over first."""
        ends = self._clock() + patience_s
        while self.open and self._clock() < ends:
            time.sleep(0.01)
        return not self.open

    def _push(self, stream: DetachedStream, due: float) -> None:
        stream.due = due
        heapq.heappush(self._waiting, (stream.due, next(self._numbers), stream))

    def _run(self) -> None:
        for turn in itertools.count(1):
            with self._lock:
                if not self.open:
                    self._running = False
                    crowd, self._most = self._most >= CROWD, 0
                    self._waiting.clear()
                    break
                wait = self._waiting[0][0] - self._clock()
                due = heapq.heappop(self._waiting) if wait <= 0 else None
            if due is None:
                self._sooner.wait(wait)
                self._sooner.clear()
            elif due[0] == due[2].due:  # else it was hurried and has been looked at since
                self._look(due[2])
                if turn % TURN == 0:
                    time.sleep(0)
        if crowd:
            self._give_back()

    def _look(self, stream: DetachedStream) -> None:
        pause_s = _tried(lambda: next(stream.looks, None))
        if pause_s is not None:
            with self._lock:
                self._push(stream, self._clock() + pause_s)
            return
        stream.due = OVER
        _tried(stream.close)
        with self._lock:
            self.open -= 1


def _tried(step: Callable[[], T]) -> T | None:
    """Return what it gives; None where it fails, so that the other streams are looked after all the same."""
    try:
        return step()
    except Exception:
        log.exception("a stream failed")
        return None
