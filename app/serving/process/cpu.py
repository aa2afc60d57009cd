"""What the machine's processors and this process do.

`psutil.cpu_percent` compares with the caller's last call and keeps that per thread: called from a request it would
give 0.0 or garbage, and under gevent it leaks an entry for every greenlet.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import psutil


class Usage(NamedTuple):
    """What this process takes."""

    resident_bytes: int
    cpu_s: float  # of all its threads, since it started


def usage() -> Usage:
    """Of this process, now."""
    process = psutil.Process()
    times = process.cpu_times()
    return Usage(process.memory_info().rss, times.user + times.system)


class CpuLoad:
    """The load of all cores, 0-100, between the last two samples; 0 before the second. One thread samples."""

    def __init__(self) -> None:
        self.percent = 0.0

    def sample(self) -> None:
        with contextlib.suppress(OSError):  # no descriptor is left: the figure stays as it was
            self.percent = psutil.cpu_percent(None)
