"""The one thread of a worker on which samples become frames, for all its sources together.

A thread for each source and one for each group of readers would have to be woken for every chunk and every frame: that
alone takes longer than a chunk. Here who brings something says which job it is for, and the thread is woken where it
sleeps: once for all that comes at the same moment.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger(__name__)

RANKS = SAMPLES, FRAMES, FAST_FRAMES = range(3)  # what is done first where several jobs are due
SLICE_S = 0.0005  # after which the other work of this process gets its turn: see INLINE_S
TEND_S = 0.03  # between two looks at jobs for which nothing comes: a gesture is to end 0.3 s after its signal


class Job(Protocol):
    """Something that is to be done again and again."""

    rank: int  # of RANKS
    queued: bool  # kept by the loop; False at first

    def step(self) -> None:
        """Do the next part of what is due, and say `soon` where there is more. It must not wait."""

    def tend(self) -> None:
        """See whether something is due for which nobody says `soon`, such as that nothing has come for a while."""


class WorkLoop:
    """Jobs are added, and done soon as often as somebody says so. Its thread runs while there are jobs."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._jobs: dict[Job, None] = {}  # in their order
        self._ready: tuple[deque[Job], ...] = tuple(deque() for _ in RANKS)
        self._lock = threading.Lock()
        self._awake, self._asleep = threading.Event(), False
        self._running = False
        self._tend_at = 0.0

    @property
    def jobs(self) -> int:
        """Return how many there are."""
        return len(self._jobs)

    def add(self, job: Job) -> None:
        """Do that job from now on, the first time soon."""
        with self._lock:
            self._jobs[job] = None
            start, self._running = not self._running, True
        if start:
            self._tend_at = self._clock() + TEND_S
            threading.Thread(target=self._run, name="work loop", daemon=True).start()
        self.soon(job)

    def remove(self, job: Job) -> None:
        """Do it no more; a step that has begun goes on. Safe to call twice."""
        with self._lock:
            self._jobs.pop(job, None)
        self._awake.set()

    def soon(self, job: Job) -> None:
        """Have its next step done; may be called from any thread, and costs little where that is said already."""
        if job.queued:
            return
        job.queued = True
        self._ready[job.rank].append(job)
        # the thread says that it sleeps, and then looks once more: one of the two is seen
        if self._asleep:
            self._awake.set()

    def _run(self) -> None:
        began = self._clock()
        while True:
            job = next((ready.popleft() for ready in self._ready if ready), None)
            if job is None:
                if self._over():
                    return
                self._sleep()
                began = self._clock()
            else:
                job.queued = False  # before the step: what comes meanwhile is seen by it, or by another
                if job in self._jobs:
                    _tried(job.step)
            now = self._clock()
            if now >= self._tend_at:
                self._tend_at = now + TEND_S
                for one in self._jobs.copy():
                    _tried(one.tend)
            # who wants frames at a high rate lets all others come between any two of them
            if now - began > SLICE_S or (job is not None and job.rank == FAST_FRAMES):
                time.sleep(0)
                began = self._clock()

    def _sleep(self) -> None:
        self._asleep = True
        if not any(self._ready):
            self._awake.wait(max(self._tend_at - self._clock(), 0.0))
        self._asleep = False
        self._awake.clear()

    def _over(self) -> bool:
        """Whether there is no job left, and the thread ends."""
        with self._lock:
            self._running = bool(self._jobs)
            return not self._running


def _tried(step: Callable[[], None]) -> None:
    """Do it; one that fails stops no other."""
    try:
        step()
    except Exception:
        log.exception("a step failed")
