"""When a fleet is asked, and when it is left alone: a circuit breaker."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

MOST_FAILURES = 3  # in a row, before it is left alone
FIRST_S, LONGEST_S = 1.0, 30.0  # until it is tried again; doubled each time


class Circuit:
    """`trouble` says why it is open; None while it is closed, which is when the fleet is asked.

    A try that succeeds closes it. The wait doubles until a real question has been answered: a fleet that passes each
    try, and is then too slow, is not asked every second.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures, self._wait_s, self._due = 0, FIRST_S, 0.0
        self._failed_at = -math.inf
        self.trouble: str | None = None
        self.opened = 0  # times

    @property
    def due(self) -> bool:
        """Whether it is open, and time for a try."""
        return self.trouble is not None and self._clock() >= self._due

    def answered(self) -> None:
        """Note that a question was answered in time."""
        if self.trouble is None:
            self._failures, self._wait_s = 0, FIRST_S

    def failed(self, reason: str, asked_at: float, grave: bool = False) -> None:
        """Note that one was not; after MOST_FAILURES in a row, or a grave one, the circuit is open.

        Questions that were asked before the last failure was known have met the same trouble, and count once.
        """
        if asked_at >= self._failed_at:
            self._failures += 1
            self._failed_at = self._clock()
        if self.trouble is None and (grave or self._failures >= MOST_FAILURES):
            self._open(reason)

    def tried(self, trouble: str | None) -> None:
        """Note what came of a try: None where all was well."""
        self._failures = 0
        if trouble is None:
            self.trouble = None
        else:
            self._open(trouble)

    def _open(self, reason: str) -> None:
        self.opened += self.trouble is None
        self.trouble, self._failures = reason, 0
        self._due = self._clock() + self._wait_s
        self._wait_s = min(self._wait_s * 2, LONGEST_S)
