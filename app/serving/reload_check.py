"""Whether a reload would succeed, found out by gunicorn's master before it begins one."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable

from app.serving.process.native_thread import native, native_sleep

CHECK_S = 60.0
CHILD_POLL_S = 0.05


def whats_wrong(workers: int, addresses: Iterable[str], given_up: Callable[[], bool] = lambda: False) -> str:
    """Why so many workers, listening there, could not open what the settings name; empty where they could.

    Asked in a process of its own (app/serving/preflight.py): it has today's code and `.env`. By the system's own calls,
    as the master has no hub to wait on; it is judged by what it says, since gunicorn may take its exit code. It is not
    waited for any longer once `given_up` says so.
    """
    spawn, wait, ends = native("os", "posix_spawn"), native("os", "waitpid"), time.monotonic() + CHECK_S
    command = [sys.executable, "-m", "app.serving.preflight", str(workers), *addresses]
    with tempfile.TemporaryFile() as said:
        into = [(os.POSIX_SPAWN_DUP2, said.fileno(), descriptor) for descriptor in (1, 2)]
        child = spawn(sys.executable, command, os.environ, file_actions=into)
        try:
            while not wait(child, os.WNOHANG)[0]:
                late = time.monotonic() >= ends
                if late or given_up():  # it would hold for ever what it has opened
                    native("os", "kill")(child, signal.SIGKILL)
                    wait(child, 0)
                    return f"the check gave no answer within {CHECK_S:g} s" if late else "it was given up"
                native_sleep(CHILD_POLL_S)
        except ChildProcessError:
            pass  # gunicorn has taken it
        said.seek(0)
        lines = said.read().decode(errors="replace").split("\n")
    answer = next((line for line in reversed(lines) if line.strip()), "the check gave no answer")
    return "" if answer == "sound" else answer
