"""A real Redis of the test's own, on a unix socket."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def running(path: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """At `unix://{path}`; skips the test where there is none. `more` are arguments that it gets too."""
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server")
    command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", path.parent, *more]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 20
        with socket.socket(socket.AF_UNIX) as probe:
            while probe.connect_ex(str(path)) != 0:
                assert process.poll() is None, "redis did not start: is its port taken?"
                assert time.monotonic() < ends, "redis did not start in time"
                time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait()
