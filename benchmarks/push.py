"""Pushed sources: many clients that send 16 channels at 2000 Hz at once, and how old their predictions are.

    python -m benchmarks push

The server is pinned to one core, pushers and readers to the other. Every source is read by one stream of 30 fps. Age:
a window's last sample handed to the socket by the pusher -> the event read by the client.
"""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.servers import CLIENT_CORE, Server, myostream
from benchmarks.stream_load import Client, collect

RATE, CHANNELS, FPS = 2000, 16, 30.0
CHUNK_S = 0.02
SOURCES = (1, 10, 20, 30)
SECONDS = 8.0


@dataclass(slots=True)
class Pusher:
    """One client's keep-alive connection: it sends a chunk when it is due and reads the answers when they come."""

    sock: socket.socket
    name: str
    due: float
    bodies: Sequence[bytes]  # of the chunks, in turn
    sent: int = 0  # samples
    sent_at: list[float] = field(default_factory=list)  # of each chunk, Unix s
    answers: int = 0
    refused: int = 0
    channels: int = CHANNELS
    chunk_s: float = CHUNK_S

    def step(self, now: float) -> None:
        if now >= self.due:
            self._send()
            self.due += self.chunk_s
        try:
            answer = self.sock.recv(65536)
        except BlockingIOError:
            return
        self.answers += answer.count(b"HTTP/1.1 200")
        self.refused += answer.count(b"HTTP/1.1 ") - answer.count(b"HTTP/1.1 200")

    def _send(self) -> None:
        body = self.bodies[len(self.sent_at) % len(self.bodies)]
        head = (
            f"POST /emg/sources/{self.name}/samples?first_sample={self.sent}&dtype=int16 HTTP/1.1\r\n"
            f"Host: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.sent_at.append(time.time())
        self.sock.sendall(head.encode() + body)
        self.sent += len(body) // (2 * self.channels)


def run() -> dict[str, Any]:
    """All measurements, as plain numbers."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    rows = []
    for sources in SOURCES:
        with myostream(EMG_MODE="push") as server:
            rows.append(measured(server, sources))
        print(rows[-1], flush=True)
    return {"rate": RATE, "channels": CHANNELS, "fps": FPS, "chunk_ms": 1e3 * CHUNK_S, "rows": rows}


def chunks(samples: int, channels: int) -> list[bytes]:
    """Return a second of noise in chunks: a signal that repeated itself would be looked at for clipping every time."""
    signal = np.random.default_rng(0).normal(0, 30, (round(1 / CHUNK_S), samples, channels))
    return [chunk.astype("<i2").tobytes() for chunk in signal]


def measured(server: Server, sources: int, channels: int = CHANNELS, rate: int = RATE) -> dict[str, Any]:
    """One row: so many sources, each with a stream."""
    bodies = chunks(round(CHUNK_S * rate), channels)
    pushers = []
    for k in range(sources):
        declared_at(server, f"arm{k}", channels, rate)
        pushers.append(pusher_of(server, f"arm{k}", bodies, k * CHUNK_S / sources, channels))

    def push() -> None:
        now = time.time()
        for pusher in pushers:
            pusher.step(now)

    before, began = server.cpu_seconds(), time.perf_counter()
    asked: list[dict[str, object]] = [{"fps": FPS, "source": pusher.name} for pusher in pushers]
    begin, end, clients = collect(server.port, asked, SECONDS, 2.0, push)
    cpu = 100 * (server.cpu_seconds() - before) / (time.perf_counter() - began)
    pairs = zip(clients, pushers, strict=True)
    age = np.concatenate([ages(client, pusher, begin, end) for client, pusher in pairs]) * 1e3
    with urllib.request.urlopen(f"{server.url}/emg/sources", timeout=5) as answer:
        lost = sum(source["lost_samples"] for source in json.load(answer)["sources"])
    return {
        "sources": sources,
        "frames": round(len(age) / (sources * FPS * SECONDS), 3),
        "age_p50_ms": round(float(np.percentile(age, 50)), 2),
        "age_p99_ms": round(float(np.percentile(age, 99)), 2),
        "lost_samples": lost,
        "refused": sum(pusher.refused for pusher in pushers),
        "server_cpu_percent": round(cpu),
    }


def declared_at(server: Server, name: str, channels: int, rate: int) -> None:
    """Declare a source."""
    declared = json.dumps({"channels": channels, "sampling_rate_hz": rate}).encode()
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(
        urllib.request.Request(f"{server.url}/emg/sources/{name}", declared, headers), timeout=5
    ).close()


def pusher_of(
    server: Server,
    name: str,
    bodies: Sequence[bytes],
    offset_s: float,
    channels: int,
    chunk_s: float = CHUNK_S,
) -> Pusher:
    """Return one that is connected with that server, and begins after so long."""
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    return Pusher(sock, name, time.time() + offset_s, bodies, channels=channels, chunk_s=chunk_s)


def ages(client: Client, pusher: Pusher, begin: float, end: float) -> np.ndarray:
    """Of each frame that was read in the measured time, s."""
    chunk = len(pusher.bodies[0]) // (2 * pusher.channels)
    ages, rest = [], b""
    for now, data in client.received:
        *events, rest = (rest + data).split(b"\n\n")
        for event in events:
            at = event.find(b'"sample_index":')
            if at >= 0 and begin <= now < end:
                last = int(event[at + 15 : event.index(b",", at)]) - 1
                ages.append(now - pusher.sent_at[last // chunk])
    return np.array(ages)
