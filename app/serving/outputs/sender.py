"""One way out of the server, kept open by one of its workers."""

from __future__ import annotations

import contextlib
import logging
import math
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from app.errors import MyostreamError
from app.inference.gestures.events import GestureEvent, Reason
from app.inference.manifest import Manifest
from app.serving.counters.output_row import OutputRow
from app.serving.streams.events import Frame, ValueFrame

log = logging.getLogger(__name__)

RETRY_S, RETRY_MAX_S = 1.0, 30.0  # until a sender that failed is opened again here; doubled each time


class Sender(Protocol):
    """One way out for the decisions of a model. Nothing in it waits because of a receiver."""

    def follow(self, manifest: Manifest, /) -> bool:
        """Send those of another model from now on, and say so; False where that takes another sender."""

    def frame(self, frame: Frame | ValueFrame) -> None:
        """Send it; nothing where it is of another kind of model than the sender is for."""

    def gesture(self, event: GestureEvent) -> None:
        """Send it, where the way has a form for it."""

    def rest(self, reason: Reason = "stalled") -> None:
        """Say rest: the source is silent, or the server stops. Said again and again while it lasts."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class OutputState:
    """How a way out is doing in all workers, and what it failed of last in this one."""

    state: str  # one of OUTPUT_STATES
    reason: str | None


class SenderGuard:
    """Has a sender in one worker at a time, and again after it has raised; what it raises goes no further.

    Before there is a model there is nothing to send, and no sender. One that fails gives the lock back before anything
    else, so that another worker takes over while this one waits. Only the thread of the outputs calls it, but `reason`.
    """

    def __init__(
        self,
        name: str,
        open_sender: Callable[[Manifest], Sender],
        try_lock: Callable[[str], socket.socket | None],
        row: OutputRow,
        clock: Callable[[], float] = time.monotonic,
        counts_frames: bool = True,
    ) -> None:
        """`counts_frames`: each frame is sent; else the sender counts what it sends itself."""
        self.name = name
        self.reason: str | None = None  # what it failed of last here; None after it has been well for a while
        self._open_sender, self._try_lock, self._row, self._clock = open_sender, try_lock, row, clock
        self._counts_frames = counts_frames
        self._lock: socket.socket | None = None
        self._sender: Sender | None = None
        self._manifest: Manifest | None = None
        self._wait_s, self._retry_at, self._opened_at = RETRY_S / 2, clock(), math.inf

    @property
    def why(self) -> str | None:
        """Return what it failed of, or why its receiver takes nothing just now."""
        said: str | None = getattr(self._sender, "trouble", None)  # of those with a receiver who can be gone
        return self.reason or said

    def open(self) -> bool:
        """Have the sender here where it is due and no other worker has it; whether that is so."""
        if self._lock is None and self._clock() >= self._retry_at:
            self._attempt(self._open)
        return self._lock is not None

    def read_by(self, manifest: Manifest) -> None:
        """Send the decisions of that model from now on."""
        before, self._manifest = self._manifest, manifest
        if self._lock is not None and manifest is not before:
            self._attempt(self._change)

    def frame(self, frame: Frame | ValueFrame) -> None:
        if self._sender is not None and self._attempt(partial(self._sender.frame, frame)):
            if self._counts_frames:
                self._row.sent()
            self._recovered()

    def gesture(self, event: GestureEvent) -> None:
        if self._sender is not None and self._attempt(partial(self._sender.gesture, event)):
            self._recovered()

    def rest(self, reason: Reason = "stalled") -> None:
        if self._sender is not None and self._attempt(partial(self._sender.rest, reason)):
            self._recovered()

    def close(self) -> None:
        """Say rest as the last word, take the sender from the network, and let another worker have it."""
        self.rest("shutdown")
        sender, self._sender = self._sender, None
        if sender is not None:
            self._attempt(sender.close)
        self._let_go()
        self._row.became("closed")

    def give_up(self, error: Exception) -> None:
        """Let another worker have it for a while, because of `error`; nothing where it is not here."""
        if self._lock is not None:
            self._failed(error)

    def _open(self) -> None:
        self._lock = self._try_lock(f"output-{self.name}")
        if self._lock is not None and self._manifest is not None:
            self._sender = self._open_sender(self._manifest)
            self._opened_at = self._clock()
        self._row.became("closed" if self._sender is None else "open")

    def _change(self) -> None:
        """Have a sender for the model that it is now."""
        assert self._manifest is not None  # the model is another
        sender = self._sender
        if sender is not None:
            if sender.follow(self._manifest):
                return
            self._sender = None
            sender.rest("model")
            sender.close()
        self._sender = self._open_sender(self._manifest)
        self._opened_at = min(self._opened_at, self._clock())
        self._row.became("open")

    def _attempt(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:  # liblsl, a socket, a driver: the others still send
            self._failed(error)
            return False
        return True

    def _failed(self, error: Exception) -> None:
        sender, self._sender = self._sender, None
        self._let_go()
        self._row.failed()
        self._wait_s = RETRY_S if self._sent_long_enough() else min(2 * self._wait_s, RETRY_MAX_S)
        self._retry_at = self._clock() + self._wait_s
        self._opened_at = math.inf
        expected = isinstance(error, MyostreamError)  # its message says what to do
        if self.reason is None:
            trace = None if expected else error
            log.error(
                "the output %s failed, and is opened again by and by: %s", self.name, error, exc_info=trace
            )
        self.reason = str(error) if expected else f"{type(error).__name__}: {error}"
        if sender is not None:
            for last in (sender.rest, sender.close):
                with contextlib.suppress(Exception):
                    last()

    def _recovered(self) -> None:
        """Say that it works again, and has for a while: one that fails at every second frame is no news."""
        if self.reason is not None and self._sent_long_enough():
            self.reason = None
            log.warning("the output %s sends again", self.name)

    def _sent_long_enough(self) -> bool:
        return self._clock() - self._opened_at >= RETRY_MAX_S

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
