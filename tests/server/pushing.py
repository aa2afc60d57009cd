"""A client that pushes a source in real time to whichever worker takes it, as a device does behind a load balancer."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from random import Random

from tests.server.live import Live
from tests.server.pinned import CHUNK, RATE, SAMPLES, Pinned

PATIENCE_S = 1.0  # for an answer


class Pushing(threading.Thread):
    """Begins at once and goes on until `stop`; what was not acknowledged is sent again, perhaps elsewhere."""

    def __init__(self, servers: Sequence[Live], name: str, first: int = 0, seed: int = 0) -> None:
        super().__init__(daemon=True)
        self.servers, self._source, self._random = list(servers), name, Random(seed)
        self.next = first  # sample, not yet acknowledged
        self.signal = SAMPLES  # (n, CHANNELS) float32, over and over; this is rest
        self.longest_s = 0.0  # without an acknowledgement
        self.refused: list[str] = []
        self._over, self._goes = threading.Event(), threading.Event()
        self._goes.set()
        self._connection: Pinned | None = None
        self.start()

    def run(self) -> None:
        began = time.monotonic() - self.next / RATE
        acknowledged_at = time.monotonic()
        while not self._over.is_set():
            if not self._goes.is_set():
                self._goes.wait()
                began = time.monotonic() - self.next / RATE
            due = began + (self.next + CHUNK) / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            if self._pushed():
                now = time.monotonic()
                self.longest_s, acknowledged_at = max(self.longest_s, now - acknowledged_at), now

    def _pushed(self) -> bool:
        """Push what is due; whether it was taken."""
        try:
            if self._connection is None or self._random.random() < 0.1:  # as behind a balancer
                self.leave()
                server = self._random.choice(self.servers)
                self._connection = Pinned(HTTPConnection(server.host, server.port, timeout=PATIENCE_S))
            at = self.next % len(self.signal)
            status, receipt = self._connection.ask(
                "POST",
                f"/emg/sources/{self._source}/samples?first_sample={self.next}",
                self.signal[at : at + CHUNK].tobytes(),
                "application/octet-stream",
            )
        except (OSError, HTTPException):
            self.leave()
            time.sleep(0.02)
            return False
        if status != 200:
            self.refused.append(str(receipt.get("detail")))
            self.leave()
            time.sleep(0.02)
            return False
        self.next = int(receipt["next_sample"])
        return True

    def leave(self) -> None:
        """Take another connection next."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def pause(self) -> None:
        self._goes.clear()

    def go_on(self) -> None:
        """From where it was."""
        self._goes.set()

    def stop(self) -> None:
        self._over.set()
        self._goes.set()
        self.join(10)
        self.leave()
