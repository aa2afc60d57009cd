"""Two servers with a Redis between: sources pushed at random to either, readers at random at either.

    python -m benchmarks.fleet [--sources 40] [--readers 200] [--seconds 8] [--chunk-ms 40] [--nodes 1]

Each server has one worker, pinned to a core of its own; Redis, pushers and readers have what is left of both. Every
chunk goes to the server that its pusher is connected with, whoever reads the source. Age: a window's last sample handed
to the socket by the pusher -> the event read by the client. It is given for readers at the source's own server and for
those that hear it through the bus, whose frames are looked at one by one: none twice, none in the wrong order, and what
is missing counted as dropped.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import select
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.push import CHANNELS, FPS, RATE, Pusher, ages, chunks, declared_at, pusher_of
from benchmarks.servers import BIN, Server, free_port, running
from benchmarks.stream_load import Client, connect

WARM_UP_S = 3.0
PASSWORD = "of-the-benchmark"
_FRAME = re.compile(rb'"sample_index":(\d+).*?"dropped":(\d+)\}')


@dataclass(frozen=True, slots=True)
class Reading:
    """One reader: of which source, and at which server."""

    source: int
    node: int
    client: Client


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=int, default=40)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--chunk-ms", type=float, default=40.0, help="of signal in one POST")
    parser.add_argument("--nodes", type=int, choices=(1, 2), default=2)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with ExitStack() as opened:
        url = opened.enter_context(redis())
        nodes = [opened.enter_context(node(url, core, asked)) for core in range(asked.nodes)]
        print(json.dumps(measured(nodes, asked), indent=1))


@contextmanager
def redis() -> Iterator[str]:
    """Run a Redis of the benchmark's own; its address."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "redis-server",
            "--port",
            str(port),
            "--save",
            "",
            "--dir",
            folder,
            "--requirepass",
            PASSWORD,
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
        finally:
            process.kill()
            process.wait()


@contextmanager
def node(url: str, core: int, asked: argparse.Namespace) -> Iterator[Server]:
    """Run one of the two servers, with a folder of its own, as another machine has."""
    port = free_port()
    command = [str(BIN / "gunicorn"), "-c", "gunicorn.conf.py", "wsgi:app"]
    with (
        tempfile.TemporaryDirectory() as folder,
        running(
            f"node {core}",
            command,
            port,
            "/health/ready",
            cores=str(core),
            EMG_BIND=f"127.0.0.1:{port}",
            EMG_INSTANCE=str(Path(folder) / "instance"),
            EMG_MODE="push",
            EMG_BACKENDS="onnxruntime",
            **({"EMG_REDIS_URL": url} if asked.nodes > 1 else {}),
            EMG_MAX_SOURCES=str(asked.sources + 1),
            EMG_MAX_GROUPS=str(asked.sources + 1),
        ) as server,
    ):
        yield server


def measured(nodes: Sequence[Server], asked: argparse.Namespace) -> dict[str, Any]:
    """Push and read for so long, and say what came of it."""
    dice, chunk_s = random.Random(asked.seed), asked.chunk_ms / 1e3
    bodies = chunks(round(chunk_s * RATE), CHANNELS)
    owners = [dice.randrange(len(nodes)) for _ in range(asked.sources)]
    pushers: list[Pusher] = []
    for k, owner in enumerate(owners):
        declared_at(nodes[owner], f"arm{k}", CHANNELS, RATE)
        at = dice.randrange(len(nodes))  # a balancer does not know whose it is
        pushers.append(
            pusher_of(nodes[at], f"arm{k}", bodies, k * chunk_s / asked.sources, CHANNELS, chunk_s)
        )
    readings = []
    for _ in range(asked.readers):
        source, at = dice.randrange(asked.sources), dice.randrange(len(nodes))
        body: dict[str, object] = {"fps": FPS, "source": f"arm{source}"}
        readings.append(Reading(source, at, Client(connect(nodes[at].port, body))))
    begin = time.time() + WARM_UP_S
    end = begin + asked.seconds
    cpu = _driven(readings, pushers, nodes, begin, end)
    found = _result(readings, pushers, owners, begin, end)
    return {
        **found,
        "cpu_percent_of_each_server": [round(100 * used / asked.seconds) for used in cpu],
        "cpu_ms_a_frame": round(1e3 * sum(cpu) / _made(readings, begin, end), 3),
        "lost_samples": _lost(nodes),
        "refused_chunks": sum(pusher.refused for pusher in pushers),
    }


