"""Imports of a real server: beside a stream, from a client that goes away, and when the server ends."""

from __future__ import annotations

import http.client
import io
import json
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from app.emg.recording.import_job import PROCESS
from tests.server.live import LATE_S, Client, Live, until
from tests.server.own_project import project, serving

pytestmark = pytest.mark.server

PATH = "/recordings/import?filename=big.npz&name=big"


def file_of(samples: int) -> bytes:
    file = io.BytesIO()
    emg = np.random.default_rng(0).normal(size=(samples, 8)).astype(np.float32)
    np.savez(file, emg=emg, fs=1000.0, sample_index=np.arange(samples), units="uV")
    return file.getvalue()


def sent(live: Live, body: Any, path: str = PATH, **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=LATE_S)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def left(folder: Path) -> list[str]:
    """What lies where recordings are."""
    root = folder / "project" / "instance" / "recordings"
    return sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []


@pytest.mark.alone
def test_an_import_costs_a_stream_no_frame(tmp_path: Path) -> None:
    content = file_of(500_000)  # 20 MB
    with serving(project(tmp_path)) as live:
        reader = Client(live.port, fps=30, duration_seconds=8)
        status, made = sent(live, content)
        chunked, again = sent(
            live, iter([content[:70_000], content[70_000:]]), PATH.replace("=big&", "=b.npz&") + "2"
        )
        *frames, last = reader.events()
        reader.close()
        assert (status, made["samples"], made["channels"], made["state"]) == (201, 500_000, 8, "complete")
        assert (chunked, again["name"], again["samples"]) == (201, "big2", 500_000)
        assert last["total_frames"] == len(frames)
        assert frames[-1]["dropped"] == 0
        assert left(tmp_path) == ["big", "big2"]


def test_of_a_file_that_does_not_come_to_its_end_nothing_is_left(tmp_path: Path) -> None:
    with serving(project(tmp_path)) as live:
        with socket.create_connection(("127.0.0.1", live.port), LATE_S) as client:
            head = f"POST {PATH}&rate=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000\r\n\r\n"
            client.sendall(head.encode() + b"1,2\n3,5\n" * 50_000)  # half of a table is a table as well
            until(lambda: any(name.startswith(".export-") for name in left(tmp_path)))
        until(lambda: left(tmp_path) == [])
        assert sent(live, file_of(1000))[0] == 201


def test_a_server_that_ends_takes_its_import_along(tmp_path: Path) -> None:
    """The process that reads the file does not outlive it, and leaves nothing."""
    with serving(project(tmp_path)) as live:
        connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=LATE_S)
        connection.request("POST", PATH, file_of(700_000))
        until(lambda: len(children(live)) == 2)  # one that waits for jobs, and the one that does this
        there = children(live)
        live.process.send_signal(signal.SIGTERM)
        live.process.wait(LATE_S)
        connection.close()
        until(lambda: not any(map(psutil.pid_exists, there)))
        assert [name for name in left(tmp_path) if name.startswith(".")] == []


def children(live: Live) -> list[int]:
    """Processes that import for the server."""
    found = []
    for child in psutil.Process(live.process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if PROCESS in child.cmdline():
                found.append(child.pid)
    return found
