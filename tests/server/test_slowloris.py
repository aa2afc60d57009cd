"""Clients that send their header or body in drops are let go, and stand in nobody's way meanwhile."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from urllib.request import urlopen

import pytest

from tests.server.live import LATE_S, Live, gunicorn

pytestmark = [pytest.mark.server, pytest.mark.slow]

MANY = 50
HEADER_S, BODY_S = 5.0, 2.0  # keepalive in gunicorn.conf.py, EMG_BODY_TIMEOUT here
GRACE_S = 3.0
LINES = b"POST /infer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with gunicorn(tmp_path_factory.mktemp("slow"), EMG_BODY_TIMEOUT=str(BODY_S)) as live:
        yield live
        assert "Traceback" not in live.log, live.log


Drip = tuple[bytes, bytes]  # a head, and what comes after it, again and again
BODIES: dict[str, Drip] = {
    "length": (LINES + b"Content-Length: 100000\r\n\r\n", b" "),
    "large": (LINES + b"Content-Length: 30000000\r\n\r\n", b" "),
    "chunked": (LINES + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "fast path": (LINES.replace(b"json", b"octet-stream") + b"Content-Length: 12800\r\n\r\n", b"0"),
}


@dataclass(slots=True)
class Dripping:
    """A connection on which a head was sent, and then drop after drop."""

    socket: socket.socket
    drop: bytes
    told: bytes = b""
    since: float = field(default_factory=time.monotonic)
    closed_after_s: float | None = None

    def go_on(self) -> bool:
        """Take what has come, and send a drop where nothing has; whether the connection is still open.

        In this order: a drop on a connection that is closed is answered by a reset, which drops the answer unread.
        """
        try:
            data = self.socket.recv(65536)
            self.told += data
            return bool(data)
        except BlockingIOError:
            return self._drip()
        except OSError:
            return False

    def _drip(self) -> bool:
        try:
            self.socket.send(self.drop)
            return True
        except BlockingIOError:
            return True
        except OSError:
            return False


def dripping(live: Live, drip: Drip, many: int = MANY) -> list[Dripping]:
    """That many connections with their head sent."""
    head, drop = drip
    found = []
    for _ in range(many):
        sock = socket.create_connection(("127.0.0.1", live.port))
        sock.sendall(head)
        sock.setblocking(False)
        found.append(Dripping(sock, drop))
    return found


def go_on_until_closed(live: Live, clients: list[Dripping], most_s: float) -> None:
    """Let all of them drip until each has been closed, and see that nobody waits for them."""
    began, open_ = time.monotonic(), clients
    while open_ and time.monotonic() - began < most_s:
        for client in open_:
            if not client.go_on():
                client.closed_after_s = time.monotonic() - client.since
        open_ = [client for client in open_ if client.closed_after_s is None]
        asked = time.monotonic()
        with urlopen(f"{live.url}/health", timeout=LATE_S) as answer:
            assert answer.status == 200
        assert time.monotonic() - asked < 2.0
        time.sleep(0.2)
    for client in clients:
        client.socket.close()
    assert not open_, f"{len(open_)} were still open after {time.monotonic() - began:.1f} s"


def test_headers_in_drops_are_cut_off(server: Live) -> None:
    clients = dripping(server, (LINES, b"X-a: b\r\n"[:1]))
    go_on_until_closed(server, clients, HEADER_S + GRACE_S)
    assert min(client.closed_after_s for client in clients if client.closed_after_s) > HEADER_S - 1


def test_bodies_in_drops_are_answered_408_and_cut_off(server: Live) -> None:
    """Of all kinds at the same time."""
    by_kind = {kind: dripping(server, drip) for kind, drip in BODIES.items()}
    go_on_until_closed(server, list(chain(*by_kind.values())), BODY_S + HEADER_S + GRACE_S)
    for kind, clients in by_kind.items():
        assert all(client.closed_after_s and client.closed_after_s > BODY_S - 0.5 for client in clients), kind
        refused = [c for c in clients if c.told.startswith(b"HTTP/1.1 408") and b"EMG_BODY_TIMEOUT" in c.told]
        assert len(refused) >= MANY * 0.8, kind  # the reset may outrun an answer


def test_a_large_body_that_flows_is_taken_whole(server: Live) -> None:
    """It takes longer than EMG_BODY_TIMEOUT in all, and never that long for 64 KiB."""
    size = 512 * 1024
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.settimeout(LATE_S)
        sock.sendall(LINES + f"Content-Length: {size}\r\nConnection: close\r\n\r\n".encode())
        began = time.monotonic()
        for _ in range(8):
            sock.sendall(b" " * (size // 8))
            time.sleep(0.4)
        assert time.monotonic() - began > BODY_S
        assert sock.recv(65536).startswith(b"HTTP/1.1 400")  # whole, and no JSON
