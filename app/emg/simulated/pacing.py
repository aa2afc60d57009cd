"""Real time for sources that have none of their own: samples are handed out when they are due."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
Sleep = Callable[[float], None]

MAX_LAG_S = 0.5  # a machine that was suspended is later than this; a busy one is not


class Pacer:
    """Sample n is due `n / (rate * speed)` seconds after the first; absolute, so late wake-ups do not add up.

    `speed` 2 plays twice as fast, None as fast as possible (waits for nothing, but lets others run: under
    gevent a thread that never sleeps would stop all of them). A reader that comes up to
    MAX_LAG_S late gets what is due at once and so catches up. One that comes later still (the machine
    was suspended, the process stopped) finds that time has stood still: the present sample is due now,
    nothing bursts and nothing is skipped. That is right for a simulator or a recording, whose signal waits.
    """

    def __init__(
        self,
        rate: float,
        speed: float | None = 1.0,
        clock: Clock = time.perf_counter,
        sleep: Sleep = time.sleep,
    ) -> None:
        if rate <= 0 or (speed is not None and speed <= 0):
            raise ValueError(f"rate and speed must be positive, got {rate} and {speed}")
        self._per_second = None if speed is None else rate * speed
        self._clock, self._sleep = clock, sleep
        self._epoch: float | None = None  # when sample 0 was due

    def resume(self) -> None:
        """Have the next sample be due when it is waited for: time has stood still on purpose."""
        self._epoch = None

    def wait(self, sample: int) -> float:
        """Wait until `sample` is due. The seconds that time stood still for: 0 but after a stall."""
        if self._per_second is None:
            self._sleep(0.0)
            return 0.0
        now = self._clock()
        if self._epoch is None:
            self._epoch = now - sample / self._per_second
        late = now - (self._epoch + sample / self._per_second)
        if late > MAX_LAG_S:
            self._epoch += late
            return late
        if late < 0:
            self._sleep(-late)
        return 0.0
