"""Many stream clients in one process: raw sockets and epoll, so that the client is not what is measured."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

ON_TIME_S = 0.010


@dataclass(slots=True)
class Client:
    """One connection and what came when; it is taken apart afterwards, so that reading costs little."""

    sock: socket.socket
    received: list[tuple[float, bytes]] = field(default_factory=list)  # Unix s
    lost: bool = False

    def read(self) -> None:
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.received.append((time.time(), data))
        else:
            self.lost = True

    def frames(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Of each frame: when its end was read, and when the last sample of its window was acquired; Unix s."""
        arrived, acquired, rest = [], [], b""
        for now, data in self.received:
            *events, rest = (rest + data).split(b"\n\n")
            for event in events:
                at = event.find(b'"timestamp":')
                age = event.find(b'"age_ms":', at)
                if at < 0 or age < 0:
                    continue
                timestamp = float(event[at + 12 : event.index(b",", at)])
                arrived.append(now)
                acquired.append(timestamp - float(event[age + 9 : event.index(b",", age)]) / 1000)
        return np.array(arrived), np.array(acquired)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the clients saw in the measured seconds."""

    clients: int
    on_time: float  # share of the frames due that arrived within ON_TIME_S of their last sample
    in_period: float  # share that arrived within one frame period
    age_p50_ms: float  # last sample acquired -> event read by the client
    age_p99_ms: float
    jitter_p99_ms: float  # distance of an interval between two frames from the period
    lost: int  # connections that ended


def measure(
    port: int,
    bodies: list[dict[str, object]],
    fps: float,
    seconds: float,
    warm_up_s: float = 2.0,
    meanwhile: Callable[[], None] = lambda: None,
) -> Result:
    """One client for each of `bodies`, all at once."""
    begin, end, clients = collect(port, bodies, seconds, warm_up_s, meanwhile)
    return _result(clients, fps, begin, end)


def collect(
    port: int,
    bodies: list[dict[str, object]],
    seconds: float,
    warm_up_s: float,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[float, float, list[Client]]:
    """What each client received, and from when to when it counts (Unix s); `meanwhile` is called all the time."""
    poll = select.epoll()
    clients = {}
    for body in bodies:
        client = Client(connect(port, body))
        clients[client.sock.fileno()] = client
        poll.register(client.sock.fileno(), select.EPOLLIN)
    begin = time.time() + warm_up_s
    end = begin + seconds
    while time.time() < end + 0.2:
        meanwhile()
        for fd, _ in poll.poll(0):  # never asleep: waking it would be paid by the server
            clients[fd].read()
            if clients[fd].lost:
                poll.unregister(fd)
    for client in clients.values():
        client.sock.close()
    return begin, end, list(clients.values())


def connect(port: int, body: dict[str, object]) -> socket.socket:
    """Ask for a stream; what is answered is left to be read."""
    sock = socket.create_connection(("127.0.0.1", port))
    payload = json.dumps(body).encode()
    lines = ("POST /infer/stream HTTP/1.1", "Host: localhost", "Content-Type: application/json")
    head = "\r\n".join((*lines, f"Content-Length: {len(payload)}", "", ""))
    sock.sendall(head.encode() + payload)
    sock.setblocking(False)
    return sock


def _result(clients: list[Client], fps: float, begin: float, end: float) -> Result:
    ages, jitter = [], []
    for client in clients:
        arrived, acquired = client.frames()
        within = (acquired >= begin) & (acquired < end)
        ages.append((arrived - acquired)[within])
        jitter.append(np.abs(np.diff(arrived[within]) - 1 / fps))
    age, gaps = np.concatenate(ages), np.concatenate(jitter)
    due = len(clients) * fps * (end - begin)
    if not len(age) or not len(gaps):
        nan = float("nan")
        return Result(
            clients=len(clients), on_time=0.0, in_period=0.0, age_p50_ms=nan, age_p99_ms=nan, jitter_p99_ms=nan,
            lost=sum(client.lost for client in clients),
        )  # fmt: skip
    return Result(
        clients=len(clients),
        on_time=min(float((age <= ON_TIME_S).sum() / due), 1.0),
        in_period=min(float((age <= 1 / fps).sum() / due), 1.0),
        age_p50_ms=float(np.percentile(age, 50) * 1e3),
        age_p99_ms=float(np.percentile(age, 99) * 1e3),
        jitter_p99_ms=float(np.percentile(gaps, 99) * 1e3),
        lost=sum(client.lost for client in clients),
    )
