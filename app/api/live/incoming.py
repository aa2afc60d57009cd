"""What a client has sent on a live socket and nobody has taken yet, in whole messages."""

from __future__ import annotations

from collections import deque

from app.api.live import framing as ws
from app.api.live.roles import Budget, RefusedError
from app.errors import OverloadedError

SMALL = 64 * 1024  # bytes of a message that are not counted
MOST_CONTROLS = 100  # pings and pongs a second
MANY = 200  # frames that come at once, whatever they are; of a client that sends more
FRAME_S = 20e-6  # nothing is read for so long a frame, four times what one costs: the others come first


class Incoming:
    """Messages in their order. Of one that has not come in full, what is large counts as request bodies do."""

    def __init__(self, most: int, budget: Budget | None, now: float) -> None:
        self.waiting: deque[ws.Message] = deque()
        self._partial_since: float | None = None  # when bytes came of a message that is not whole yet
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
            self._count(0)
            raise
        self.waiting.extend(messages)
        since = None if any(one.kind <= ws.BINARY for one in messages) else self._partial_since
        self._partial_since = (since or now) if self._frames.held else None
        try:
            self._count(self._frames.held if self._frames.held > SMALL else 0)
        except OverloadedError:  # none of it was counted
            self._frames.drop()
            raise

    def partial_for_s(self, now: float) -> float:
        """Return for how long a message has been coming that is not whole yet."""
        return 0.0 if self._partial_since is None else now - self._partial_since

    def go_on(self, now: float) -> None:
        """Note that the client is read again, which it was not for a while."""
        if self._partial_since is not None:
            self._partial_since = now

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
        self._count(0)

    def _count(self, held: int) -> None:
        more = held - self._counted
        if self._budget is not None and more > 0:
            self._budget.take(more)
        elif self._budget is not None and more < 0:
            self._budget.give(-more)
        self._counted = held
