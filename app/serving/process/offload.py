"""Work that blocks, such as the disk's, done on a native thread while the streams go on.

Under gevent a write or fsync in a greenlet would hold the hub, and with it every stream, until the disk has answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from app.serving.process.native_thread import native_thread

T = TypeVar("T")


class BlockingWorker:
    """One native thread; callers wait for their own job and hold up nobody else."""

    def __init__(self) -> None:
        self._thread = native_thread()
        self._closed = False

    def do(self, job: Callable[[], T]) -> T:
        """Return what `job` returns or raises."""
        done: list[T] = []
        failed: list[Exception] = []

        def guarded() -> None:
            try:
                done.append(job())
            except Exception as error:
                failed.append(error)

        try:
            self._thread.run(guarded)
        except (
            RuntimeError
        ):  # the interpreter is going, and no thread takes work any more: nobody is held up now
            guarded()
        if failed:
            raise failed[0]
        return done[0]

    def close(self) -> None:
        """After the jobs already begun. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._thread.close()
