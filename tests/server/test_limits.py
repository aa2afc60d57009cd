"""Limits under a real server, where requests come at the same moment."""

from __future__ import annotations

import json
import socket
import time
from itertools import pairwise
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from redis import Redis

from app.api.access.rate import AGAIN_S
from tests.own_redis import running
from tests.server.live import LATE_S, Client, Live, gunicorn, until

pytestmark = pytest.mark.server

MOST, ASKED = 5, 20
UNREAD = 2**24  # bytes


def test_of_many_streams_at_once_only_so_many_are_opened(tmp_path: Path) -> None:
    """Joining a broadcast waits; counted afterwards, all that asked meanwhile got in. So it is counted before."""
    with gunicorn(tmp_path, EMG_MAX_STREAMS_PER_KEY=str(MOST)) as live:
        socks = [socket.create_connection(("127.0.0.1", live.port), LATE_S) for _ in range(ASKED)]
        for sock in socks:
            sock.sendall(b"GET /infer/stream?fps=30 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        heads = [sock.recv(4096) for sock in socks]
        statuses = sorted(head.split(b" ")[1] for head in heads)
        assert statuses == [b"200"] * MOST + [b"429"] * (ASKED - MOST)
        assert all(b"Retry-After: " in head for head in heads if b" 429 " in head)
        assert live.stats()["active_streams"] == MOST
        for sock in socks:
            sock.close()
        until(lambda: live.stats()["active_streams"] == 0)
        with socket.create_connection(("127.0.0.1", live.port), LATE_S) as again:
            again.sendall(b"GET /infer/stream?fps=30 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert again.recv(4096).startswith(b"HTTP/1.1 200")


def asked(live: Live, path: str = "/health", method: str = "GET") -> tuple[int, str]:
    """The status, and of a refusal why."""
    try:
        with urlopen(Request(f"{live.url}{path}", method=method), timeout=LATE_S) as answer:
            return answer.status, ""
    except HTTPError as error:
        with error:
            return error.code, json.load(error)["detail"]


def test_redis_that_is_gone_costs_its_shared_count_and_tickets_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    settings = {"EMG_REDIS_URL": f"unix://{path}", "EMG_RATE_LIMIT": "8/second"}
    with running(path) as process, gunicorn(tmp_path, **settings) as live:
        client = Client(live.port, fps=20)
        client.frames(5)
        assert asked(live, "/stream/tickets", "POST")[0] == 201
        process.kill()
        process.wait()
        before = client.frames(1)[-1]["frame"]
        assert asked(live)[0] == 200  # counted by the worker itself
        status, why = asked(live, "/stream/tickets", "POST")
        assert (status, "Redis" in why) == (503, True)
        assert 429 in [asked(live)[0] for _ in range(20)]
        path.unlink(missing_ok=True)
        assert live.log.count("EMG_REDIS_URL does not answer") == 1
        with running(path):
            until(lambda: asked(live, "/stream/tickets", "POST")[0] == 201, AGAIN_S + LATE_S)
            until(lambda: asked(live)[0] == 200 and counted(path), AGAIN_S + LATE_S)
            assert live.log.count("EMG_REDIS_URL answers again") == 1
        frame = client.frames(1)[-1]
        assert frame["frame"] > before
        assert frame["dropped"] == 0
        client.close()
        assert "Traceback" not in live.log, live.log


def counted(path: Path) -> bool:
    """Whether requests are counted in Redis."""
    with Redis(unix_socket_path=str(path)) as redis:
        return any(b"LIMITS" in key for key in redis.scan_iter())


@pytest.mark.parametrize("path", ["/infer", "/benchmark", "/emg/recordings", "/infer/stream"])
@pytest.mark.parametrize("sent", [b"", b'{"ba'], ids=["nothing", "a part"])
def test_a_body_that_ends_early_is_400_and_nothing_is_done(server: Live, path: str, sent: bytes) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=LATE_S) as connection:
        connection.sendall(head.encode() + sent)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
    with urlopen(f"{server.url}/emg/recordings", timeout=LATE_S) as found:
        assert not [one for one in json.load(found)["recordings"] if one["state"] == "recording"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health/live"), ("POST", "/nowhere"), ("DELETE", "/infer")]
)
def test_a_body_that_nobody_reads_holds_no_stream_up(server: Live, method: str, path: str) -> None:
    """gunicorn passes over it by the KiB, copied all that had come for each, and let nobody in between: 8 MiB, 5 s."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {UNREAD}\r\n\r\n".encode()
    again = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    stream = Client(server.port, fps=20)
    stream.frames(5)
    with socket.create_connection(("127.0.0.1", server.port), timeout=LATE_S) as connection:
        connection.sendall(head + bytes(UNREAD) + again)
        began = time.monotonic()
        arrivals = [began, *(time.monotonic() for _ in range(30) if stream.frames(1))]
        assert connection.makefile("rb").read().count(b"HTTP/1.1 ") == 2  # the one after it is answered, too
    assert max(b - a for a, b in pairwise(arrivals)) < 1.0
    stream.close()
