"""What the bus between machines costs Redis: an entry published and heard, a lease renewed, who has which source.

docs/scale.md reckons with it.

    python -m benchmarks.redis_cost          # a Redis of its own, some 20 s

One publisher writes the frames of 100 sources in one pipeline, 30 times a second; each reader hears all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import redis

from app.serving.bus import redis_scripts as scripts
from app.serving.bus.redis_table import PAGE

SOURCES, FPS, SECONDS = 100, 30, 4.0
ENTRY = 550  # bytes: a frame of 400, its times, and what wraps it
KEPT = 64
LEASE_MS = 60_000  # they outlive the measurement
DECLARED = {"name": "person", "channels": 16, "sampling_rate": 2000.0, "units": "uV", "model": "person"}


class Server:
    """A Redis that keeps nothing, on a unix socket."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        command = [
            "redis-server",
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--save",
            "",
            "--dir",
            folder,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while not self.socket.exists():
            time.sleep(0.01)

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket))

    def cpu_s(self) -> float:
        """Processor time that it has taken, of all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Publisher(threading.Thread):
    """Writes a frame of every source, 30 times a second, each time in one pipeline."""

    def __init__(self, client: redis.Redis, stop: threading.Event) -> None:
        super().__init__()
        self.client, self.stop = client, stop
        self.entries, self.cpu_s = 0, 0.0

    def run(self) -> None:
        body, number, due = os.urandom(ENTRY), int(time.time() * 1000), time.monotonic()
        while not self.stop.is_set():
            began, number = time.thread_time(), number + 1
            pipe = self.client.pipeline(transaction=False)
            for source in range(SOURCES):
                pipe.xadd(f"s{source}", {"b": body}, id=f"{number}-1", maxlen=KEPT, approximate=True)
            pipe.execute()
            self.entries += SOURCES
            self.cpu_s += time.thread_time() - began
            due += 1 / FPS
            time.sleep(max(0.0, due - time.monotonic()))


class Reader(threading.Thread):
    """Waits for what comes of all sources."""

    def __init__(self, client: redis.Redis, stop: threading.Event) -> None:
        super().__init__()
        self.client, self.stop = client, stop
        self.entries, self.cpu_s = 0, 0.0

    def run(self) -> None:
        after = {f"s{source}": f"{int(time.time() * 1000)}-0" for source in range(SOURCES)}
        while not self.stop.is_set():
            began = time.thread_time()
            for name, entries in self.client.xread(after, block=200) or []:
                self.entries += len(entries)
                after[name.decode()] = entries[-1][0]
            self.cpu_s += time.thread_time() - began


def published(server: Server, readers: int) -> str:
    """Measure with so many who hear all."""
    server.client().flushall()
    stop = threading.Event()
    publisher = Publisher(server.client(), stop)
    hearing = [Reader(server.client(), stop) for _ in range(readers)]
    before = server.cpu_s()
    for one in (*hearing, publisher):
        one.start()
    time.sleep(SECONDS)
    stop.set()
    for one in (*hearing, publisher):
        one.join()
    count = publisher.entries
    heard = " ".join(f"{1e6 * one.cpu_s / max(one.entries, 1):.1f}" for one in hearing)
    redis_us, own_us = 1e6 * (server.cpu_s() - before) / count, 1e6 * publisher.cpu_s / count
    return f"| {readers} | {count / SECONDS:.0f} | {redis_us:.1f} | {own_us:.1f} | {heard} |"


def owned(server: Server, sources: int) -> str:
    """Measure what so many sources cost: one renewed, 50 in a call, and a look at some of them."""
    client = server.client()
    client.flushall()
    claim, renew, rows = (
        client.register_script(text) for text in (scripts.CLAIM, scripts.RENEW, scripts.ROWS)
    )
    tokens = [
        claim(
            keys=[*_keys(source), "sources"],
            args=[f"{source}", "node", json.dumps(DECLARED), LEASE_MS, LEASE_MS],
        )
        for source in range(sources)
    ]
    own = range(min(50, sources))
    said = [LEASE_MS, LEASE_MS, *(f"node {tokens[source]}" for source in own)]
    keys = [key for source in own for key in _keys(source)]
    renewing = _cost(server, lambda: renew(keys=keys, args=said))[0] / len(own)
    some = [f"{source}" for source in range(min(PAGE, sources))]

    def look() -> None:
        """As each worker does it: at a page of those it knows, and at a page of those that there are."""
        client.pubsub_channels("node:*")
        client.sscan("sources", count=PAGE)
        for _ in range(2):
            rows(keys=["sources"], args=["lease:", "about:", *some])

    looking, asking = _cost(server, look)
    return f"| {sources} | {renewing:.1f} | {looking:.0f} | {asking:.0f} |"


def _keys(source: int) -> tuple[str, ...]:
    return f"lease:{source}", f"about:{source}", f"events:{source}"


def _cost(server: Server, ask: Callable[[], object]) -> tuple[float, float]:
    """Return what a call costs Redis, and who asks, in us."""
    before, own, count, ends = server.cpu_s(), time.thread_time(), 0, time.monotonic() + SECONDS / 2
    while time.monotonic() < ends:
        ask()
        count += 1
    return 1e6 * (server.cpu_s() - before) / count, 1e6 * (time.thread_time() - own) / count


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            print("| readers | entries/s | Redis, us an entry | publisher | each reader |")
            print("| --- | --- | --- | --- | --- |")
            for readers in (0, 1, 2, 4):
                print(published(server, readers), flush=True)
            print("\n| sources | a lease renewed, us of Redis | a look, us of Redis | at who looks |")
            print("| --- | --- | --- | --- |")
            for sources in (50, 1000, 10_000):
                print(owned(server, sources), flush=True)
        finally:
            server.process.kill()
            server.process.wait()


if __name__ == "__main__":
    main()
