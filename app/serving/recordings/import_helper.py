"""The process that imports for a worker: begun at the first import, and again where it has gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from app.emg.recording import import_job
from app.errors import NotReadyError

TRIES = 3
PROJECT = Path(__file__).resolve().parents[3]
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class ImportHelper:
    """One process, which forks for each job: the worker, with all that it holds, forks for none.

    A worker that forked for each would stand still until the child has been given a processor. Everything here blocks:
    it belongs on a native thread.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def do(self, job: Path, result: Path) -> None:
        """Have the job in that file done; what came of it is in `result`, unless its process died.

        Raises:
            NotReadyError: no process takes it.
        """
        line = json.dumps([str(job), str(result)]).encode() + b"\n"
        for _ in range(TRIES):
            process, answer = self._running(), b""
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError):
                process.stdin.write(line)
                answer = process.stdout.readline()
            if not answer:
                self.close()
            if not job.exists():  # who takes a job takes its file away; one that had just ended has not
                return
        raise NotReadyError("the process that imports does not begin; the server's log has the reason")

    def kill(self) -> None:
        """End it at once, from any thread, and what it does with it."""
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()

    def close(self) -> None:
        """End it and forget it. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            before = os.environ.get("PYTHONPATH")
            path = str(PROJECT) if not before else f"{PROJECT}{os.pathsep}{before}"
            self._process = subprocess.Popen(
                [sys.executable, "-m", import_job.PROCESS],
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
        return self._process
