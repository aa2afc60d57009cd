"""Live sockets: many clients that send 16 channels at 2000 Hz and hear their predictions on the same connection.

    python -m benchmarks.live                          1, 20, 40, ... sources of 16 x 2000 Hz, until it breaks
    python -m benchmarks.live --rate 200 --channels 8  the same of an armband's kind
    python -m benchmarks.live --sources 160 --seconds 20 --root ../before

The server is pinned to one core, all clients to the other; what the clients themselves cost is printed beside. Each
source is heard at 30 fps, as records of 32 bytes. Age: a window's last sample handed to the socket -> the record read.
"""

from __future__ import annotations

import argparse
import base64
import os
import select
import socket
import struct
import time
import urllib.request
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import push
from benchmarks.servers import CLIENT_CORE, ROOT, Server, myostream

CHUNK_S, FPS, WARM_S = 0.02, 30.0, 3.0
RECORD = struct.Struct("<BBHQfffHHI")
HEADER = struct.Struct("<BBBBIQ")
SOURCES = (1, 20, 40, 80, 120, 160, 200)
SECONDS = 5.0
KINDS = {
    "16 x 2000 Hz": ("synthetic-16ch-2khz", 16, 2000, (1, 20, 40, 80, 120, 160)),
    "8 x 200 Hz": ("myo-8ch-200hz", 8, 200, (1, 20, 80, 160)),
}
BEFORE, OLD = (20, 30), ROOT.parent / "before"


@dataclass(slots=True)
class Client:
    """One socket; its frames are masked with zeros, which costs the server the same and this process nothing."""

    sock: socket.socket
    due: float
    count: int  # samples of a chunk
    head: bytes
    bodies: Sequence[bytes]  # of the chunks, in turn
    sent_at: list[float] = field(default_factory=list)  # of each chunk
    rest: bytes = b""
    ages: list[tuple[float, float]] = field(default_factory=list)  # read at, age
    frames: list[int] = field(default_factory=list)
    dropped: int = 0
    lost: int = 0

    def send(self) -> None:
        number = len(self.sent_at)
        first, body = number * self.count, self.bodies[number % len(self.bodies)]
        self.sent_at.append(time.perf_counter())
        self.sock.sendall(self.head + HEADER.pack(1, 2, 0, 0, self.count, first) + body)

    def read(self) -> None:
        data, at = self.rest + self.sock.recv(1 << 16), 0
        now = time.perf_counter()
        while len(data) - at >= 4:
            size, begins = data[at + 1], at + 2
            if size == 126:
                (size,), begins = struct.unpack_from(">H", data, at + 2), at + 4
            if len(data) < begins + size:
                break
            if data[at] & 0x0F == 2:
                _, kind, _, sample, _, _, _, _, dropped, number = RECORD.unpack_from(data, begins)
                if kind == 1:
                    self.ages.append((now, now - self.sent_at[(sample - 1) // self.count]))
                    self.frames.append(number)
                    self.dropped += dropped
            elif (
                b'"lost":0}' not in data[begins : begins + size] and b'"ack"' in data[begins : begins + size]
            ):
                self.lost += 1
            at = begins + size
        self.rest = data[at:]


def opened(server: Server, name: str, channels: int, rate: int, due: float) -> Client:
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    path = f"/emg/sources/{name}/live?channels={channels}&sampling_rate_hz={rate}&send=frames&format=binary"
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(65536)
    assert head.startswith(b"HTTP/1.1 101"), head
    sock.setblocking(False)
    count = round(CHUNK_S * rate)
    bodies = push.chunks(count, channels)
    size = HEADER.size + len(bodies[0])
    head_of_frame = bytes([0x82]) + (
        bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack(">H", size)
    )
    return Client(sock, due, count, head_of_frame + bytes(4), bodies, rest=head.split(b"\r\n\r\n", 1)[1])


def measured(server: Server, sources: int, channels: int, rate: int, seconds: float) -> dict[str, float]:
    """One row: so many sources for so long."""
    clients = []
    for k in range(sources):
        clients.append(opened(server, f"arm{k}", channels, rate, 0.0))
    began = time.perf_counter() + 0.5
    for k, client in enumerate(clients):
        client.due = began + k * CHUNK_S / sources
    watch = select.epoll()
    by_fd = {client.sock.fileno(): client for client in clients}
    for fd in by_fd:
        watch.register(fd, select.EPOLLIN)
    begin, end = began + WARM_S, began + WARM_S + seconds
    cpu = own = 0.0
    started = False
    queue = sorted(clients, key=lambda client: client.due)
    at, late = 0, 0.0
    while (now := time.perf_counter()) < end:
        if not started and now >= begin:
            started, cpu, own = True, server.cpu_seconds(), time.process_time()
        while queue[at].due <= now:
            late = max(late, now - queue[at].due) if started else 0.0
            queue[at].send()
            queue[at].due += CHUNK_S
            at = (at + 1) % len(queue)
        for fd, _ in watch.poll(max(0.0, min(queue[at].due - time.perf_counter(), 0.01)), 512):
            by_fd[fd].read()
    cpu, own = server.cpu_seconds() - cpu, time.process_time() - own
    ages = np.array([age for client in clients for read, age in client.ages if begin <= read < end]) * 1e3
    memory = server.memory_mb()
    for client in clients:
        client.sock.close()
    with urllib.request.urlopen(f"{server.url}/infer/stream/stats", timeout=30):
        pass
    return {
        "sources": sources,
        "frames": round(len(ages) / (sources * FPS * seconds), 3),
        "dropped": sum(client.dropped for client in clients),
        "acks with losses": sum(client.lost for client in clients),
        "age_p50_ms": round(float(np.percentile(ages, 50)), 2),
        "age_p99_ms": round(float(np.percentile(ages, 99)), 2),
        "server_cpu_percent": round(100 * cpu / seconds),
        "clients_cpu_percent": round(100 * own / seconds),
        "clients_late_ms": round(1e3 * late, 1),
        "memory_mb": round(memory),
    }


def run() -> dict[str, Any]:
    """All measurements, as plain numbers; beside those of `../before` (commit e1c6482) by POST, where that is there."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    found: dict[str, Any] = {"fps": FPS, "chunk_ms": 1e3 * CHUNK_S}
    for name, (model, channels, rate, sources) in KINDS.items():
        found[name] = []
        for number in sources:
            with pushing(ROOT, model) as server:
                found[name].append(measured(server, number, channels, rate, SECONDS))
            print(found[name][-1], flush=True)
        found[f"{name}, by POST before"] = []
        for number in BEFORE if OLD.exists() else ():
            with pushing(OLD, model) as server:
                found[f"{name}, by POST before"].append(push.measured(server, number, channels, rate))
            print(found[f"{name}, by POST before"][-1], flush=True)
    return found


def pushing(root: Path, model: str) -> AbstractContextManager[Server]:
    """The server of a checkout, with room for many who push."""
    room = {"EMG_MAX_SOURCES": "1000", "EMG_MAX_GROUPS": "1000", "EMG_MAX_STREAMS": "1500"}
    return myostream(root, EMG_MODE="push", EMG_MODEL=model, EMG_BACKENDS="onnxruntime", **room)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--model", default="synthetic-16ch-2khz")
    parser.add_argument("--sources", type=int, nargs="*", default=SOURCES)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--root", type=Path, default=ROOT, help="of another checkout")
    options = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    for sources in options.sources:
        with pushing(options.root.resolve(), options.model) as server:
            row = measured(server, sources, options.channels, options.rate, options.seconds)
        print(row, flush=True)


if __name__ == "__main__":
    main()
