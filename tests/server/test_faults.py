"""What the world around the server can do to it: silent crowds, no descriptors, a clock that jumps."""

from __future__ import annotations

import contextlib
import itertools
import resource
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from app.serving.streams.client_stream import GIVE_UP_S
from tests.server.live import LATE_S, START_S, Client, Live, connecting, gunicorn, until

pytestmark = [pytest.mark.server, pytest.mark.slow]

CROWD = 500
SILENCE_S = 5.0  # gunicorn.conf.py's keepalive: how long a client may take for its header
MAX_BODY = 2**20  # EMG_MAX_BODY here
CHUNK = b"10000\r\n" + bytes(0x10000) + b"\r\n"  # 64 KiB of a chunked body


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with gunicorn(tmp_path_factory.mktemp("faults"), EMG_MAX_BODY=str(MAX_BODY)) as live:
        yield live


def worker(live: Live) -> psutil.Process:
    (pid,) = live.workers()
    return psutil.Process(pid)


@pytest.mark.alone
def test_a_crowd_that_connects_and_says_nothing_is_let_go_and_delays_nobody(
    live: Live, connect: Callable[..., Client]
) -> None:
    before = worker(live).num_fds()
    stream = connect(fps=10)
    with ExitStack() as opened:
        crowd = [
            opened.enter_context(socket.create_connection(("127.0.0.1", live.port))) for _ in range(CROWD)
        ]
        frames = stream.frames(20)
        assert live.ready()
        assert frames[-1]["dropped"] == 0
        for silent in crowd:
            silent.settimeout(SILENCE_S + LATE_S)
            assert silent.recv(1) == b"", "a silent client was told something"
    stream.close()
    until(lambda: live.stats()["active_streams"] == 0)
    until(lambda: worker(live).num_fds() <= before + 2)
    assert "Traceback" not in live.log, live.log


@pytest.mark.alone
def test_a_crowd_that_never_reads_is_let_go_and_delays_nobody(
    live: Live, connect: Callable[..., Client]
) -> None:
    before, ended = worker(live).num_fds(), live.log.count(" ended: ")
    reader = connect(fps=5)
    seen: list[int] = []

    def read() -> None:
        with contextlib.suppress(AssertionError, OSError, ValueError):  # it is cut in the end
            seen.extend(event["dropped"] for event in reader.events() if "dropped" in event)

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    crowd = [connect(fps=10, include_signal=True, receive_buffer=4096) for _ in range(CROWD)]
    assert {client.status for client in crowd} == {200}
    until(lambda: live.stats()["active_streams"] == 1, GIVE_UP_S + 40)
    count = len(seen)
    until(lambda: len(seen) > count + 5)
    assert seen[-1] <= len(seen) // 20  # the crowd and the reader share this process, which is late at times
    reader.socket.shutdown(socket.SHUT_RDWR)
    reading.join(LATE_S)
    for client in crowd:
        client.close()
    until(lambda: live.stats()["active_streams"] == 0)
    assert live.stats()["groups"] == []
    until(lambda: live.log.count(" ended: ") == ended + CROWD + 1)
    until(lambda: worker(live).num_fds() <= before + 2)
    assert "Traceback" not in live.log, live.log


@contextlib.contextmanager
def endless(live: Live) -> Iterator[socket.socket]:
    """A client that begins a body of which it says no length."""
    with socket.create_connection(("127.0.0.1", live.port), LATE_S) as sock:
        kind = b"Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        sock.sendall(b"POST /infer HTTP/1.1\r\nHost: localhost\r\n" + kind)
        yield sock


def peak(process: psutil.Process) -> int:
    """The most that was ever resident, in bytes, since `/proc/<pid>/clear_refs` was told 5 (proc(5))."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def test_a_body_that_never_ends_is_never_held_whole_and_let_go(live: Live) -> None:
    process = worker(live)
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    before = peak(process)
    with endless(live) as sock:
        for _ in range(64 * MAX_BODY // len(CHUNK)):
            sock.sendall(CHUNK)
        assert sock.recv(65536).startswith(b"HTTP/1.1 4")
        assert peak(process) - before < 16 * MAX_BODY
        began = time.monotonic()
        with contextlib.suppress(OSError):  # it is closed
            while time.monotonic() - began < SILENCE_S + LATE_S:
                sock.sendall(CHUNK)
                time.sleep(0.05)
    assert time.monotonic() - began < SILENCE_S + 3
    assert live.ready()
    assert "Traceback" not in live.log, live.log


def test_a_chunked_body_above_the_limit_is_a_413(live: Live) -> None:
    with endless(live) as sock:
        while not select.select([sock], [], [], 0)[
            0
        ]:  # who sends for long past the answer gets a reset instead
            sock.sendall(CHUNK)
        assert sock.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.alone
def test_without_descriptors_those_who_are_in_go_on_and_the_others_wait(
    live: Live, connect: Callable[..., Client]
) -> None:
    """gevent printed a traceback for every try; now it is one line."""
    stream = connect(fps=10)
    stream.frames(1)
    process = worker(live)
    usual = process.rlimit(resource.RLIMIT_NOFILE)
    process.rlimit(resource.RLIMIT_NOFILE, (process.num_fds() + 5, usual[1]))
    try:
        with ExitStack() as opened:
            for _ in range(50):
                opened.enter_context(socket.create_connection(("127.0.0.1", live.port)))
            assert stream.frames(30)[-1]["dropped"] == 0
            until(lambda: "no file descriptor is left" in live.log)
        until(live.ready)  # the crowd has left, and so has what it held
        assert stream.frames(5)[-1]["dropped"] == 0
    finally:
        process.rlimit(resource.RLIMIT_NOFILE, usual)
    stream.close()
    until(lambda: live.stats()["active_streams"] == 0)
    assert live.log.count("no file descriptor is left") == 1
    assert "Traceback" not in live.log, live.log


@pytest.fixture
def fake_time(tmp_path: Path) -> Iterator[Path]:
    """A file; what it says is added to the wall clock of the server, and to nothing else."""
    if shutil.which("faketime") is None:
        pytest.skip("needs faketime (apt install faketime) to turn a clock back")
    said = tmp_path / "clock"
    said.write_text("+0")
    return said


@pytest.mark.alone
def test_a_clock_that_jumps_back_an_hour_costs_no_frame(tmp_path: Path, fake_time: Path) -> None:
    library = subprocess.run(
        ["faketime", "now", "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    settings = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(fake_time),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with gunicorn(tmp_path, prefix=("env",), **settings) as live, connecting(live.port) as connect:
        until(live.ready, START_S)
        client = connect(fps=20, duration_seconds=6)
        events = client.events()
        early = list(itertools.islice(events, 20))
        fake_time.write_text("-3600")
        began = time.monotonic()
        *late, last = list(events)
        assert late[-1]["timestamp"] < early[0]["timestamp"] - 3000, "the clock did not jump"
        assert last["status"] == "completed"
        assert 3 < time.monotonic() - began < 10
        frames = [event for event in [*early, *late] if "prediction" in event]
        assert len(frames) == len([*early, *late]), "the source stalled"
        assert frames[-1]["dropped"] == 0
        steps = {b["sample_index"] - a["sample_index"] for a, b in itertools.pairwise(frames)}
        assert steps == {100}
        assert live.ready()
        assert live.stats()["active_streams"] == 0
        # faketime shifts the deadline of a native thread's sleep (clock_nanosleep) too, which a real clock does not
        assert live.log.count("Traceback") == live.log.count("    native_sleep("), live.log
