"""A bus without sockets, for tests of what is above it: all its nodes are in this process, and can be killed.

What is published is heard at once, on the thread that publishes.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from app.errors import FencedError, NodeGoneError
from app.serving.bus.bus import Handler, Heard, Ownership, Published, Watcher

KEPT = 500  # of each topic


@dataclass(eq=False)
class MemoryHub:
    """What all nodes share."""

    nodes: dict[str, MemoryBus] = field(default_factory=dict)
    owners: dict[str, Ownership] = field(default_factory=dict)
    leases: dict[str, MemoryLease] = field(default_factory=dict)
    kept: dict[tuple[str, str], deque[Published]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=KEPT))
    )
    hearing: dict[tuple[str, str], list[Heard]] = field(default_factory=lambda: defaultdict(list))
    watching: list[Watcher] = field(default_factory=list)
    tokens: itertools.count[int] = field(default_factory=lambda: itertools.count(1_000))
    lock: threading.RLock = field(default_factory=threading.RLock)

    def node(self, name: str) -> MemoryBus:
        """Return the bus of one more node."""
        self.nodes[name] = MemoryBus(self, name)
        return self.nodes[name]

    def kill(self, name: str) -> None:
        """Have a node gone as by kill -9: its sources are free, and their declarations kept."""
        with self.lock:
            del self.nodes[name]
            for lease in [one for one in self.leases.values() if one.node == name]:
                lease.lose()
                self.say(lease.source, replace(self.owners[lease.source], alive=False))

    def fence(self, source: str) -> None:
        """Have a lease lost that its owner could not renew: another may claim the source."""
        with self.lock:
            lease = self.leases[source]
            self.say(source, replace(self.owners[source], alive=False))
            lease.lose()
        lease.told()

    def say(self, source: str, owner: Ownership | None) -> None:
        if owner is None:
            self.owners.pop(source, None)
        else:
            self.owners[source] = owner
        for told in self.watching.copy():
            told(source, owner)


@dataclass(eq=False)
class MemoryLease:
    """A lease that lasts until it is taken away."""

    hub: MemoryHub
    node: str
    source: str
    token: int
    told: Callable[[], None]
    lost: bool = False

    def lose(self) -> None:
        self.lost = True
        self.hub.leases.pop(self.source, None)

    def declare(self, declaration: bytes) -> None:
        with self.hub.lock:
            if not self.lost:
                self.hub.say(self.source, replace(self.hub.owners[self.source], declaration=declaration))

    def release(self, *, ended: bool = True) -> None:
        with self.hub.lock:
            if not self.lost:
                self.lose()
                there = self.hub.owners[self.source]
                self.hub.say(self.source, None if ended else replace(there, alive=False))


class MemorySubscription:
    """Takes something out of a list."""

    def __init__(self, forget: Callable[[], None]) -> None:
        self._forget: Callable[[], None] | None = forget

    def close(self) -> None:
        forget, self._forget = self._forget, None
        if forget is not None:
            forget()


class MemoryBus:
    """One node's part. Fits `Bus`."""

    def __init__(self, hub: MemoryHub, node: str) -> None:
        self.node, self.run, self._hub = node, "0123abcd", hub
        self._handlers: dict[str, Handler] = {}

    @property
    def trouble(self) -> bool:
        return False

    def nodes(self) -> list[str]:
        return list(self._hub.nodes)

    def start(self) -> None:
        """Nothing to do."""

    def owner(self, source: str) -> Ownership | None:
        return self._hub.owners.get(source)

    def look(self, source: str) -> Ownership | None:
        return self.owner(source)

    def sources(self) -> dict[str, Ownership]:
        return dict(sorted(self._hub.owners.items(), key=lambda one: one[1].token))

    def claim(
        self, source: str, declaration: bytes, lost: Callable[[], None] = lambda: None
    ) -> MemoryLease | None:
        hub = self._hub
        with hub.lock:
            if source in hub.leases:
                return None
            token = next(hub.tokens)
            lease = hub.leases[source] = MemoryLease(hub, self.node, source, token, lost)
            hub.say(source, Ownership(source=source, node=self.node, token=token, declaration=declaration))
            return lease

    def call(self, node: str, kind: str, payload: bytes, timeout_s: float) -> bytes:
        there = self._hub.nodes.get(node)
        if there is None:
            raise NodeGoneError(f"the worker {node} is gone; try again")
        return there._handlers[kind](payload)

    def serve(self, kind: str, handler: Handler) -> None:
        self._handlers[kind] = handler

    def publish(self, lease: MemoryLease, topic: str, sequence: int, payload: bytes) -> None:
        with self._hub.lock:
            if lease.lost:
                raise FencedError(f"the source {lease.source} is another worker's by now")
            one, key = Published(lease.token, sequence, payload), (lease.source, topic)
            self._hub.kept[key].append(one)
            for heard in self._hub.hearing[key].copy():
                heard(one)

    def subscribe(
        self, source: str, topic: str, heard: Heard, after: tuple[int, int] | None = None
    ) -> MemorySubscription:
        hub, key = self._hub, (source, topic)
        with hub.lock:
            for one in hub.kept[key] if after is not None else ():
                if after is not None and (one.token, one.sequence) > after:
                    heard(one)
            hub.hearing[key].append(heard)
        return MemorySubscription(lambda: hub.hearing[key].remove(heard))

    def watch(self, told: Watcher) -> MemorySubscription:
        self._hub.watching.append(told)
        return MemorySubscription(lambda: self._hub.watching.remove(told))

    def close(self) -> None:
        with self._hub.lock:
            for lease in [one for one in self._hub.leases.values() if one.node == self.node]:
                lease.release(ended=False)
            self._hub.nodes.pop(self.node, None)
