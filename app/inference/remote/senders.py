"""Windows of all who ask at the same time, sent together: as many calls under way as there are connections.

Who asks waits for the answer or for its own deadline, whichever is first; what comes later is dropped, and what was not
sent by then is never sent. Each connection has a thread (under gevent a greenlet of the hub), which ends when nobody
asks for a while, and which makes, uses and closes it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np

from app.inference.backend import Batch
from app.inference.remote.messages import Answered
from app.inference.remote.target import RemoteError

log = logging.getLogger(__name__)

CONNECTIONS = 2  # so that a batch is on its way while another is computed
IDLE_S = 1.0


class Closeable(Protocol):
    """A connection."""

    def close(self) -> None:
        """Free it."""


C = TypeVar("C", bound=Closeable)


@dataclass(slots=True, eq=False)
class _Asked:
    windows: Batch
    asked_at: float
    deadline: float
    done: threading.Event = field(default_factory=threading.Event)
    began: float | None = None  # when it was sent
    ended: float | None = None
    found: Answered | None = None
    error: Exception | None = None
    abandoned: bool = False
    together: int = 0  # windows of the call that it is the first of


@dataclass(frozen=True, slots=True)
class Served:
    """An answer, and how long it took: the wait for a connection, and the call.

    `windows` are all that the call had, for the first of those who share it; 0 for the others.
    """

    answered: Answered
    wait_s: float
    latency_s: float
    windows: int


class Senders(Generic[C]):
    """`send` asks on a connection that `connect` makes, until a deadline; `most` windows go together."""

    def __init__(
        self,
        connect: Callable[[], C],
        send: Callable[[C, Batch, float], Answered],
        most: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect, self._send, self._most, self._clock = connect, send, most, clock
        self._waiting: deque[_Asked] = deque()
        self._news = threading.Condition()
        self._running = self._idle = 0
        self.closed = False

    def ask(self, windows: Batch, timeout_s: float) -> Served:
        """Return the answer to windows (at most `most`), sent with others that wait.

        Raises:
            RemoteError: it failed, or did not come within `timeout_s`.
        """
        now = self._clock()
        asked = _Asked(windows, now, now + timeout_s)
        with self._news:
            self._waiting.append(asked)
            if self._idle:  # one that wakes up takes all that waits
                self._news.notify()
            elif self._running < CONNECTIONS:
                self._running += 1
                threading.Thread(target=self._run, name="remote", daemon=True).start()
        in_time = asked.done.wait(timeout_s)
        # on a busy machine who waited is woken late, and may find what came late as well
        if not in_time or (asked.ended is not None and asked.ended > asked.deadline):
            asked.abandoned = True
            raise RemoteError(
                f"no answer within {timeout_s * 1e3:g} ms",
                "See how busy it is, or raise EMG_OIP_TIMEOUT",
                late=True,
            )
        if asked.error is not None:
            raise asked.error
        assert asked.found is not None  # it is done, and with it the next two
        assert asked.began is not None
        assert asked.ended is not None
        return Served(asked.found, asked.began - asked.asked_at, asked.ended - asked.began, asked.together)

    def _run(self) -> None:
        connection = self._connect()
        try:
            while batch := self._next():
                self._serve(connection, batch)
        finally:
            connection.close()

    def _next(self) -> list[_Asked]:
        """Return those who wait and whose time is not over, as many as go together; none when this thread may end."""
        with self._news:
            while True:
                if batch := self._together():
                    return batch
                if self.closed:
                    self._running -= 1
                    return []
                self._idle += 1
                self._news.wait(IDLE_S)
                self._idle -= 1
                if not self._waiting:
                    self._running -= 1
                    return []

    def _together(self) -> list[_Asked]:
        batch: list[_Asked] = []
        size, most, now = 0, self._most(), self._clock()
        while self._waiting:
            first = self._waiting[0]
            if first.abandoned or first.deadline <= now:
                self._waiting.popleft()
                continue
            size += len(first.windows)
            if batch and size > most:
                break
            batch.append(self._waiting.popleft())
        return batch

    def _serve(self, connection: C, batch: Sequence[_Asked]) -> None:
        began = self._clock()
        batch[0].together = sum(len(asked.windows) for asked in batch)
        for asked in batch:
            asked.began = began
        windows = batch[0].windows if len(batch) == 1 else np.concatenate([asked.windows for asked in batch])
        try:
            found = self._send(connection, windows, max(asked.deadline for asked in batch))
        except Exception as error:  # for those who asked; this thread goes on
            if not isinstance(error, RemoteError):
                log.exception("a question to the fleet failed")
            for asked in batch:
                asked.error = error
        else:
            start = 0
            for asked in batch:
                rows = slice(start, start + len(asked.windows))
                asked.found = Answered(found.output[rows], found.spikes[rows], found.version)
                start = rows.stop
        ended = self._clock()
        for asked in batch:
            asked.ended = ended
            asked.done.set()
