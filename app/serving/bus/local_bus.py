"""The bus of the workers of one machine: each is connected with each by Unix sockets, and nothing else is needed.

An abstract address (unix(7)) belongs to the process that has bound it until that ends, however it ends: one for each
source is the lock that says who owns it, as for the server's own source (chunk_ipc.py). So a lease needs no time: it is
lost with its process only.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.errors import DataError, FencedError
from app.serving.bus import link as wire
from app.serving.bus.answers import Answering, PendingCalls
from app.serving.bus.bus import Handler, Heard, Lease, Ownership, Published, Watcher
from app.serving.bus.hearing import Hearing
from app.serving.bus.link import encoded
from app.serving.bus.local_peers import LocalPeers
from app.serving.bus.local_server import LocalServer, owner_message
from app.serving.bus.owners import OwnerTable, Watching
from app.serving.counters.shared_declarations import SharedDeclarations, memory_for_declarations
from app.serving.counters.worker_group import WorkerGroup

HEARD_S, LOOK_S = 0.5, 0.005  # for a claim to be heard of, and between two looks
FAREWELL_S = 0.05  # at the end, for what was told last to be written

MOST_CARRIED = (
    wire.MOST - 64 * 1024
)  # bytes of a call: what is larger would cut the line to a worker that lives


@dataclass(eq=False)
class LocalLease:
    """Held by the lock on the source's address."""

    source: str
    token: int
    _bus: LocalBus
    _lock: socket.socket
    lost: bool = False

    def declare(self, declaration: bytes) -> None:
        if not self.lost:
            self._bus.tell_owner(self, declaration)

    def release(self, *, ended: bool = True) -> None:
        if not self.lost:
            self.lost = True
            self._bus.tell_release(self, self._lock, ended)


class LocalBus:
    """One worker's part. Fits `Bus`."""

    def __init__(self, worker_group: WorkerGroup, keep_s: float) -> None:
        """What a dead worker had declared is kept for `keep_s`."""
        run, slot = worker_group.run, worker_group.slot
        self.node, self.run = f"{slot}.{os.getpid()}.{time.monotonic_ns():x}", run
        self._address, self._try_lock = _address(run, slot), worker_group.try_lock
        self._left = SharedDeclarations(
            worker_group.declared or memory_for_declarations(), worker_group.try_lock
        )
        self._owners = OwnerTable(keep_s, expired=self._left.remove)
        self._pending, self._answering, self._hearing = PendingCalls(), Answering(), Hearing()
        slots = range(len(worker_group.slots))
        others = {place: _address(run, place) for place in slots if place != slot}
        self._server = LocalServer(self.node, self._owners, self._answering)
        self._peers = LocalPeers(others, self._owners, self._pending, self._hearing)
        self._leases: dict[str, LocalLease] = {}
        self._lock = threading.RLock()

    @property
    def trouble(self) -> bool:
        return False  # there is nobody between the workers

    def nodes(self) -> list[str]:
        return [self.node, *self._peers.nodes]

    def start(self) -> None:
        """Be there for the others, and hear what those have who are there.

        Raises:
            OSError: another process has this worker's address.
        """
        self._server.start(self._address)
        self._peers.start()
        for source, (token, declaration) in self._left.all().items():
            if (
                self._owners.get(source) is None
            ):  # its owner has died, or gone before anybody was there to be told
                left = Ownership(source=source, node="", token=token, declaration=declaration, alive=False)
                self._owners.note(left)

    def owner(self, source: str) -> Ownership | None:
        return self._owners.get(source)

    def look(self, source: str) -> Ownership | None:
        ends = time.monotonic() + HEARD_S
        while (known := self._owners.get(source)) is None:
            lock = self._try_lock(f"source-{source}")
            if lock is not None:
                lock.close()
                return None
            if time.monotonic() > ends:  # its owner has died before it could say so, or just this moment
                return None
            time.sleep(LOOK_S)
        return known

    def sources(self) -> dict[str, Ownership]:
        return self._owners.all()

    def claim(
        self,
        source: str,
        declaration: bytes,
        lost: Callable[[], None] = lambda: None,  # noqa: ARG002  # it is lost with this process only
    ) -> LocalLease | None:
        lock = self._try_lock(f"source-{source}")
        if lock is None:
            return None
        with self._lock:
            known = self._owners.get(source)
            token = max(time.time_ns() // 1_000_000, 0 if known is None else known.token + 1)
            lease = self._leases[source] = LocalLease(source, token, self, lock)
        self.tell_owner(lease, declaration)
        return lease

    def call(self, node: str, kind: str, payload: bytes, timeout_s: float) -> bytes:
        if len(payload) > MOST_CARRIED:
            raise DataError(
                f"{len(payload)} bytes are too many to be carried to the worker that has the source: send "
                f"{MOST_CARRIED} at most at a time"
            )

        def send(number: int) -> None:
            if node == self.node:
                self._answering.answer(kind, payload, lambda answer: self._pending.answered(number, answer))
            else:
                self._peers.ask(node, number, kind, payload)

        return self._pending.ask(node, timeout_s, send)

    def serve(self, kind: str, handler: Handler) -> None:
        self._answering.serve(kind, handler)

    def publish(self, lease: Lease, topic: str, sequence: int, payload: bytes) -> None:
        if lease.lost:
            raise FencedError(f"the source {lease.source} is not this worker's any more")
        key, one = (lease.source, topic), Published(lease.token, sequence, payload)
        with self._lock:  # against `subscribe`, which looks at what is kept and then hears the rest
            self._server.publish(key, one)
            self._hearing.tell_soon(key, one)

    def subscribe(
        self, source: str, topic: str, heard: Heard, after: tuple[int, int] | None = None
    ) -> Watching:
        key = (source, topic)
        with self._lock:
            number, hears = self._hearing.add(key, heard, after)
            for one in () if after is None else self._server.kept(key):
                self._hearing.tell_soon(key, one, number)
            self._peers.hear(number, hears)
        return Watching(lambda: self._forget(number))

    def watch(self, told: Watcher) -> Watching:
        return self._owners.watch(told)

    def close(self) -> None:
        for lease in list(self._leases.values()):
            lease.release(ended=False)
        time.sleep(FAREWELL_S)
        self._server.close()
        self._peers.close()
        self._hearing.close()

    def tell_owner(self, lease: LocalLease, declaration: bytes) -> None:
        """Tell all that this node has a source, and what it is."""
        owner = Ownership(source=lease.source, node=self.node, token=lease.token, declaration=declaration)
        self._left.put(lease.source, lease.token, declaration)
        self._owners.note(owner)
        self._server.tell(owner_message(owner))

    def tell_release(self, lease: LocalLease, lock: socket.socket, ended: bool) -> None:
        """Free a source, and tell all."""
        with self._lock:
            if self._leases.get(lease.source) is lease:
                del self._leases[lease.source]
        self._server.forget(lease.source)
        lock.close()  # first: whoever hears of it may claim it
        owner = self._owners.get(lease.source)
        if ended:
            self._left.remove(lease.source, lease.token)
            self._owners.over(lease.source, lease.token)
            self._server.tell(encoded(wire.OVER, source=lease.source, token=lease.token))
        elif owner is not None and owner.token == lease.token:
            free = replace(owner, alive=False)
            self._owners.note(free)
            self._server.tell(owner_message(free))

    def _forget(self, number: int) -> None:
        if self._hearing.remove(number) is not None:
            self._peers.forget(number)


def _address(run: str, slot: int) -> str:
    return f"\0myostream-{run}-bus-{slot}"
