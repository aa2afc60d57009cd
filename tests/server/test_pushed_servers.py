"""Two servers that share nothing but a Redis, when one of the three is killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.own_redis import running
from tests.server.live import LATE_S, Live, gunicorn, until
from tests.server.pinned import CHUNK, RATE, Pinned

pytestmark = pytest.mark.server

GOES_ON_S = 2.0  # after kill -9 of its owner, until a source takes samples again (docs/reliability.md)
NAME = "arm"


class Place:
    """A server, and a connection with it."""

    def __init__(self, folder: Path, name: str, opened: ExitStack) -> None:
        settings = {"EMG_MODE": "push", "EMG_REDIS_URL": f"unix://{folder}/redis.sock"}
        self.live: Live = opened.enter_context(gunicorn(folder, EMG_INSTANCE=str(folder / name), **settings))
        self.asked = Pinned(HTTPConnection("127.0.0.1", self.live.port, timeout=LATE_S))
        opened.callback(self.asked.close)

    def fill(self, first: int, seconds: float = 0.5) -> int:
        """Push at once; the index after the last sample."""
        for start in range(first, first + round(seconds * RATE), CHUNK):
            status, receipt = self.asked.push(NAME, start)
            assert status == 200, receipt
        return int(receipt["next_sample"])

    def kill(self) -> None:
        """Kill -9 of all of it."""
        for pid in (self.live.process.pid, *self.live.workers()):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_when_its_server_is_killed_a_source_goes_on_at_another(tmp_path: Path, opened: ExitStack) -> None:
    """Its client pushes to another within two seconds, and loses nothing."""
    opened.enter_context(running(tmp_path / "redis.sock"))
    here, there = (Place(tmp_path, name, opened) for name in ("here", "there"))
    assert here.asked.declare(NAME)[0] == 201
    reached = here.fill(0)
    assert there.asked.push(NAME, reached)[0] == 200
    reached += CHUNK
    assert there.asked.ask("GET", f"/emg/sources/{NAME}")[1]["next_sample"] == reached
    here.kill()
    began = time.monotonic()
    while (answer := there.asked.push(NAME, reached))[0] != 200:
        assert time.monotonic() - began < GOES_ON_S, answer
    assert time.monotonic() - began < GOES_ON_S
    assert answer[1]["next_sample"] == reached + CHUNK
    there.fill(reached + CHUNK)
    assert there.asked.ask("POST", "/infer", {"source": NAME})[0] == 200
    status, state = there.asked.ask("GET", f"/emg/sources/{NAME}")
    assert (status, state["lost_samples"]) == (200, 0)


def test_while_redis_is_gone_a_server_goes_on_with_its_own_sources(tmp_path: Path, opened: ExitStack) -> None:
    path = tmp_path / "redis.sock"
    redis = opened.enter_context(running(path))
    here, there = (Place(tmp_path, name, opened) for name in ("here", "there"))
    assert here.asked.declare(NAME)[0] == 201
    reached = here.fill(0)
    assert there.asked.push(NAME, reached)[0] == 200
    redis.kill()
    redis.wait()
    reached = here.fill(reached + CHUNK)
    assert here.asked.ask("POST", "/infer", {"source": NAME})[0] == 200
    for status, problem in (
        there.asked.push(NAME, reached),
        there.asked.ask("GET", f"/emg/sources/{NAME}"),
        there.asked.ask("GET", "/emg/sources/unknown"),
        there.asked.declare("another"),
    ):
        assert status == 503, problem
        assert "EMG_REDIS_URL" in problem["detail"]
    with running(path):
        until(lambda: there.asked.push(NAME, reached)[0] == 200)
        status, state = here.asked.ask("GET", f"/emg/sources/{NAME}")
        assert (status, state["next_sample"], state["lost_samples"]) == (200, reached + CHUNK, 0)
        until(lambda: there.asked.ask("GET", "/emg/sources/unknown")[0] == 404)


def test_a_server_starts_without_its_redis_and_joins_when_that_comes(
    tmp_path: Path, opened: ExitStack
) -> None:
    here = Place(tmp_path, "here", opened)
    status, problem = here.asked.declare(NAME)
    assert status == 503, problem
    assert "EMG_REDIS_URL" in problem["detail"]
    assert "EMG_REDIS_URL" in here.live.log
    with running(tmp_path / "redis.sock"):
        until(lambda: here.asked.declare(NAME)[0] in (200, 201))
        here.fill(0)
        there = Place(tmp_path, "there", opened)
        until(lambda: there.asked.push(NAME, RATE // 2)[0] == 200)
