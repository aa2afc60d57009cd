"""All that a node tells Redis without waiting for it: what waits goes together, so that a busy node sends seldom."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from app.serving.bus.redis_link import NotThereError, RedisError, RedisLink, pause

MOST_WAITING = 16 * 2**20  # bytes; of events, more are dropped
MOST_AT_ONCE = 500  # commands
SENDING = "nothing can be sent to other workers"

Told = Callable[[Any], None]  # with what Redis answers, or with the exception


class Order(NamedTuple):
    """One command, its size in bytes, and who is told of its answer."""

    command: tuple[Any, ...]
    size: int
    told: Told


class RedisSender:
    """One thread with a connection of its own. While Redis does not answer, what is to be sent is lost at once."""

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
        client: Any = None
        while True:
            self._there.wait()
            self._there.clear()
            while orders := self._taken():
                try:
                    client = client or self._link.connect(alone=True)
                    self._send(client, orders)
                    self._link.well(SENDING)
                except (*NotThereError, RedisError) as error:
                    self._link.trouble(SENDING, error)
                    for order in orders:
                        order.told(error)
                    if client is not None:
                        with contextlib.suppress(*NotThereError, RedisError):
                            client.close()
                    client = None
                    pause()
            if self._closed:
                return

    def _taken(self) -> list[Order]:
        with self._lock:
            orders = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
            self._size -= sum(order.size for order in orders)
        return orders

    def _send(self, client: Any, orders: list[Order]) -> None:
        """Send these. Where Redis is not there, nobody knows which of them it has done."""
        pipe = client.pipeline(transaction=False)
        for order in orders:
            pipe.execute_command(*order.command)
        for order, answer in zip(orders, pipe.execute(raise_on_error=False), strict=True):
            order.told(answer)
