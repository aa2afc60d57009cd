"""Fairness between groups: those of high rates make their frames a few at a time, and others in between.

A hub serves whoever is ready in turn. Were thirty groups of 250 fps ready at every moment, a frame at 30 fps would wait
for a frame of each of them; so most of them wait elsewhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FAST_FPS = 40.0  # groups above take turns
AT_ONCE = 2  # of them; an engine that is not called in place can batch so many


class Turns:
    """Shared by all groups of a worker."""

    def __init__(self) -> None:
        self._fast = threading.BoundedSemaphore(AT_ONCE)

    @contextmanager
    def turn(self, fps: float) -> Iterator[None]:
        """Wait until a group of that rate may make a frame, and let the others have their turn after it."""
        if fps <= FAST_FPS:
            yield
            return
        with self._fast:
            yield
            time.sleep(0)
