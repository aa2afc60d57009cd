"""Answers that nobody reads are let go, whatever was asked for, and stand in nobody's way meanwhile."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from urllib.request import urlopen

import numpy as np
import psutil
import pytest

from app.emg.recording.writer import RecordingWriter
from app.emg.source import Chunk
from tests.emg.written import HEADER
from tests.server.live import LATE_S, Live, connecting, until
from tests.server.own_project import project, serving

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.alone]

PATIENCE_S = 2.0  # EMG_SEND_TIMEOUT here
LEAST_BYTES = 20e6  # of the recording: more than the kernel keeps for a client
FPS, MOST_DROPPED = 20, 8  # of a stream meanwhile
MANY, MOST = 6, 4  # downloads asked for at once, and EMG_MAX_EXPORTS_PER_KEY
LET_GO = "is let go"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = project(tmp_path_factory.mktemp("unread"))
    header = replace(HEADER, name="long", channels=16, sampling_rate=2000.0)
    writer = RecordingWriter(folder / "instance" / "recordings", header)
    random = np.random.default_rng(0)
    for k in range(180):
        samples = random.normal(size=(2000, 16)).astype(np.float32)
        writer.write([Chunk(index=2000 * k, samples=samples)])
    writer.finish("complete")
    with serving(folder, EMG_SEND_TIMEOUT=str(PATIENCE_S), EMG_MAX_EXPORTS_PER_KEY=str(MOST)) as live:
        yield live
        assert "Traceback" not in live.log, live.log


def asking(live: Live, opened: ExitStack, path: str, times: int = 1) -> socket.socket:
    """A client that asks so many times, takes next to nothing in, and does not read."""
    sock = opened.enter_context(socket.socket())
    sock.settimeout(LATE_S)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", live.port))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * times)
    return sock


def descriptors(live: Live) -> int:
    (pid,) = live.workers()
    return psutil.Process(pid).num_fds()


def test_downloads_that_nobody_reads_are_bounded_and_let_go(live: Live) -> None:
    before = descriptors(live)
    with ExitStack() as opened:
        stream = opened.enter_context(connecting(live.port))(fps=FPS)
        socks = [asking(live, opened, "/emg/recordings/long/download") for _ in range(MANY)]
        heads = [sock.recv(1024, socket.MSG_PEEK) for sock in socks]  # nothing is taken out
        assert sorted(head.split(b" ")[1] for head in heads) == [b"200"] * MOST + [b"429"] * (MANY - MOST)
        assert all(b"\r\nRetry-After: " in head for head in heads if b" 429 " in head)
        until(lambda: live.log.count(LET_GO) == MOST, PATIENCE_S + LATE_S)
        until(lambda: descriptors(live) <= before + 1 + MANY - MOST)  # sockets and files are gone
        assert stream.frames_until_now()[-1]["dropped"] <= MOST_DROPPED
    with urlopen(f"{live.url}/emg/recordings/long/download", timeout=LATE_S) as answer:
        assert len(answer.read()) == int(answer.headers["Content-Length"]) > LEAST_BYTES


def test_other_answers_that_nobody_reads_are_let_go_too(live: Live) -> None:
    paths = ("/openapi.json", "/docs/assets/swagger-ui-bundle.js")
    before, let_go = descriptors(live), live.log.count(LET_GO)
    with ExitStack() as opened:
        stream = opened.enter_context(connecting(live.port))(fps=FPS)
        for path in paths:
            asking(live, opened, path, times=200)
        until(lambda: live.log.count(LET_GO) == let_go + len(paths), PATIENCE_S + LATE_S)
        until(lambda: descriptors(live) <= before + 1)
        assert stream.frames_until_now()[-1]["dropped"] <= MOST_DROPPED


def test_a_client_that_reads_slowly_but_steadily_gets_all(live: Live) -> None:
    """It takes longer than EMG_SEND_TIMEOUT in all, and never that long for 64 KiB."""
    began, found = time.monotonic(), 0
    with urlopen(f"{live.url}/emg/recordings/long/download", timeout=LATE_S) as answer:
        while piece := answer.read(2**20):
            found += len(piece)
            time.sleep(PATIENCE_S / 10)
        assert found == int(answer.headers["Content-Length"])
    assert time.monotonic() - began > PATIENCE_S
