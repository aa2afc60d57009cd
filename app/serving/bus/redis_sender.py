"""All that a node tells Redis without waiting for it: what has gathered goes together, and answers are read beside."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from app.serving.bus.redis_link import (
    PATIENCE_S,
    NotThereError,
    RedisError,
    RedisLink,
    ResponseError,
    pause,
)

log = logging.getLogger(__name__)

MOST_WAITING = 16 * 2**20  # bytes; of events, more are dropped
MOST_AT_ONCE = 500  # commands
SENDING = "nothing can be sent to other workers"

Told = Callable[[Any], None]  # with what Redis answers, or with the exception


class Order(NamedTuple):
    """One command, its size in bytes, and who is told of its answer."""

    command: tuple[Any, ...]
    size: int
    told: Told


class _Line:
    """One connection. A thread of its own reads the answers, so that no event waits for that to one before it."""

    def __init__(self, link: RedisLink) -> None:
        self._link, self._connection = link, link.connection()
        self._sent: deque[Told] = deque()  # who have no answer yet, in the order of the answers
        self._there, self._lock, self._over = threading.Event(), threading.Lock(), False
        self.error: Exception | None = None  # why it is broken
        self._thread = threading.Thread(target=self._read, name="bus sender answers", daemon=True)
        self._thread.start()

    @property
    def usable(self) -> bool:
        """Whether the other end is there, as far as can be seen: Redis may have begun anew meanwhile."""
        if self.error is not None:
            return False
        try:
            return bool(self._sent) or not self._connection.can_read(0)
        except (*NotThereError, RedisError):
            return False

    def send(self, orders: list[Order]) -> None:
        """Send these. Where it breaks nobody knows which of them Redis has done."""
        with self._lock:
            self._sent.extend(order.told for order in orders)
        if self.error is None:
            try:
                packed = self._connection.pack_commands([order.command for order in orders])
                self._connection.send_packed_command(packed, check_health=False)
            except (*NotThereError, RedisError) as error:
                self._break(error)
        self._there.set()
        if self.error is not None:  # perhaps meanwhile
            self._break(self.error)

    def finish(self, patience_s: float = 0.0) -> None:
        """Take the answers that are still to come, and end; wait for that for so long."""
        self._over = True
        self._there.set()
        self._thread.join(patience_s)

    def _read(self) -> None:
        try:
            while not self._over or self._sent:
                self._there.wait()
                self._there.clear()
                while self._sent:
                    answer = self._answer()
                    with self._lock:
                        told = self._sent.popleft() if self._sent else None  # None: it broke just now
                    if told is not None:
                        self._link.well(SENDING)
                        told(answer)
            self._connection.disconnect()
        except (*NotThereError, RedisError) as error:
            self._break(error)
        except Exception as error:
            log.exception("an answer of Redis was not taken")
            self._break(error)

    def _answer(self) -> Any:
        try:
            return self._connection.read_response()
        except ResponseError as error:
            return error

    def _break(self, error: Exception) -> None:
        """Tell all who have no answer why."""
        self.error = error
        self._link.trouble(SENDING, error)
        self._connection.disconnect()
        with self._lock:
            sent, self._sent = self._sent, deque()
        for told in sent:
            told(error)


class RedisSender:
    """One thread that writes. While Redis does not answer, what is to be sent is lost at once."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._waiting: deque[Order] = deque()
        self._size = 0
        self._there, self._closed = threading.Event(), False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="bus sender", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def send(self, command: tuple[Any, ...], size: int, told: Told, *, droppable: bool = False) -> bool:
        """Have it sent soon, in order; False where that is dropped because too much waits already."""
        with self._lock:
            if self._closed or (droppable and self._size > MOST_WAITING):
                return False
            self._waiting.append(Order(command, size, told))
            self._size += size
        self._there.set()
        return True

    def close(self, patience_s: float) -> None:
        """Send what waits, as far as that goes in this time."""
        self._closed = True
        self._there.set()
        if self._thread.is_alive():
            self._thread.join(patience_s)

    def _run(self) -> None:
        line: _Line | None = None
        while True:
            self._there.wait()
            self._there.clear()
            while orders := self._taken():
                if line is not None and not line.usable:
                    line.finish()
                    line = None
                line = line or self._connected(orders)
                if line is not None:
                    line.send(orders)
                    if line.error is not None:
                        pause()
            if self._closed:
                if line is not None:
                    line.finish(PATIENCE_S)
                return

    def _connected(self, orders: list[Order]) -> _Line | None:
        """Return a new line; None, and those are told, where there is none."""
        try:
            return _Line(self._link)
        except (*NotThereError, RedisError) as error:
            self._link.trouble(SENDING, error)
            for order in orders:
                order.told(error)
            pause()
            return None

    def _taken(self) -> list[Order]:
        with self._lock:
            orders = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
            self._size -= sum(order.size for order in orders)
        return orders
