"""What a client has sent on a live socket and nobody has taken yet, in whole messages."""

from __future__ import annotations

from collections import deque

from app.api.live import framing as ws
from app.api.live.roles import Budget, RefusedError

SMALL = 64 * 1024  # bytes of a message that are not counted
MOST_CONTROLS = 100  # pings and pongs a second
MANY = 200  # frames that come at once, whatever they are; of a client that sends more
FRAME_S = 20e-6  # nothing is read for so long a frame, four times what one costs: the others come first


class Incoming:
    """Messages in their order. Of one that has not come in full, what is large counts as request bodies do."""

    def __init__(self, most: int, budget: Budget | None, now: float) -> None:
        self.waiting: deque[ws.Message] = deque()
        self.partial_since: float | None = (
            None  # when the first bytes came of a message that is not whole yet
        )
        self._frames = ws.FrameReader(most)
        self._budget, self._counted = budget, 0  # bytes
        self._controls, self._controls_since = 0, now

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes of the client.

        Raises:
            FramingError: they are none of a WebSocket; what came before that waits.
            OverloadedError: too much is held already, by all clients together.
        """
        try:
            messages = self._frames.feed(data)
        except ws.FramingError as error:
            self.waiting.extend(error.before)
            raise
        self.waiting.extend(messages)
        since = None if any(one.kind <= ws.BINARY for one in messages) else self.partial_since
        self.partial_since = (since or now) if self._frames.held else None
        held = self._frames.held if self._frames.held > SMALL else 0
        if self._budget is not None and held != self._counted:
            self._budget.take(held - self._counted)
            self._counted = held

    @property
    def pause_s(self) -> float:
        """For how long nothing is to be read, since so many frames came at once; 0 where they were few."""
        return self._frames.taken * FRAME_S if self._frames.taken > MANY else 0.0

    def expect_few_controls(self, now: float) -> None:
        """Count a ping or pong: each costs as much as a message.

        Raises:
            RefusedError: the client sends nothing else without a pause.
        """
        if now - self._controls_since > 1.0:
            self._controls, self._controls_since = 0, now
        self._controls += 1
        if self._controls > MOST_CONTROLS:
            raise RefusedError(ws.REFUSED, f"at most {MOST_CONTROLS} pings and pongs a second")

    def close(self) -> None:
        """Give back what was counted."""
        if self._budget is not None:
            self._budget.give(self._counted)
