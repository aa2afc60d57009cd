"""HTTPS with a real certificate: requests, streams, and clients that never finish their handshake."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest
import trustme

from app.keys import make
from tests.server import live as live_module
from tests.server.live import LATE_S, START_S, Live, expect_accounted_for, free_port, gunicorn, until
from tests.server.live_socket import BINARY, CLOSE, PONG, LiveSocket, push_for
from tests.server.test_start import expect_one_line, start

pytestmark = pytest.mark.server

KEY, SECRET = make("tests", ["read", "infer"])


@dataclass(frozen=True)
class Secure:
    live: Live
    trust: ssl.SSLContext
    authority: trustme.CA
    both: Path  # the certificate and its key
    secret: str = SECRET

    def get(self, path: str, secret: str | None = SECRET, data: bytes | None = None) -> bytes:
        headers = {"X-API-Key": secret} if secret else {}
        url = f"https://localhost:{self.live.port}{path}"
        with urlopen(Request(url, data, headers), timeout=LATE_S, context=self.trust) as answer:
            found: bytes = answer.read()
            return found

    def ready(self) -> bool:
        try:
            return b"ready" in self.get("/health/ready", None)
        except OSError:
            return False

    def certificate(self) -> bytes:
        """What a new connection is shown, in DER."""
        shown = ssl.get_server_certificate(("127.0.0.1", self.live.port), timeout=LATE_S)
        return ssl.PEM_cert_to_DER_cert(shown)


@contextmanager
def secure(folder: Path, scopes: tuple[str, ...] = (), **more: str) -> Iterator[Secure]:
    """The server with the key of this file; with one of these scopes instead, where any are given."""
    key, secret = make("tests", list(scopes)) if scopes else (KEY, SECRET)
    authority, both = trustme.CA(), folder / "both.pem"
    issue(authority, both)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    settings = {"EMG_TLS_CERT": str(both), "EMG_TLS_KEY": str(both), "EMG_API_KEYS": str(key), **more}
    with gunicorn(folder, ("env",), **settings) as live:
        found = Secure(live, trust, authority, both, secret)
        until(found.ready, START_S)
        yield found


def issue(authority: trustme.CA, both: Path) -> bytes:
    """Write a new certificate and its key to that path; the certificate in DER."""
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(both)
    return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


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
    *frames, last = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    assert frames[0]["frame"] == 0
    expect_accounted_for(frames, 2000 // 20)  # of the default model, at 2000 Hz
    assert (last["status"], last["total_frames"]) == ("completed", len(frames))


def test_a_live_socket_over_tls_tells_frames_and_predicts_windows(server: Secure) -> None:
    def opened(**query: Any) -> LiveSocket:
        return LiveSocket(
            server.live.port,
            "/infer/live",
            headers={"X-API-Key": SECRET},
            wrap=lambda plain: server.trust.wrap_socket(plain, server_hostname="localhost"),
            **query,
        )

    reader = opened(send="frames,decisions")
    frames = [reader.until("frame") for _ in range(20)]
    assert [frame["frame"] for frame in frames] == list(range(20))
    reader.send(CLOSE, struct.pack(">H", 1000))
    assert reader.at_end()
    windows = opened(length=200)
    windows.until("live")
    for k in range(20):
        windows.send(BINARY, struct.pack("<BBBBIQ", 1, 1, 0, 0, 8, k) + bytes(4 * 8 * 200 * 16))
    assert [windows.until("prediction")["id"] for _ in range(20)] == list(range(20))
    windows.close()
    reader.close()


@pytest.mark.slow
def test_who_does_not_read_a_live_socket_over_tls_is_let_go(server: Secure) -> None:
    """Over TLS as without: what the kernel keeps for it counts as not taken."""
    deaf = LiveSocket(
        server.live.port,
        "/infer/live",
        headers={"X-API-Key": SECRET},
        wrap=lambda plain: server.trust.wrap_socket(plain, server_hostname="localhost"),
        receive_buffer=4096,
        format="binary",
        fps=100,
    )
    until(lambda: _streams(server) == 1)
    with suppress(OSError):
        for _ in range(120):
            deaf.send(PONG, b"")  # it is there, and does not read
            if _streams(server) == 0:
                break
            time.sleep(0.25)
    until(lambda: _streams(server) == 0, 1.0)
    deaf.close()


def _streams(server: Secure) -> int:
    return int(json.loads(server.get("/infer/stream/stats"))["active_streams"])


def test_samples_are_pushed_over_tls(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 30, (2000, 16)).astype("<f4")
    with secure(tmp_path, EMG_MODE="push", scopes=("read", "control")) as found:
        client = LiveSocket(
            found.live.port,
            "/emg/sources/arm/live",
            headers={"X-API-Key": found.secret},
            wrap=lambda plain: found.trust.wrap_socket(plain, server_hostname="localhost"),
            channels=16,
            sampling_rate_hz=2000,
        )
        client.until("live")
        end = push_for(client, samples, 1.0)
        assert client.until("frame")["frame"] >= 0
        while (ack := client.until("ack"))["next_sample"] < end:
            assert ack["lost"] == 0
        client.close()
        assert "Traceback" not in found.live.log, found.live.log


def test_a_certificate_of_nobody_is_not_trusted(server: Secure) -> None:
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        urlopen(f"https://localhost:{server.live.port}/health/live", timeout=LATE_S)


def only(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that speaks no other, and would take anything to be understood."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the old ones are deprecated: that is the point
        context.minimum_version = context.maximum_version = version
    return context


def spoken(server: Secure, version: ssl.TLSVersion) -> str | None:
    with (
        socket.create_connection(("127.0.0.1", server.live.port), LATE_S) as plain,
        only(version).wrap_socket(plain) as sock,
    ):
        return sock.version()


@pytest.mark.parametrize("old", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"])
def test_old_tls_is_refused_by_the_server(server: Secure, old: ssl.TLSVersion) -> None:
    assert spoken(server, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.raises(ssl.SSLError) as refused:  # an alert is what the other side says
        spoken(server, old)
    assert refused.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


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


def test_a_renewed_certificate_is_read_at_sighup(server: Secure) -> None:
    before = server.certificate()
    renewed = issue(server.authority, server.both)
    assert server.certificate() == before != renewed  # nothing changes until it is told to
    (old,) = server.live.workers()
    server.live.process.send_signal(signal.SIGHUP)
    # nobody connects meanwhile: gevent prints a traceback for a handshake that outlives its listener
    until(lambda: old not in server.live.workers(), START_S)
    assert server.certificate() == renewed
    until(server.ready, START_S)
    assert b"prediction" in server.get("/infer", data=b'{"batch": 1}')


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
