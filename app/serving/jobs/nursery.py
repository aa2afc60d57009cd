"""Where the trainings of one worker are done: a process that is begun when one comes, and kept for the next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from app.learning.jobs.order import TrainingOrder, too_much_said
from app.serving.jobs.child import TrainingProcess
from app.serving.jobs.job import TrainingError
from app.serving.process.offload import BlockingWorker

IDLE_S = 600.0  # after which it ends: it holds 80 MB, and loading them takes two seconds


class Nursery:
    """The process for trainings. One may be done at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._process: TrainingProcess | None = None
        self._thread = BlockingWorker()
        self._busy = threading.Lock()
        self._used = clock()

    def expect(self) -> None:
        """Have the process load what a training needs, since one is likely to come."""
        self._used = self._clock()
        self._thread.do(self._ready)

    def do(
        self, order: TrainingOrder, heard: Callable[[str], None], wait: Callable[[], None]
    ) -> dict[str, Any]:
        """Do a training and return what it found; `heard` is told of each stage, and `wait` called between two looks.

        Raises:
            TrainingError: it has failed; says why.
        """
        with self._busy:
            self._thread.do(lambda: self._ready().begin(order))
            try:
                found = self._heard(order, heard, wait)
            except BaseException:  # nobody wants it any more
                self._thread.do(self._end)
                raise
            self._used = self._clock()
        if "error" in found:
            raise TrainingError(found["error"], found.get("failure"))
        result: dict[str, Any] = found["result"]
        return result

    def tidy(self) -> None:
        """End the process where it has had nothing to do for long."""
        if self._process is not None and self._clock() - self._used >= IDLE_S:
            self.rest()

    def rest(self) -> None:
        """End the process, unless it does something; the next training begins another."""
        if self._busy.acquire(blocking=False):
            try:
                self._thread.do(self._end)
            finally:
                self._busy.release()

    def close(self) -> None:
        """End the process. Safe to call twice."""
        self._thread.do(self._end)
        self._thread.close()

    def _ready(self) -> TrainingProcess:
        if self._process is None or self._process.ended:
            self._end()
            self._process = TrainingProcess()
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def _look(self) -> tuple[list[dict[str, Any]], bool]:
        return ([], True) if self._process is None else self._process.look()

    def _heard(
        self, order: TrainingOrder, heard: Callable[[str], None], wait: Callable[[], None]
    ) -> dict[str, Any]:
        """Return the last line that a training says."""
        while True:
            lines, ended = self._thread.do(self._look)
            for line in lines:
                if "stage" in line:
                    heard(line["stage"])
                elif "error" in line or "result" in line:
                    return line
            if ended:
                return too_much_said(order)
            wait()
