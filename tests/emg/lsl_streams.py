"""LSL streams of other processes for tests. Names are of this process, since a network may have others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def own(name: str) -> str:
    return f"myostream-test-{os.getpid()}-{name}"


@contextmanager
def sending(name: str, channels: int, rate: float, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A sender of `lsl_sender.py`; it has begun when this returns."""
    command = [sys.executable, "-m", "tests.emg.lsl_sender", name, str(channels), str(rate), *more]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"sending\n"
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
