"""Nodes of each kind of bus, for tests that hold for all of them."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import NodeGoneError
from app.serving.bus.local_bus import LocalBus
from app.serving.bus.redis_bus import RedisBus
from app.serving.bus.redis_leases import RedisLease
from app.serving.counters.shared_declarations import memory_for_declarations
from app.serving.counters.slot import SLOT_BYTES
from app.serving.counters.worker_group import WorkerGroup, new_run
from tests.own_redis import running

SLOTS = 4


@dataclass
class LocalNodes:
    """Workers of one machine, which here are all in this process."""

    keep_s: float = 30.0
    run: str = field(default_factory=new_run)
    board: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, SLOTS * SLOT_BYTES))
    declared: mmap.mmap = field(default_factory=memory_for_declarations)
    made: int = 0
    stack: ExitStack = field(default_factory=ExitStack)

    def node(self) -> LocalBus:
        """Return the bus of one more worker, started."""
        bus = LocalBus(WorkerGroup(self.run, self.board, self.made, 2, self.declared), self.keep_s)
        self.made += 1
        bus.start()
        self.stack.callback(bus.close)
        return bus


@contextmanager
def local_nodes(keep_s: float = 30.0) -> Iterator[LocalNodes]:
    nodes = LocalNodes(keep_s)
    with nodes.stack:
        yield nodes


@dataclass
class RedisNodes:
    """Workers of several machines, which here are all in this process."""

    url: str
    keep_s: float = 30.0
    stack: ExitStack = field(default_factory=ExitStack)

    def node(self) -> RedisBus:
        """Return the bus of one more worker, started."""
        bus = RedisBus(self.url, self.keep_s)
        bus.start()
        self.stack.callback(bus.close)
        return bus


@contextmanager
def redis_nodes(folder: Path, keep_s: float = 30.0) -> Iterator[RedisNodes]:
    """Skips the test where there is no Redis."""
    with running(folder / "redis.sock"):
        nodes = RedisNodes(f"unix://{folder}/redis.sock", keep_s)
        with nodes.stack:
            yield nodes


def claimed(bus: RedisBus, source: str = "arm") -> RedisLease:
    lease = bus.claim(source, b"{}")
    assert lease is not None
    return lease


def crash(bus: RedisBus) -> None:
    """As kill -9: its connections are cut, nothing is said, and nothing renewed."""
    bus._leases._closed = True
    bus._leases._hurry.set()
    bus._sender.close(1.0)
    bus._listener.close()
    bus._table.close()
    bus._events.close()
    bus._leases._thread.join(5)
    bus._listener._thread.join(5)


def answers(asking: RedisBus, asked: RedisBus) -> bool:
    try:
        return asking.call(asked.node, "alive?", b"yes", 1.0) == b"yes"
    except NodeGoneError:
        return False
