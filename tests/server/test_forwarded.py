"""Headers by which a proxy speaks of a client, when the client sends them itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.server.live import LATE_S, Live, gunicorn

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """As behind a proxy on this machine."""
    folder = tmp_path_factory.mktemp("server")
    with gunicorn(folder, EMG_TRUSTED_PROXIES="127.0.0.1", EMG_ALLOW_ANONYMOUS="1") as live:
        yield live


def answer(port: int, *headers: str) -> bytes:
    lines = ["GET /health/live HTTP/1.1", "Host: here", "Connection: close", *headers, "", ""]
    with socket.create_connection(("127.0.0.1", port), LATE_S) as client:
        client.sendall("\r\n".join(lines).encode())
        return client.makefile("rb").read()


@pytest.mark.parametrize("header", ["SCRIPT_NAME: /x", "PATH_INFO: /metrics"])
def test_no_header_moves_the_path_even_through_a_trusted_proxy(live: Live, header: str) -> None:
    """A proxy passes unknown headers on, and gunicorn answered SCRIPT_NAME with a 500 in HTML."""
    status, _, rest = answer(live.port, header).partition(b"\r\n")
    assert status == b"HTTP/1.1 200 OK"
    assert b"application/json" in rest
