"""Models that come and go at a real server: beside streams, from clients that leave, on a full disk."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.inference.verification.child import MODULE
from tests.api.routes.test_models import own_graph
from tests.server.live import LATE_S, Client, Live, until
from tests.server.own_project import project, serving
from tests.server.test_recording import mount

pytestmark = pytest.mark.server

ZIP = {"Content-Type": "application/zip"}
SHIPPED = "synthetic-16ch-2khz"


def asked(live: Live, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=LATE_S)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        kind = answer.headers.get("Content-Type") or ""
        return answer.status, json.loads(content) if content and "json" in kind else content
    finally:
        connection.close()


def post(live: Live, content: Any, query: str = "") -> tuple[int, Any]:
    return asked(live, "POST", f"/models{query}", content, **ZIP)


def left(root: Path) -> set[str]:
    return {entry.name for entry in (root / "instance" / "models").iterdir()}


def trying(live: Live) -> list[int]:
    """Processes that try a model for the server."""
    found = []
    for child in psutil.Process(live.process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if MODULE in child.cmdline():
                found.append(child.pid)
    return found


@pytest.mark.alone
def test_models_come_and_go_beside_a_stream_that_loses_no_frame(tmp_path: Path) -> None:
    root = project(tmp_path)
    there = left(root)
    with serving(root) as live:
        reader = Client(live.port, fps=30, duration_seconds=10)
        status, content = asked(live, "GET", f"/models/{SHIPPED}/archive")
        assert (status, asked(live, "GET", f"/models/{SHIPPED}/archive")[1]) == (200, content)
        assert [post(live, content)[0] for _ in range(2)] == [409, 409]
        status, made = post(live, own_graph())
        assert (status, made["name"], made["used"]) == (201, "mine", False)
        assert "EMG_CHANNELS=1-4" in asked(live, "GET", "/models/mine")[1]["sources"][0]["how"]
        assert asked(live, "DELETE", "/models/mine")[0] == 204
        assert asked(live, "DELETE", f"/models/{SHIPPED}")[0] == 409
        *frames, last = reader.events()
        reader.close()
        assert last["total_frames"] == len(frames)
        assert frames[-1]["dropped"] == 0
    assert left(root) == there


def test_of_two_that_bring_the_same_at_once_one_is_kept(tmp_path: Path) -> None:
    root, answers = project(tmp_path), list[tuple[int, Any]]()
    with serving(root) as live:
        both = [threading.Thread(target=lambda: answers.append(post(live, own_graph()))) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join(LATE_S)
        assert sorted(status for status, _ in answers) == [201, 409]
        assert "mine" in left(root)


def test_of_a_model_whose_client_leaves_nothing_is_left(tmp_path: Path) -> None:
    root = project(tmp_path)
    there = left(root)
    with serving(root) as live:
        with socket.create_connection(("127.0.0.1", live.port), LATE_S) as client:
            head = (
                "POST /models HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/zip\r\n"
                "Content-Length: 900000\r\n\r\n"
            )
            client.sendall(head.encode() + own_graph()[:500] + bytes(300_000))
            until(lambda: any(name.startswith(".upload-") for name in left(root)))
        until(lambda: left(root) == there)
        assert post(live, own_graph())[0] == 201


def test_a_worker_that_is_killed_while_it_tries_a_model_leaves_nothing(tmp_path: Path) -> None:
    """The process that tries it dies with the worker, and the next model takes what it left away."""
    root = project(tmp_path)
    there = left(root)
    with serving(root) as live:
        (worker,) = live.workers()
        sender = threading.Thread(target=lambda: _quietly(live))
        sender.start()
        until(lambda: trying(live))
        tried = trying(live)
        os.kill(worker, signal.SIGKILL)
        until(lambda: not any(map(psutil.pid_exists, tried)))
        sender.join(LATE_S)
        until(lambda: live.workers() not in ([], [worker]) and live.ready())
        assert post(live, own_graph())[0] == 201
        assert left(root) == {*there, "mine"}
        assert asked(live, "GET", "/models/mine")[0] == 200


def test_a_server_that_ends_has_a_model_whole_or_not_at_all(tmp_path: Path) -> None:
    root = project(tmp_path)
    there = left(root)
    with serving(root) as live:
        sender = threading.Thread(target=lambda: _quietly(live))
        sender.start()
        until(lambda: trying(live))
        tried = trying(live)
        assert live.stop() == 0
        assert not any(map(psutil.pid_exists, tried))
        sender.join(LATE_S)
        assert "Traceback" not in live.log, live.log
    assert left(root) in (there, {*there, "mine"})


def _quietly(live: Live) -> None:
    with suppress(OSError, http.client.HTTPException):
        post(live, own_graph())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A server whose models lie on a file system of 256 KiB, and the one it runs elsewhere."""
    made = project(tmp_path)
    folder = made / "instance" / "models"
    folder.rename(made / "shipped")
    folder.mkdir()
    if os.geteuid() != 0 or not mount("size=256k", folder):
        pytest.skip("a small disk can only be mounted by root")
    yield made
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_takes_no_model_and_ends_nothing(small_disk: Path) -> None:
    with serving(small_disk, EMG_MODEL=str(small_disk / "shipped" / SHIPPED)) as live:
        reader = Client(live.port, fps=30, duration_seconds=6)
        big = own_graph(**{"README.md": os.urandom(2**20)})
        status, refused = post(live, big)
        assert (status, refused["detail"]) == (503, "the model cannot be kept: No space left on device")
        # this fits as a zip, and not beside that with what it unpacks to
        status, refused = post(live, own_graph(**{"README.md": os.urandom(200_000)}))
        assert (status, refused["detail"]) == (503, "the model cannot be kept: No space left on device")
        assert left(small_disk) == set()
        assert post(live, own_graph())[0] == 201
        *frames, last = reader.events()
        reader.close()
        assert last["total_frames"] == len(frames)
