"""Limits under a real server, where requests come at the same moment."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.server.live import LATE_S, gunicorn, until

pytestmark = pytest.mark.server

MOST, ASKED = 5, 20


def test_of_many_streams_at_once_only_so_many_are_opened(tmp_path: Path) -> None:
    """Joining a broadcast waits; counted afterwards, all that asked meanwhile got in. So it is counted before."""
    with gunicorn(tmp_path, EMG_MAX_STREAMS_PER_KEY=str(MOST)) as live:
        socks = [socket.create_connection(("127.0.0.1", live.port), LATE_S) for _ in range(ASKED)]
        for sock in socks:
            sock.sendall(b"GET /infer/stream?fps=30 HTTP/1.1\r\nHost: x\r\n\r\n")
        heads = [sock.recv(4096) for sock in socks]
        statuses = sorted(head.split(b" ")[1] for head in heads)
        assert statuses == [b"200"] * MOST + [b"429"] * (ASKED - MOST)
        assert all(b"Retry-After: " in head for head in heads if b" 429 " in head)
        assert live.stats()["active_streams"] == MOST
        for sock in socks:
            sock.close()
        until(lambda: live.stats()["active_streams"] == 0)
        with socket.create_connection(("127.0.0.1", live.port), LATE_S) as again:
            again.sendall(b"GET /infer/stream?fps=30 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert again.recv(4096).startswith(b"HTTP/1.1 200")
