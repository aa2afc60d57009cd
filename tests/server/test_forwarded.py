"""Headers by which a proxy speaks of a client, when the client sends them itself."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.server.live import LATE_S, Live, gunicorn
from tests.server.proxies import PROXIES

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


class Echo(BaseHTTPRequestHandler):
    """Answers with the headers that it was sent."""

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_replaces_what_a_client_says_of_itself(echo: int, proxy: str, tmp_path: Path) -> None:
    """nginx passed X-Forwarded-Host on, and the server believed it, as it came from a trusted proxy."""
    claims = {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"}
    with PROXIES[proxy](tmp_path, echo) as port:
        with urlopen(Request(f"http://127.0.0.1:{port}/", headers=claims), timeout=LATE_S) as answer:
            told = json.load(answer)
        assert {name: told[name.lower()] for name in claims} == {
            "X-Forwarded-Host": f"127.0.0.1:{port}",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Proto": "http",
        }
