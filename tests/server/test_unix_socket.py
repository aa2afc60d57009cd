"""EMG_BIND=unix:...: the socket's permissions are its door."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from tests.server.live import START_S, gunicorn, until

pytestmark = pytest.mark.server


def answer(path: Path) -> bytes:
    """To GET /health/live; empty where nobody listens."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return b""
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        return client.makefile("rb").readline()


def test_only_the_servers_user_and_group_may_connect(tmp_path: Path) -> None:
    """gunicorn made it srwxrwxrwx: every user of the machine could use a server without keys."""
    path = tmp_path / "myostream.sock"
    # with a prefix nobody waits for its port, which it does not have
    with gunicorn(tmp_path, prefix=("env",), EMG_BIND=f"unix:{path}") as live:
        until(lambda: answer(path) or live.process.poll() is not None, START_S)
        assert answer(path) == b"HTTP/1.1 200 OK\r\n", live.log
        assert stat.filemode(path.stat().st_mode) == "srwxrwx---"
