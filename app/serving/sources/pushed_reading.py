"""Takes what clients push to a source, on the thread that all sources of a worker share."""

from __future__ import annotations

import threading
from collections.abc import Callable

from app.emg.pushed_source import PushSource
from app.emg.source import Chunk
from app.serving.process.work_loop import SAMPLES, WorkLoop


class PushedReading:
    """A job of the worker's loop: each step is one chunk. `end` is called once, on a thread of its own."""

    rank, queued = SAMPLES, False

    def __init__(
        self, source: PushSource, take_in: Callable[[Chunk], None], end: Callable[[], None], loop: WorkLoop
    ) -> None:
        """`take_in` neither waits nor raises."""
        self._source, self._take_in, self._loop = source, take_in, loop
        self._stepping, self._begun, self._ended = threading.Lock(), False, False
        self._end_of, self._over = end, threading.Event()
        self._ending = threading.Thread(target=self._say_end, name="end of a source", daemon=True)
        source.told = self._told

    def start(self) -> None:
        self._begun = True
        self._loop.add(self)

    def close(self, patience_s: float) -> None:
        """Take nothing any more, and wait for `end`, unless it is that which calls. Safe to call twice."""
        if not self._begun:
            return
        self._end()
        if threading.current_thread() is not self._ending:
            self._over.wait(patience_s)

    def step(self) -> None:
        """Take one chunk in, or find that there will be none."""
        with self._stepping:
            chunk = None if self._ended else self._source.take()
            if chunk is not None:
                self._take_in(chunk)
        if chunk is not None:
            self._loop.soon(self)  # there may be more
        elif self._source.over:
            self._end()

    def tend(self) -> None:
        if self._source.late or self._source.over:
            self._loop.soon(self)

    def _told(self) -> None:
        if self._begun:
            self._loop.soon(self)

    def _end(self) -> None:
        with self._stepping:  # a step that has begun is done
            first, self._ended = not self._ended, True
        if first:
            self._loop.remove(self)
            self._ending.start()

    def _say_end(self) -> None:
        try:
            self._end_of()
        finally:
            self._over.set()
