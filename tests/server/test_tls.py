"""HTTPS with a real certificate: requests, streams, and clients that never finish their handshake."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import trustme

from app.keys import make
from tests.server import live as live_module
from tests.server.live import LATE_S, START_S, Live, free_port, gunicorn, until
from tests.server.test_start import expect_one_line, start

pytestmark = pytest.mark.server

KEY, SECRET = make("tests", ["read", "infer"])


@dataclass(frozen=True)
class Secure:
    live: Live
    trust: ssl.SSLContext

    def get(self, path: str, secret: str | None = SECRET, data: bytes | None = None) -> bytes:
        headers = {"X-API-Key": secret} if secret else {}
        url = f"https://localhost:{self.live.port}{path}"
        with urlopen(Request(url, data, headers), timeout=LATE_S, context=self.trust) as answer:
            found: bytes = answer.read()
            return found


@contextmanager
def secure(folder: Path) -> Iterator[Secure]:
    authority = trustme.CA()
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        folder / "both.pem"
    )
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    both = str(folder / "both.pem")
    with gunicorn(folder, ("env",), EMG_TLS_CERT=both, EMG_TLS_KEY=both, EMG_API_KEYS=str(KEY)) as live:
        found = Secure(live, trust)

        def answers() -> bool:
            try:
                return b"ready" in found.get("/health/ready", None)
            except OSError:
                return False

        until(answers, START_S)
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    with secure(tmp_path_factory.mktemp("tls")) as found:
        yield found
        assert "Traceback" not in found.live.log, found.live.log
        assert SECRET not in found.live.log


def test_requests_are_answered_over_tls(server: Secure) -> None:
    assert json.loads(server.get("/health"))["status"] == "ok"
    assert b"prediction" in server.get("/infer", data=b'{"batch": 1}')


def test_a_stream_over_tls_has_every_frame_and_its_last_word(server: Secure) -> None:
    text = server.get("/infer/stream?duration_seconds=1&fps=20").decode()
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    assert [event["frame"] for event in events[:-1]] == list(range(20))
    assert events[-1]["status"] == "completed"


def test_a_certificate_of_nobody_is_not_trusted_and_old_tls_is_refused(server: Secure) -> None:
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        urlopen(f"https://localhost:{server.live.port}/health/live", timeout=LATE_S)


def test_handshakes_that_never_end_are_let_go(server: Secure) -> None:
    """gevent waits for a handshake without end; ssl_context in gunicorn.conf.py gives it 10 s, also in drops."""
    silent = [socket.create_connection(("127.0.0.1", server.live.port)) for _ in range(20)]
    began = time.monotonic()
    open_ = set(silent)
    while open_ and time.monotonic() - began < 20:
        for sock in list(open_):
            sock.settimeout(0.01)
            try:
                sock.send(b"\x16")  # the first byte of a ClientHello, over and over
                if sock.recv(1) == b"":
                    open_.discard(sock)
            except TimeoutError:
                pass
            except OSError:
                open_.discard(sock)
        assert b"alive" in server.get("/health/live", None)
        time.sleep(0.5)
    for sock in silent:
        sock.close()
    assert not open_


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_certificate_and_a_key_that_do_not_belong_together_stop_the_start(tmp_path: Path) -> None:
    for name in ("a", "b"):
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
        command += ["-keyout", str(tmp_path / f"{name}.key"), "-out", str(tmp_path / f"{name}.crt")]
        subprocess.run(command, check=True, capture_output=True)
    command = ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    settings = {"EMG_TLS_CERT": str(tmp_path / "a.crt"), "EMG_TLS_KEY": str(tmp_path / "b.key")}
    expect_one_line(*start(command, settings), ["EMG_TLS_CERT", "EMG_TLS_KEY", "MISMATCH"])
    half = {"EMG_TLS_CERT": str(tmp_path / "a.crt")}
    expect_one_line(*start(command, half), ["EMG_TLS_KEY is empty"])


def test_a_wide_bind_starts_with_keys_and_loudly_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr(live_module, "free_port", lambda: port)
    with gunicorn(tmp_path, EMG_BIND=f"0.0.0.0:{port}", EMG_API_KEYS=str(KEY)) as live:
        assert "ANYONE" not in live.log
    with gunicorn(tmp_path, EMG_BIND=f"0.0.0.0:{port}", EMG_ALLOW_ANONYMOUS="1") as live:
        assert "ANYONE who reaches" in live.log
