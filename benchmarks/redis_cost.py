"""What the bus between machines costs Redis: an entry published and heard, and a lease renewed. See docs/scale.md.

    python -m benchmarks.redis_cost          # a Redis of its own, some 20 s

One publisher writes the frames of 100 sources in one pipeline, 30 times a second; each reader hears all of them.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import redis

SOURCES, FPS, SECONDS = 100, 30, 4.0
ENTRY = 550  # bytes: a frame of 400, its times, and what wraps it
KEPT = 64
RENEW = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end
return 0
"""


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


def renewed(server: Server) -> float:
    """Return what a lease costs Redis each time that it is renewed, 100 in a pipeline, in us."""
    client = server.client()
    renew = client.register_script(RENEW)
    for source in range(SOURCES):
        client.set(f"lease{source}", "node", px=60_000)
    before, count, ends = server.cpu_s(), 0, time.monotonic() + SECONDS / 2
    while time.monotonic() < ends:
        pipe = client.pipeline(transaction=False)
        for source in range(SOURCES):
            renew(keys=[f"lease{source}"], args=["node", 60_000], client=pipe)
        pipe.execute()
        count += SOURCES
    return 1e6 * (server.cpu_s() - before) / count


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            print("| readers | entries/s | Redis, us an entry | publisher | each reader |")
            print("| --- | --- | --- | --- | --- |")
            for readers in (0, 1, 2, 4):
                print(published(server, readers), flush=True)
            print(f"\na lease renewed: {renewed(server):.1f} us of Redis")
        finally:
            server.process.kill()
            server.process.wait()


if __name__ == "__main__":
    main()
