"""Small real classes that the signal path's tests share."""

from __future__ import annotations


class Time:
    """A clock that moves only when someone sleeps, or when the test says so."""

    def __init__(self, oversleep: float = 0.0) -> None:
        self.now, self.oversleep, self.slept = 1000.0, oversleep, 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept += seconds
        self.now += seconds + self.oversleep
