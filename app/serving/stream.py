"""What one client is told over time: frames, changes of the source, and always a last word."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.serving.broadcast import Reader
from app.serving.events import Completed
from app.serving.stats import StreamStats

LOOK_S = 0.1  # how often a quiet stream looks whether the client has left or the server stops
PAUSE_S = 0.02  # before a client that reads slowly is looked at again


@dataclass(frozen=True, slots=True)
class Sent:
    """One event for one client: the shared body, and what is this client's own."""

    body: bytes
    frame: int  # frames sent before it
    dropped: int  # frames this client has missed so far


class Stream:
    """Iterate to get what the client is to be sent; None where there is nothing to say just now.

    The last item is always `Completed`, unless the client stopped reading. `writable` says whether the client
    has taken what it was sent; while it has not, newer frames replace each other.
    """

    def __init__(
        self,
        reader: Reader,
        fps: float,
        duration_s: float | None,
        *,
        stats: StreamStats,
        stopping: Callable[[], bool],
        writable: Callable[[], bool] = lambda: True,
        give_up_s: float = 10.0,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._reader, self._duration, self._stats = reader, duration_s, stats
        self._stopping, self._writable, self._give_up = stopping, writable, give_up_s
        self._clock, self._sleep = clock, sleep
        self._most = None if duration_s is None else max(1, round(duration_s * fps))
        self.frames = self.dropped = 0

    def __iter__(self) -> Iterator[Sent | Completed | None]:
        began = self._clock()
        ends = None if self._duration is None else began + self._duration
        blocked_since: float | None = None
        while True:
            now = self._clock()
            reason = "shutdown" if self._stopping() else "source ended" if self._reader.ended else None
            if reason is not None or (ends is not None and now >= ends):
                yield Completed(total_frames=self.frames, duration_seconds=now - began, reason=reason)
                return
            if not self._writable():
                blocked_since = now if blocked_since is None else blocked_since
                if now - blocked_since > self._give_up:
                    return
                self._sleep(PAUSE_S)
                continue
            blocked_since = None
            yield from self._news(LOOK_S if ends is None else min(LOOK_S, ends - now))

    def _news(self, timeout_s: float) -> Iterator[Sent | None]:
        news = self._reader.take(timeout_s)
        if not news:
            yield None
        for event, missed in news:
            if event.position < 0:
                yield Sent(event.body, self.frames, self.dropped)
            elif self._most is None or self.frames + self.dropped < self._most:
                self.dropped += missed
                yield Sent(event.body, self.frames, self.dropped)
                self.frames += 1
                self._stats.sent(missed)
