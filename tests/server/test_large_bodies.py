"""Large bodies have a budget together, and what they took goes back; small requests and streams go on meanwhile."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import psutil
import pytest

from tests.server.live import LATE_S, Live, connecting, gunicorn, until

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.alone]

MIB = 2**20
MANY, SIZE, BUDGET = 60, 30 * MIB, 128  # bodies, bytes of each, EMG_BODY_BUDGET
PATIENCE_S = 3.0  # EMG_BODY_TIMEOUT here
FPS, MOST_DROPPED = 20, 25
KINDS = ("application/json", "application/octet-stream")
BODY = bytes(SIZE - 1)  # one for all: the clients share the machine with the server
PATHS = ("/infer", "/benchmark", "/infer/stream")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("bodies")
    with gunicorn(folder, EMG_BODY_BUDGET=str(BUDGET), EMG_BODY_TIMEOUT=str(PATIENCE_S)) as live:
        yield live
        assert "Traceback" not in live.log, live.log


def resident(live: Live) -> int:
    """Bytes of the worker, as the system counts them."""
    (pid,) = live.workers()
    return int(psutil.Process(pid).memory_info().rss)


def unfinished(live: Live, path: str, kind: str) -> bytes:
    """Send all but the last byte of a body; what the server says to that."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {SIZE}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", live.port), LATE_S) as sock:
        with contextlib.suppress(OSError):  # refused before its end
            sock.sendall(head.encode())
            sock.sendall(BODY)
        said = b""
        with contextlib.suppress(OSError):  # a reset may outrun the answer, or its end
            while data := sock.recv(65536):
                said += data
    return said


def crowd(live: Live, told: list[bytes]) -> list[threading.Thread]:
    """So many unfinished bodies at once, to several routes, of several kinds."""

    def send(turn: int) -> None:
        kind, path = KINDS[turn % 2], "/infer" if turn % 2 else PATHS[turn % 3]
        told.append(unfinished(live, path, kind))

    threads = [threading.Thread(target=send, args=(turn,)) for turn in range(MANY)]
    for thread in threads:
        thread.start()
    return threads


def asked(live: Live) -> bool:
    """Whether a small request with windows is answered."""
    body = json.dumps({"emg": [[0.0] * 16] * 200}).encode()
    request = Request(f"{live.url}/infer", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=LATE_S) as answer:
        return bool(answer.status == 200)


def test_a_crowd_of_unfinished_bodies_is_bounded_and_its_memory_goes_back(live: Live) -> None:
    assert asked(live)
    unfinished(live, "/infer", "application/json")  # what one costs is not what is looked for
    before, most, told = resident(live), 0, list[bytes]()
    with connecting(live.port) as connect:
        stream = connect(fps=FPS)
        threads = crowd(live, told)
        while any(thread.is_alive() for thread in threads):
            most = max(most, resident(live))
            assert asked(live)
            time.sleep(0.1)
        assert stream.frames_until_now()[-1]["dropped"] <= MOST_DROPPED
    assert len(told) == MANY
    refused = [answer for answer in told if answer.startswith(b"HTTP/1.1 503 ")]
    assert all(b"Retry-After: " in answer for answer in refused)
    whole = [answer for answer in refused if answer.rstrip().endswith(b"}")]
    assert len(whole) > len(refused) / 2
    assert all(b"EMG_BODY_BUDGET" in answer for answer in whole)
    assert {answer.split(b" ")[1] for answer in told if answer} == {b"503", b"408"}
    assert len(refused) > MANY / 4  # many a reset outruns its answer
    assert most - before < 2 * BUDGET * MIB
    until(lambda: resident(live) < 1.05 * before, LATE_S)


def test_a_body_that_is_refused_by_its_sense_leaves_nothing_behind(live: Live, tmp_path: Path) -> None:
    """The error kept its frames, and those the body, until a collection that may not come for hours."""
    body = b'{"emg": [[' + b" " * SIZE + b"1, 2]]}"
    before = None
    for _ in range(6):
        request = Request(f"{live.url}/infer", body, {"Content-Type": "application/json"})
        with pytest.raises(OSError, match="422"):
            urlopen(request, timeout=LATE_S)
        if before is None:
            before = resident(live)
    until(lambda: resident(live) < before + SIZE, LATE_S)
