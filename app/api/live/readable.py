"""Which of many sockets have something to be read: one look for all of them, whatever their number (epoll(7))."""

from __future__ import annotations

import select
import threading
from typing import Any

from app.serving.process.native_thread import native

MOST = 256  # told at once
_IN = 1  # EPOLLIN, sys/epoll.h


class Readable:
    """A watcher of its own for each socket costs three times as much under gevent (shared notes: 16 us to 7)."""

    def __init__(self) -> None:
        """Begin with none.

        Raises:
            AttributeError: this system has no epoll.
        """
        self._epoll: Any = native("select", "epoll")()
        self._any = select.poll()  # gevent's own, where it is: whoever waits gives the hub to others
        self._any.register(self._epoll.fileno(), select.POLLIN)
        self._watched: set[int] = set()
        self._lock = threading.Lock()

    def watch(self, fd: int) -> None:
        """Look at that descriptor too."""
        with self._lock:
            if fd not in self._watched:
                self._epoll.register(fd, _IN)
                self._watched.add(fd)

    def leave(self, fd: int) -> None:
        """Look at it no more; to be called before it is closed. Safe to call twice."""
        with self._lock:
            if fd in self._watched:
                self._watched.discard(fd)
                self._epoll.unregister(fd)

    def wait(self, timeout_s: float) -> list[int]:
        """Return those that can be read, or have ended; empty when the time is over first."""
        ready = self._epoll.poll(0, MOST)
        if not ready and self._any.poll(timeout_s * 1e3):
            ready = self._epoll.poll(0, MOST)
        return [fd for fd, _ in ready]
