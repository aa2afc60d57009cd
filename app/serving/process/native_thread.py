"""The one native thread that drives the backends, under gevent and under ordinary threads alike.

Under gevent `threading.Thread` is a greenlet: inference in one would block every stream. So a gevent worker uses
gevent's own thread pool of one, and `flask run` and the tests use the standard library's (the hub of a gevent pool
must not be shared by several native threads). Everything else in `serving` is written with plain `threading`, which
gunicorn.conf.py patches before it is imported.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from importlib import import_module
from typing import Any, Protocol

Job = Callable[[], None]  # must not raise: it keeps its own result and error


class NativeThread(Protocol):
    """Runs jobs one after the other on the same native thread."""

    def run(self, job: Job, timeout_s: float | None = None) -> bool:
        """Queue `job` and wait until it has run. False: the time was over first (it may still run later)."""

    def breathe(self) -> None:
        """Let the other callers of this process run; called after work that did not wait."""

    def close(self) -> None:
        """End the thread after the jobs already queued."""


class PlainThread:
    """For ordinary threads: `flask run`, tests, commands."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="engine")

    def run(self, job: Job, timeout_s: float | None = None) -> bool:
        try:
            self._pool.submit(job).result(timeout_s)
        except (TimeoutError, FutureTimeoutError):  # two names until Python 3.11
            return False
        return True

    def breathe(self) -> None:
        """Nothing to do: the system shares the time out."""

    def close(self) -> None:
        self._pool.shutdown(wait=True)


class GeventThread:
    """For a gevent worker: a waiting caller gives the hub to the other greenlets."""

    def __init__(self) -> None:
        import gevent
        from gevent.threadpool import ThreadPool

        self._pool: Any = ThreadPool(1)
        self._sleep, self._timeout = gevent.sleep, gevent.Timeout

    def run(self, job: Job, timeout_s: float | None = None) -> bool:
        # around both: a pool of one lets two callers in, and `spawn` itself waits from the third on
        timeout = self._timeout(timeout_s)
        try:
            with timeout:
                self._pool.spawn(job).wait()
        except self._timeout as ended:
            if ended is not timeout:  # somebody else's, around this call
                raise
            return False
        return True

    def breathe(self) -> None:
        """gevent changes greenlets only where one waits: a busy connection would keep the hub to itself."""
        self._sleep(0)

    def close(self) -> None:
        self._pool.join()
        self._pool.kill()


def native_thread() -> NativeThread:
    """Return the kind of thread that fits this process: gevent's where `threading` is monkey-patched."""
    return PlainThread() if _gevent() is None else GeventThread()


def run_aside(job: Job, timeout_s: float | None = None) -> bool:
    """Run `job` on a native thread of its own, which ends with it, and wait. False: the time was over; it runs on."""
    thread, done = native_thread(), False
    try:
        done = thread.run(job, timeout_s)
    finally:
        if done:
            thread.close()
        else:  # closing waits for the job
            threading.Thread(target=thread.close, name="aside", daemon=True).start()
    return done


def start_native(job: Job) -> None:
    """Run `job` on a native thread of its own, also under gevent. It ends with the process, or when the job does."""
    native("_thread", "start_new_thread")(job, ())


def native_sleep(seconds: float) -> None:
    """Sleep on a native thread: no greenlet is asked to go on meanwhile."""
    native("time", "sleep")(seconds)


def native(module: str, name: str) -> Any:
    """Return a function as Python has it, whatever gevent has put in its place."""
    monkey = _gevent()
    return getattr(import_module(module), name) if monkey is None else monkey.get_original(module, name)


def _gevent() -> Any:
    """gevent's patches, where they are made; it is never imported into a process that does not use it."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey if monkey is not None and monkey.is_module_patched("threading") else None
