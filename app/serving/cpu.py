"""CPU load, sampled once a second by one thread.

`psutil.cpu_percent` compares with the caller's last call and keeps that per thread: called from a request it would
give 0.0 or garbage, and under gevent it leaks an entry for every greenlet.
"""

from __future__ import annotations

import contextlib
import threading
from typing import NamedTuple

import psutil

PERIOD_S = 1.0


class Usage(NamedTuple):
    """What this process takes."""

    resident_bytes: int
    cpu_s: float  # of all its threads, since it started


def usage() -> Usage:
    """Of this process, now."""
    process = psutil.Process()
    times = process.cpu_times()
    return Usage(process.memory_info().rss, times.user + times.system)


class CpuSampler:
    """The load of all cores, 0-100, over the last second; 0 in the first."""

    def __init__(self) -> None:
        self.percent = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cpu", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        psutil.cpu_percent(None)  # the first call has nothing to compare with
        while not self._stop.wait(PERIOD_S):
            with contextlib.suppress(OSError):  # no descriptor is left: the figure stays as it was
                self.percent = psutil.cpu_percent(None)
