"""The process in which trainings are done, as the worker that began it sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.learning.jobs.order import PROCESS, TrainingOrder

NICENESS = 19  # a sixtieth of the share of a stream: with 10, 300 streams had 1 % more of their frames late
PROJECT = Path(__file__).resolve().parents[3]
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class TrainingProcess:
    """A process that loads what trainings need, and does them one by one. Nothing here waits long.

    Begin, look at and end it on one native thread: the kernel ends the process together with the thread that began it
    (prctl(2), PR_SET_PDEATHSIG).
    """

    def __init__(self) -> None:
        before = os.environ.get("PYTHONPATH")
        path = str(PROJECT) if not before else f"{PROJECT}{os.pathsep}{before}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", PROCESS, str(NICENESS)],
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._said = b""
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def begin(self, order: TrainingOrder) -> None:
        """Have it do a training, when the one before is done."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # what it has to say of that, its end says
            self._process.stdin.write(json.dumps(order.as_json()).encode() + b"\n")

    def look(self) -> tuple[list[dict[str, Any]], bool]:
        """Return what it has told since the last look, and whether it has ended."""
        ended = self.ended  # before the pipe is read: what it said last is there then
        assert self._process.stdout is not None
        while piece := self._process.stdout.read(2**16):
            self._said += piece
        *lines, self._said = self._said.split(b"\n")
        return [found for line in lines if (found := _read(line)) is not None], ended

    def end(self) -> None:
        """End it at once with what it does, and let go of it. Safe to call twice."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        stdout = self._process.stdout
        if stdout is not None and not stdout.closed:
            os.set_blocking(stdout.fileno(), True)  # gevent's select would begin a loop on this thread
            while stdout.read(2**16):
                continue  # the pipe ends with the last that holds it: the training, which dies with its parent
        for pipe in (self._process.stdin, stdout):
            if pipe is not None:
                pipe.close()


def _read(line: bytes) -> dict[str, Any] | None:
    """Return what a line says; None for what a library has written."""
    with suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return None
