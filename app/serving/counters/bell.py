"""Wakes the other workers of a server at once; who misses it looks by itself at the next tick."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from app.serving.counters.worker_group import WorkerGroup


class Bell:
    """An abstract address (unix(7)) for each worker's slot."""

    def __init__(self, worker_group: WorkerGroup, heard: Callable[[], None]) -> None:
        """`heard` is called on a thread of the bell's own when another worker rings."""
        self._group, self._heard = worker_group, heard
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Listen, where there are others."""
        if not self._group.shares:
            return
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            listener.bind(self._address(self._group.slot))
        except OSError:  # more workers than slots, or the one before has not left: ticks will do
            listener.close()
            return
        self._socket = listener
        threading.Thread(target=self._listen, args=(listener,), name="bell", daemon=True).start()

    def ring(self) -> None:
        """Wake all others."""
        if not self._group.shares:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as caller:
            caller.setblocking(False)
            for slot in range(len(self._group.slots)):
                if slot != self._group.slot:
                    with contextlib.suppress(OSError):  # nobody is there, or it has been rung often enough
                        caller.sendto(b"!", self._address(slot))

    def close(self) -> None:
        """Safe to call twice."""
        listener, self._socket = self._socket, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the one that listens
            listener.close()

    def _listen(self, listener: socket.socket) -> None:
        while self._socket is listener:
            try:
                rung = listener.recv(16)
            except OSError:
                return
            if rung and self._socket is listener:
                self._heard()

    def _address(self, slot: int) -> str:
        return f"\0myostream-{self._group.run}-bell-{slot}"
