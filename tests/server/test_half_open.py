"""A client that vanishes without a word: its cable is cut, no FIN ever comes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.server import live as live_module
from tests.server.live import connecting, free_port, gunicorn, until

pytestmark = [pytest.mark.server, pytest.mark.slow]

HOST, PEER, SPACE = "10.231.77.1", "10.231.77.2", f"emg-{os.getpid()}"
STATED_S = 10.0  # docs/architecture.md
READ = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.sendall(b"GET /infer/stream?fps=%b HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n" % sys.argv[3].encode())
while s.recv(65536):
    pass
"""

LISTEN = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.sendall(b"GET /infer/live?fps=%b HTTP/1.1\\r\\nHost: localhost\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
    b"Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n" % sys.argv[3].encode())
while s.recv(65536):
    s.sendall(bytes([0x8A, 0x80, 0, 0, 0, 0]))  # a pong, whatever came
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)


@pytest.fixture
def other_host() -> Iterator[str]:
    """A network namespace with a cable of its own; gives the name of its end of the cable."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2 to make a host whose cable can be cut")
    near, far = f"en{os.getpid() % 10**6}a", f"en{os.getpid() % 10**6}b"
    try:
        ip("netns", "add", SPACE)
        ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", SPACE)
        ip("addr", "add", f"{HOST}/30", "dev", near)
        ip("link", "set", near, "up")
        ip("-n", SPACE, "addr", "add", f"{PEER}/30", "dev", far)
        ip("-n", SPACE, "link", "set", far, "up")
    except subprocess.CalledProcessError as error:
        subprocess.run(["ip", "netns", "del", SPACE], check=False, capture_output=True)
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    yield far
    ip("link", "del", near)  # the namespace takes its end along, but not at once
    ip("netns", "del", SPACE)


@contextmanager
def streaming(port: int, fps: float, what: str) -> Iterator[None]:
    """A client of that host."""
    command = ["ip", "netns", "exec", SPACE, sys.executable, "-c", what, HOST, str(port), str(fps)]
    client = subprocess.Popen(command)
    try:
        yield
    finally:
        client.kill()
        client.wait()


@pytest.mark.alone
@pytest.mark.parametrize("what", [READ, LISTEN], ids=["stream", "live socket"])
def test_clients_whose_cable_is_cut_are_let_go_within_the_stated_time(
    tmp_path: Path, other_host: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The kernel alone was late: it looks at its own limit only when it is about to send once more.

    One stream has thirty frames a second, so that something is always on its way, the other one in ten seconds.
    """
    port = free_port()
    monkeypatch.setattr(live_module, "free_port", lambda: port)
    with (
        gunicorn(tmp_path, EMG_BIND=f"0.0.0.0:{port}", EMG_ALLOW_ANONYMOUS="1") as live,
        connecting(port) as connect,
        ExitStack() as there,
    ):
        for number, fps in enumerate((0.1, 30.0), start=1):
            there.enter_context(streaming(port, fps, what))
            until(lambda number=number: len(live.stats()["groups"]) == number)
            sent = live.stats()["frames_sent"]
            until(lambda fps=fps, sent=sent: live.stats()["frames_sent"] >= max(1, sent + 5 * fps))
        stays = connect(fps=10)
        ip("-n", SPACE, "link", "set", other_host, "down")
        assert live.stats()["active_streams"] == 3
        until(lambda: live.stats()["active_streams"] == 1, STATED_S)
        assert stays.frames(20)[-1]["dropped"] == 0
        until(lambda: live.log.count(" ended: ") == 2)
        stays.close()
        until(lambda: live.stats()["active_streams"] == 0)
        assert live.stats()["groups"] == []
    assert "Traceback" not in live.log
