"""Clients that send their header or body in drops are let go, and stand in nobody's way meanwhile."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
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


def dripping(live: Live, head: bytes, drop: bytes, most_s: float) -> tuple[float, list[bytes]]:
    """Send `head` and then drop after drop on many connections; when the last was closed, and what each was told."""
    socks = [socket.create_connection(("127.0.0.1", live.port)) for _ in range(MANY)]
    told = dict.fromkeys(socks, b"")
    for sock in socks:
        sock.sendall(head)
        sock.setblocking(False)
    began, open_ = time.monotonic(), set(socks)
    while open_ and time.monotonic() - began < most_s:
        for sock in list(open_):
            try:
                sock.send(drop)
                data = sock.recv(65536)
                told[sock] += data
                if not data:
                    open_.discard(sock)
            except BlockingIOError:
                pass
            except OSError:
                open_.discard(sock)
        asked = time.monotonic()
        with urlopen(f"{live.url}/health", timeout=LATE_S) as answer:
            assert answer.status == 200
        assert time.monotonic() - asked < 2.0  # nobody waits for them
        time.sleep(0.2)
    took = time.monotonic() - began
    for sock in socks:
        sock.close()
    assert not open_, f"{len(open_)} were still open after {took:.1f} s"
    return took, list(told.values())


def test_headers_in_drops_are_cut_off(server: Live) -> None:
    took, _ = dripping(server, LINES, b"X-a: b\r\n"[:1], HEADER_S + GRACE_S)
    assert took > HEADER_S - 1


@pytest.mark.alone
@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (LINES + b"Content-Length: 100000\r\n\r\n", b" "),
        (LINES + b"Content-Length: 30000000\r\n\r\n", b" "),
        (LINES + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (LINES.replace(b"json", b"octet-stream") + b"Content-Length: 12800\r\n\r\n", b"0"),
    ],
    ids=["length", "large", "chunked", "fast path"],
)
def test_bodies_in_drops_are_answered_408_and_cut_off(server: Live, head: bytes, drop: bytes) -> None:
    took, told = dripping(server, head, drop, BODY_S + HEADER_S + GRACE_S)
    assert took > BODY_S - 0.5
    said = [answer for answer in told if answer.startswith(b"HTTP/1.1 408") and b"EMG_BODY_TIMEOUT" in answer]
    assert len(said) >= MANY * 0.8  # the reset may outrun an answer


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