def _driven(
    readings: Sequence[Reading], pushers: Sequence[Pusher], nodes: Sequence[Server], begin: float, end: float
) -> list[float]:
    """Push what is due and read what comes, until `end`; the processor time of each server in the measured time."""
    poll, clients = select.epoll(), {}
    for reading in readings:
        clients[reading.client.sock.fileno()] = reading.client
        poll.register(reading.client.sock.fileno(), select.EPOLLIN)
    before: list[float] = []
    while (now := time.time()) < end:
        for pusher in pushers:
            pusher.step(now)
        for fd, _ in poll.poll(0.001):
            clients[fd].read()
            if clients[fd].lost:
                poll.unregister(fd)
        if not before and now >= begin:
            before = [server.cpu_seconds() for server in nodes]
    used = [server.cpu_seconds() - was for server, was in zip(nodes, before, strict=True)]
    ends = time.time() + 0.2
    while time.time() < ends:
        for fd, _ in poll.poll(0.01):
            clients[fd].read()
    for one in (*clients.values(), *pushers):
        one.sock.close()
    return used


def _result(
    readings: Sequence[Reading], pushers: Sequence[Pusher], owners: Sequence[int], begin: float, end: float
) -> dict[str, Any]:
    found: dict[str, Any] = {"sources": len(pushers), "readers": len(readings)}
    for through_bus, name in ((False, "local"), (True, "through_the_bus")):
        those = [one for one in readings if (owners[one.source] != one.node) == through_bus]
        if not those:
            continue
        age = np.concatenate([ages(one.client, pushers[one.source], begin, end) for one in those]) * 1e3
        checked = [_checked(one.client) for one in those]
        found[name] = {
            "readers": len(those),
            "frames": round(len(age) / (len(those) * FPS * (end - begin)), 4),
            "age_p50_ms": round(float(np.percentile(age, 50)), 2),
            "age_p99_ms": round(float(np.percentile(age, 99)), 2),
            "twice_or_in_the_wrong_order": sum(one[0] for one in checked),
            "missing_and_not_counted": sum(one[1] for one in checked),
            "dropped": sum(one[2] for one in checked),
            "cut": sum(one.client.lost for one in those),
        }
    return found


def _made(readings: Sequence[Reading], begin: float, end: float) -> int:
    """Return how many frames anybody has read in the measured time, each counted once."""
    return len(
        {
            (one.source, index)
            for one in readings
            for now, data in one.client.received
            if begin <= now < end
            for index, _ in _FRAME.findall(data)
        }
    )


def _checked(client: Client) -> tuple[int, int, int]:
    """Return how many frames came twice or in the wrong order, are missing without being counted, and were dropped."""
    whole = b"".join(data for _, data in client.received)
    frames = [(int(index), int(dropped)) for index, dropped in _FRAME.findall(whole)]
    wrong = uncounted = 0
    for (before, had), (after, dropped) in itertools.pairwise(frames):
        windows = round((after - before) * FPS / RATE)
        wrong += windows <= 0
        uncounted += max(windows - 1 - (dropped - had), 0)
    return wrong, uncounted, frames[-1][1] if frames else 0


def _lost(nodes: Sequence[Server]) -> int:
    with urllib.request.urlopen(f"{nodes[0].url}/emg/sources", timeout=10) as answer:
        return sum(source["lost_samples"] for source in json.load(answer)["sources"])


if __name__ == "__main__":
    main()
