"""What goes out on a live socket, without a wait: of frames the newest wins, and all else is kept until it is taken."""

from __future__ import annotations

import threading
from collections.abc import Callable

from app.api.live import events
from app.inference.gestures.events import GestureEvent
from app.serving.streams.client_stream import ClientEvent

MOST_KEPT = 256 * 1024  # bytes for a client that does not read; states and answers are small
CHECKED = 8  # frames between two looks at what the client has left unread; each look is a system call


class LiveWriter:
    """Fits `serving.streams.client_stream.EventWriter`.

    `push` gives bytes to the client and says how many it took now; `writable` whether it has taken what it was sent.
    """

    def __init__(
        self,
        push: Callable[[bytes], int],
        writable: Callable[[], bool],
        *,
        send: frozenset[str] = frozenset(),
        binary: bool = False,
    ) -> None:
        self._push, self._writable = push, writable
        self.send_what, self.binary = send, binary
        self._rest = b""  # taken in part, and what must not be lost behind it
        self._lock = threading.RLock()  # the group's thread and the socket's
        self._full, self._frames = False, 0
        self._decision: int | None = None
        self._reached = 0  # sample index of the last frame
        self._dropped = 0  # frames of the client's, as the last record told
        self.closed = False
        self.overfull = False  # more was to be kept than is kept for anybody

    @property
    def idle(self) -> bool:
        """Whether all has been taken."""
        return not self._rest

    def say(self, data: bytes) -> None:
        """Have a whole WebSocket frame written, now or when the client takes it.

        Raises:
            OSError: the client has gone.
        """
        with self._lock:
            if not self.closed:
                self._keep(data)

    def end(self, data: bytes) -> None:
        """The same, as the last.

        Raises:
            OSError: the client has gone.
        """
        with self._lock:
            self.say(data)
            self.closed = True

    def flush(self) -> bool:
        """Write what the client takes now; whether nothing is left.

        Raises:
            OSError: the client has gone.
        """
        with self._lock:
            if self._rest:
                self._rest = self._rest[self._push(self._rest) :]
            return not self._rest

    def send(self, sent: ClientEvent) -> bool:
        """Write one event of the stream, as the client wants it. False: it has not taken yet what it was sent before.

        Raises:
            OSError: the client has gone.
        """
        with self._lock:
            if self.closed:
                return True
            if isinstance(sent.event, GestureEvent):
                self._tell_gesture(sent, sent.event)
                return True
            kind = events.kind_of(sent.event)
            if "decisions" in self.send_what:
                self._tell_decision(sent)
            if kind == "state":
                if (
                    "states" in self.send_what or b'"status":"model"' in sent.body
                ):  # what follows is read by it
                    self._keep(events.event_text(sent, kind))
                return True
            return "frames" not in self.send_what or self._offer(sent)

    def insist(self, sent: ClientEvent) -> None:
        """The same of an event that was drawn from the stream, and would come no more: it is kept until it is taken.

        Raises:
            OSError: the client has gone.
        """
        with self._lock:
            if not self.send(sent):
                self._keep(self._written(sent))
                self._dropped = sent.dropped

    def _tell_decision(self, sent: ClientEvent) -> None:
        self._reached = getattr(sent.event, "sample_index", self._reached)
        decided = events.decided_by(sent, self._decision, self._reached)
        if decided is not None:
            self._decision = decided.decision
            self._keep(
                events.decision_record(decided, sent.frame) if self.binary else events.decision_text(decided)
            )

    def _tell_gesture(self, sent: ClientEvent, gesture: GestureEvent) -> None:
        """Say that a gesture began, is held or ended; that it is held still, only to one that reads."""
        if gesture.phase != "hold" or self.flush():
            self._keep(events.gesture_record(gesture) if self.binary else events.event_text(sent, "gesture"))

    def _offer(self, sent: ClientEvent) -> bool:
        """Write a frame whole, or not at all."""
        if not self.flush():
            return False
        if self._full or not self._frames % CHECKED:
            self._full = not self._writable()
            if self._full:
                return False
        self._frames += 1
        data = self._written(sent)
        taken = self._push(data)
        self._rest = data[taken:] if taken else b""
        if taken:
            self._dropped = sent.dropped
        return taken > 0

    def _written(self, sent: ClientEvent) -> bytes:
        predicted = events.predicted_in(sent.event) if self.binary else None
        if predicted is not None:
            return events.frame_record(predicted, sent.frame, sent.dropped - self._dropped)
        return events.event_text(sent, "frame")

    def _keep(self, data: bytes) -> None:
        if not self.flush():
            if len(self._rest) + len(data) > MOST_KEPT:
                self.overfull = True
                return
            self._rest += data
            return
        self._rest = data[self._push(data) :]
