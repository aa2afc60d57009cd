"""The signals that gunicorn's master has yet to handle: an order to end goes before all others, and reloads are one."""

from __future__ import annotations

import signal
from collections import deque
from typing import Any

ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class SignalQueue:
    """In the place of the arbiter's own, which has them in the order in which they came.

    A reload takes seconds: behind eight of them SIGTERM had to wait for a minute. `arrived` is the arbiter's own queue,
    into which a signal handler may put at any time.
    """

    def __init__(self, arrived: Any) -> None:
        self._arrived = arrived
        self._waiting: deque[int] = deque()

    def put_nowait(self, number: int) -> None:
        """Take a signal, also from its handler."""
        self._arrived.put_nowait(number)

    def get(self, block: bool = True, timeout: float | None = None) -> int:
        """Return the next to be handled; queue.Empty where none has come in time."""
        self._take()
        if not self._waiting:
            self._waiting.append(self._arrived.get(block=block, timeout=timeout))
            self._take()
        number = self.take_end()
        if number is None:
            number = self._waiting.popleft()
        if number == signal.SIGHUP:  # all that wait ask for the same
            self._waiting = deque(other for other in self._waiting if other != number)
        return number

    def get_nowait(self) -> int:
        """Return the next to be handled; queue.Empty where there is none."""
        return self.get(block=False)

    @property
    def ends(self) -> bool:
        """Whether an order to end waits."""
        self._take()
        return any(number in ENDS for number in self._waiting)

    def take_end(self) -> int | None:
        """Return the order to end that waits, which is handled with that."""
        self._take()
        found = next((number for number in self._waiting if number in ENDS), None)
        if found is not None:
            self._waiting.remove(found)
        return found

    def _take(self) -> None:
        while not self._arrived.empty():
            self._waiting.append(self._arrived.get_nowait())
