"""The fuzzer's eyes: each sees what it is there for."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

import pytest

from tests.server.fuzz.routes import Sound
from tests.server.fuzz.shot import Outcome, Shot, fire
from tests.server.fuzz.test_fuzz import faults, waits
from tests.server.fuzz.watch import MOST_GAP_S, Seen, back, gaps, grown, memory, watching
from tests.server.live import Live

BYTES = 64 * 2**20
HOLDER = """
import sys
for step in ('', 'held = b"a" * {size}', 'held = None'):
    exec(step)
    print(step, flush=True)
    sys.stdin.readline()
"""
WITHOUT = Sound(rule="/health", method="GET", parts={})  # a route whose description has no 503
GET = Shot(kind="deep", sound=WITHOUT, pieces=(b"GET / HTTP/1.1\r\n\r\n",))


def shot(**more: Any) -> Shot:
    return replace(GET, **more)


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """The port of somebody who says that to each who asks, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            for answer in answers:
                client, _ = door.accept()
                with client:
                    client.recv(65536)
                    client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        thread.join()


def test_the_longest_wait_is_found_also_where_nothing_came_any_more() -> None:
    assert gaps(Seen([0.0, 0.1, 0.5, 0.6], ended=0.65))[0] == (0.1, 0.5)
    assert gaps(Seen([0.0, 0.1], ended=9.0))[0] == (0.1, 9.0)


def test_a_wait_is_told_with_what_was_under_way_and_a_stream_that_ended_by_itself_too() -> None:
    meanwhile = Outcome(shot(), began=0.2, ended=0.3, status=HTTPStatus.OK)
    before = Outcome(shot(kind="wide"), began=0.0, ended=0.05, status=HTTPStatus.OK)
    (told,) = waits(Seen([0.0, 0.1, 0.11 + MOST_GAP_S], ended=0.4), [before, meanwhile])
    assert "deep to GET /health" in told
    assert "wide" not in told
    assert waits(Seen([0.0, 0.1], ended=0.2, last_word="completed"), []) == ["completed"]


@pytest.mark.parametrize(
    ("status", "kind", "wrong"),
    [
        (500, "deep", True),
        (502, "deep", True),
        (503, "deep", True),
        (501, "deep", True),
        (501, "framed", False),
        (422, "deep", False),
        (200, "deep", False),
    ],
)
def test_a_5xx_is_a_fault_unless_it_is_documented(status: int, kind: str, wrong: bool) -> None:
    outcome = Outcome(shot(kind=kind), 0.0, 1.0, status)
    assert bool(faults([outcome], set())) is wrong
    assert not faults([Outcome(shot(), 0.0, 1.0, 503)], {("/health", "GET")})


@pytest.mark.parametrize(
    ("answer", "status", "trouble"),
    [
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno", 500, ""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        (b"", None, "the connection was closed without an answer"),
        (b"Traceback (most recent call last)", None, "not an answer: b'Traceback (most recent call last)'"),
    ],
    ids=["an error", "no body", "nothing", "no HTTP"],
)
def test_what_comes_back_is_read_and_nothing_is_a_fault(
    answer: bytes, status: int | None, trouble: str
) -> None:
    with answering(answer) as port:
        outcome = fire(port, shot())
    assert (outcome.status, outcome.trouble) == (status, trouble)


def test_whoever_breaks_off_may_go_without_an_answer() -> None:
    with answering(b"") as port:
        assert fire(port, shot(cut=True, owed=False)).trouble == ""


def test_memory_that_is_held_is_seen_and_so_is_that_it_goes_back() -> None:
    command = [sys.executable, "-c", HOLDER.format(size=BYTES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        step = partial(next_step, process)
        assert process.stdout is not None
        process.stdout.readline()
        before = memory(process.pid)
        step()
        assert grown(before, memory(process.pid)) > 1
        assert not back(process.pid, before, seconds=0.3)
        step()
        assert back(process.pid, before, seconds=10)


def next_step(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.stdout.readline()


@pytest.mark.server
@pytest.mark.alone
def test_a_worker_that_stands_for_a_moment_is_seen_by_the_reader(server: Live) -> None:
    server.at_rest()
    (worker,) = server.workers()
    with watching(server, "simulator") as seen:
        os.kill(worker, signal.SIGSTOP)
        time.sleep(2 * MOST_GAP_S)
        os.kill(worker, signal.SIGCONT)
        time.sleep(0.5)
    begin, end = gaps(seen)[0]
    assert end - begin > 2 * MOST_GAP_S - 0.1
    assert len(waits(seen, [])) >= 1
    assert seen.last_word == ""
