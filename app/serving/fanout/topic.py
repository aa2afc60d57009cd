"""One group of a source, published for other workers: each event encoded once for all of them."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import FencedError
from app.serving.bus.bus import Bus, Heard, Lease, Published
from app.serving.fanout.asking import answer
from app.serving.streams.broadcast import Broadcast
from app.serving.streams.carried_events import encode, encode_beat
from app.serving.streams.events import StreamOptions
from app.serving.streams.group_events import HISTORY, GroupEvent

BEAT_S = 0.2  # without an event; then it is said that there was none
ASKED_S = 5.0  # for which it is published after somebody has asked for it


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Asked:
    """What a stream is made of; `release` gives back what is held for it. `model` tells named models apart."""

    lease: Lease
    broadcast: Broadcast
    options: StreamOptions
    model: str
    release: Callable[[], None]


class Topic:
    """Open from the first who asks for it until nobody has for a while."""

    def __init__(
        self,
        name: str,
        bus: Bus,
        asked: Asked,
        *,
        opening: int,
        sequences: itertools.count[int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Join the group; `asked` is held until `close`.

        `sequences` are those of all topics of this worker: one that is opened again goes on.

        Raises:
            DataError: as `Broadcast.join`.
        """
        self.name, self.lease, self.opening = name, asked.lease, opening
        self._bus, self._made_of, self._clock = bus, asked, clock
        self._sequences, self._sequence = sequences, next(sequences)
        self._reader = asked.broadcast.join(asked.options)
        self._asked: dict[str, float] = {}  # by whom, and when the last time
        self._here: dict[object, Heard] = {}  # who hears it in this worker
        self._made: dict[int, float] = {}  # when its newest events were, by their number
        self._lock = threading.Lock()
        self._said_at = self._opened_at = clock()
        self._count = 0
        kept, _ = self._reader.follow(self._offered)
        with self._lock:
            self._count = max(self._count, kept[-1].number + 1 if kept else 0)

    def asked_by(self, node: str) -> None:
        """Go on for that node."""
        self._asked[node] = self._clock()

    def hear(self, who: object, heard: Heard | None) -> None:
        """Have it heard in this worker; None: no more."""
        with self._lock:
            if heard is None:
                self._here.pop(who, None)
            else:
                self._here[who] = heard

    @property
    def wanted(self) -> bool:
        """Whether anybody has asked for it of late; nobody elsewhere is told of what is another's by now."""
        since = self._clock() - ASKED_S
        self._asked = {node: at for node, at in self._asked.items() if at > since}
        elsewhere = (bool(self._asked) or self._opened_at > since) and not self.lease.lost
        return (elsewhere or bool(self._here)) and not self._reader.over

    @property
    def published(self) -> bool:
        """Whether other workers can still hear it."""
        return not (self._reader.over or self.lease.lost)

    def holds(self, asked: Asked) -> bool:
        """Whether it gives that back when it closes."""
        return self._made_of is asked

    def snapshot(self) -> bytes:
        """Return what there is of it, for one who asks."""
        with self._reader.at_rest() as (history, model), self._lock:
            made = self._made
            events = [encode(self.opening, one, made.get(one.number, 0.0)) for one in history]
            return answer(
                self.name,
                self._sequence,
                (self.lease.token, self.opening),
                self._count,
                self._made_of.broadcast.reached(self._made_of.options),
                self._clock(),
                model,
                events,
            )

    def beat(self) -> None:
        """Say that there was nothing, where there was nothing for a while."""
        with self._lock:
            now = self._clock()
            if now - self._said_at >= BEAT_S:
                self._tell(encode_beat(self.opening, self._count, now), now)

    def _offered(self, event: GroupEvent) -> None:
        with self._lock:
            now = self._clock()
            self._count = event.number + 1
            self._made[event.number] = now
            self._made.pop(event.number - HISTORY, None)
            self._tell(encode(self.opening, event, now), now)

    def _tell(self, message: bytes, now: float) -> None:
        self._said_at = now
        self._sequence = next(self._sequences)
        if self._asked:
            with contextlib.suppress(FencedError):  # it is another's by now, who tells the same
                self._bus.publish(self.lease, self.name, self._sequence, message)
        if self._here:
            said = Published(self.lease.token, self._sequence, message)
            for heard in list(self._here.values()):
                heard(said)

    def close(self) -> None:
        """Publish no more."""
        self._reader.close()
        self._made_of.release()
