"""Closed-loop HTTP clients in one process: each connection sends its next request when it has its answer."""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass, field

import numpy as np


@dataclass(slots=True)
class Connection:
    """One keep-alive connection and the latency of each of its requests."""

    sock: socket.socket
    sent_at: float = 0.0
    buffer: bytes = b""
    length: int = -1  # of the answer, head included; -1 until the head is there
    latencies: list[float] = field(default_factory=list)

    def answered(self) -> bool:
        """Read what is there; whether an answer is complete."""
        self.buffer += self.sock.recv(262_144)
        if self.length < 0:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = self.buffer[:end].lower()
            if not head.startswith(b"http/1.1 200"):
                raise RuntimeError(self.buffer[:500].decode(errors="replace"))
            at = head.index(b"content-length:") + 15
            self.length = end + 4 + int(head[at:].split(b"\r\n", 1)[0])
        return len(self.buffer) >= self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the clients saw."""

    concurrency: int
    per_second: float
    p50_ms: float
    p99_ms: float
    least_share: float  # of the requests, times the number of connections: 1 is an even share
    most_share: float


def measure(
    port: int, path: str, content_type: str, body: bytes, concurrency: int, seconds: float = 4.0
) -> Result:
    """The same request from `concurrency` connections for `seconds`, after half a second of warm-up."""
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
    )
    request = "\r\n".join((*lines, "", "")).encode() + body
    poll, connections = select.epoll(), {}
    for _ in range(concurrency):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections[sock.fileno()] = Connection(sock)
        poll.register(sock.fileno(), select.EPOLLIN)
    for connection in connections.values():
        _send(connection, request)
    began = time.perf_counter() + 0.5
    while (now := time.perf_counter()) < began + seconds:
        for fd, _ in poll.poll(1.0):
            connection = connections[fd]
            if connection.answered():
                if connection.sent_at >= began:
                    connection.latencies.append(time.perf_counter() - connection.sent_at)
                _send(connection, request)
    elapsed = now - began
    for connection in connections.values():
        connection.sock.close()
    counts = np.array([len(connection.latencies) for connection in connections.values()])
    times = np.concatenate([connection.latencies for connection in connections.values()]) * 1e3
    return Result(
        concurrency=concurrency,
        per_second=float(counts.sum() / elapsed),
        p50_ms=float(np.percentile(times, 50)),
        p99_ms=float(np.percentile(times, 99)),
        least_share=float(counts.min() / counts.mean()),
        most_share=float(counts.max() / counts.mean()),
    )


def _send(connection: Connection, request: bytes) -> None:
    connection.buffer, connection.length = b"", -1
    connection.sent_at = time.perf_counter()
    connection.sock.sendall(request)
