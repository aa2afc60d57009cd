"""The bus of several machines, by way of one Redis: channels for calls, a stream for each source's events, leases.

Whoever has the password of that Redis is trusted. An owner that cannot reach it goes on for those who read its sources
there, and is silent to all others before its leases end.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from app.errors import DataError, FencedError, NodeGoneError, NotReadyError, OverloadedError
from app.serving.bus import link as wire
from app.serving.bus.answers import Answering, PendingCalls, refused
from app.serving.bus.bus import Handler, Heard, Lease, Ownership, Watcher
from app.serving.bus.hearing import Hearing
from app.serving.bus.link import Message, encoded
from app.serving.bus.owners import OwnerTable, Watching
from app.serving.bus.redis_events import RedisEvents
from app.serving.bus.redis_leases import RedisLease, RedisLeases
from app.serving.bus.redis_link import RedisLink, ResponseError
from app.serving.bus.redis_listener import RedisListener
from app.serving.bus.redis_sender import RedisSender
from app.serving.bus.redis_table import RedisTable

BACK_S = 1.0  # for an owner whose lease ran out, and who is heard of, to take it again
READY_S = 1.0  # at the start, for the first answer of Redis
FAREWELL_S = 0.5  # at the end, for what waits to be sent
MOST_CARRIED = 4 * 2**20  # bytes of a call or an answer: Redis cuts off who takes 8 MiB too slowly
KEPT = 500  # events of a source
PUBLISHING = "what is published is lost"


class RedisBus:
    """One worker's part. Fits `Bus`."""

    def __init__(self, url: str, keep_s: float) -> None:
        """What a dead worker had declared is kept for `keep_s`."""
        self.node = f"{socket.gethostname()[:40]}.{os.getpid()}.{secrets.token_hex(4)}"
        self._link = RedisLink(url)
        self._owners = OwnerTable(keep_s)
        self._pending, self._answering, self._hearing = PendingCalls(), Answering(), Hearing()
        self._leases = RedisLeases(self._link, self.node, keep_s, self._changed)
        self._table = RedisTable(self._link, self._owners, self._leases, self._pending.gone)
        self._sender = RedisSender(self._link)
        channels = [self._link.channel_of(self.node), self._link.owners]
        self._listener = RedisListener(self._link, channels, self._heard, self._table.anew)
        self._events = RedisEvents(self._link, self._hearing)
        self._ordered = threading.Lock()

    @property
    def run(self) -> str:
        return self._table.run

    @property
    def trouble(self) -> bool:
        return self._link.in_trouble

    def nodes(self) -> list[str]:
        return sorted({self.node, *self._table.nodes})

    def start(self) -> None:
        self._listener.start()
        self._listener.ready.wait(READY_S)
        for part in (self._table, self._sender, self._leases, self._events):
            part.start()

    def owner(self, source: str) -> Ownership | None:
        return self._owners.get(source)

    def look(self, source: str) -> Ownership | None:
        if self._owners.get(source) is None:
            self._table.look(source)
        return self._owners.get(source)

    def sources(self) -> dict[str, Ownership]:
        return self._owners.all()

    def claim(
        self, source: str, declaration: bytes, lost: Callable[[], None] = lambda: None
    ) -> RedisLease | None:
        known = self._owners.get(source)
        if known is not None and not known.alive and known.node in self._table.nodes:
            self._table.hurry()
            if self._owners.dead_for(source) < BACK_S:
                return None

        def told() -> None:
            with suppress(NotReadyError):  # whose it is now is known before anybody asks here
                self._table.look(source)
            lost()

        lease = self._leases.claim(source, declaration, told)
        if lease is None:
            self._table.hurry()
        return lease

    def call(self, node: str, kind: str, payload: bytes, timeout_s: float) -> bytes:
        if len(payload) > MOST_CARRIED:
            raise DataError(
                f"{len(payload)} bytes are too many to be carried to the machine that has the source: send "
                f"{MOST_CARRIED} at most at a time"
            )

        def send(number: int) -> None:
            if node == self.node:
                self._answering.answer(kind, payload, lambda answer: self._pending.answered(number, answer))
                return
            message = encoded(wire.CALL, payload, number=number, kind=kind, asks=self.node)
            if not self._tell(node, message, lambda answer: self._asked(number, answer)):
                raise NodeGoneError("this worker is leaving; try again")

        try:
            return self._pending.ask(node, timeout_s, send)
        except NodeGoneError:
            self._table.doubt(node)
            raise

    def serve(self, kind: str, handler: Handler) -> None:
        self._answering.serve(kind, handler)

    def publish(self, lease: Lease, topic: str, sequence: int, payload: bytes) -> None:
        own = cast(RedisLease, lease)
        if own.lost:
            raise FencedError(f"the source {own.source} is another worker's by now")
        if own.silent:
            return
        fields = ("v", wire.VERSION, "t", topic, "k", own.token, "s", sequence, "p", payload)
        key, size = self._link.events_of(own.source), len(payload) + 256
        with self._ordered:
            place = f"{own.token}-{next(own.numbers)}"
            command = ("XADD", key, "MAXLEN", "~", KEPT, place, *fields)
            self._sender.send(command, size, lambda answer: self._published(own, answer), droppable=True)

    def subscribe(
        self, source: str, topic: str, heard: Heard, after: tuple[int, int] | None = None
    ) -> Watching:
        number, hears = self._hearing.add((source, topic), heard, after)
        self._events.hear(number, hears)

        def forget() -> None:
            self._hearing.remove(number)

        return Watching(forget)

    def watch(self, told: Watcher) -> Watching:
        return self._owners.watch(told)

    def close(self) -> None:
        self._leases.close()
        self._sender.close(FAREWELL_S)
        self._table.close()
        self._listener.close()
        self._events.close()
        self._hearing.close()

    def _changed(self, lease: RedisLease, alive: bool | None) -> None:
        """Tell all of a source of this node; None: it is over."""
        source, token = lease.source, lease.token
        if alive is None:
            self._owners.over(source, token)
            message = encoded(wire.OVER, source=source, token=token)
        else:
            node = self.node if alive else ""  # nobody's: it need not be waited for
            self._owners.note(
                Ownership(source=source, node=node, token=token, declaration=lease.declaration, alive=alive)
            )
            fields = {"source": source, "node": node, "token": token, "alive": alive}
            message = encoded(wire.OWNER, lease.declaration, **fields)
        self._sender.send(("PUBLISH", self._link.owners, message), len(message), lambda _: None)

    def _heard(self, message: Message) -> None:
        fields = message.fields
        if message.kind == wire.CALL:
            number, asks = int(fields["number"]), str(fields["asks"])

            def tell(answer: bytes) -> None:
                if len(answer) > MOST_CARRIED:
                    why = f"the answer is more than {MOST_CARRIED} bytes: ask the machine that has the source"
                    answer = refused(OverloadedError(why))
                self._tell(asks, encoded(wire.ANSWER, answer, number=number))

            self._answering.answer(str(fields["kind"]), message.payload, tell)
        elif message.kind == wire.ANSWER:
            self._pending.answered(int(fields["number"]), message.payload)
        elif message.kind == wire.OWNER and fields["node"] != self.node:
            self._owners.note(
                Ownership(
                    source=str(fields["source"]),
                    node=str(fields["node"]),
                    token=int(fields["token"]),
                    declaration=message.payload,
                    alive=bool(fields["alive"]),
                )
            )
        elif message.kind == wire.OVER:
            self._owners.over(str(fields["source"]), int(fields["token"]))

    def _tell(self, node: str, message: bytes, told: Callable[[Any], None] = lambda _: None) -> bool:
        return self._sender.send(("PUBLISH", self._link.channel_of(node), message), len(message), told)

    def _asked(self, number: int, answer: Any) -> None:
        """Take what Redis says of a call: how many have heard it."""
        if isinstance(answer, Exception):
            why = f"EMG_REDIS_URL does not answer ({type(answer).__name__}), by which other workers are asked"
            self._pending.answered(number, refused(NodeGoneError(f"{why}; try again")))
        elif not answer:
            self._pending.answered(number, None)

    def _published(self, lease: RedisLease, answer: Any) -> None:
        if not isinstance(answer, ResponseError):
            if not isinstance(answer, Exception):
                self._link.well(PUBLISHING)
        elif "equal or smaller" in str(answer):
            self._leases.fenced(lease)
        else:
            self._link.trouble(PUBLISHING, answer)
