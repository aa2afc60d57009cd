"""Live sockets at a worker that does not read the source whose samples they bring."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection

import numpy as np
import pytest

from tests.own_redis import running
from tests.server.live import LATE_S, START_S, Json, Live, gunicorn, until
from tests.server.live_socket import LiveSocket, push_for
from tests.server.pinned import CHANNELS, PAUSE_S, RATE, SAMPLES, Pinned, pinned, taken_by

pytestmark = pytest.mark.server

DECLARED = {"channels": CHANNELS, "sampling_rate_hz": RATE}
Connect = Callable[..., LiveSocket]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live workers")
    settings = {"EMG_MODE": "push", "WEB_CONCURRENCY": "2", "EMG_INSTANCE": str(folder / "instance")}
    with gunicorn(folder, **settings) as live:
        until(lambda: live.log.count("model synthetic") == 2, START_S)
        yield live
        assert "Traceback" not in live.log, live.log


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, Live]]:
    folder = tmp_path_factory.mktemp("live servers")
    with running(folder / "redis.sock"), ExitStack() as stack:
        settings = {"EMG_MODE": "push", "EMG_REDIS_URL": f"unix://{folder}/redis.sock"}
        first, second = (
            stack.enter_context(gunicorn(folder, EMG_INSTANCE=str(folder / name), **settings))
            for name in ("first", "second")
        )
        yield first, second
        assert "Traceback" not in first.log + second.log


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return re.sub(r"[^a-z0-9]+", "-", str(request.node.name).removeprefix("test_"))[:60].strip("-")


@pytest.fixture(params=["workers", "servers"])
def pair(request: pytest.FixtureRequest, opened: ExitStack) -> tuple[Pinned, Connect]:
    """A connection with one worker or server, and what opens live sockets at the other."""
    if request.param == "servers":
        first, second = request.getfixturevalue("servers")
        here = Pinned(HTTPConnection("127.0.0.1", first.port, timeout=LATE_S))
        opened.callback(here.close)
        return here, lambda path, **query: at(second, None, opened, path, **query)
    live = request.getfixturevalue("both")
    until(lambda: len(live.workers()) == 2)
    owner, other = live.workers()
    pinned(live, other).close()  # both take connections
    here = pinned(live, owner)
    opened.callback(here.close)
    return here, lambda path, **query: at(live, other, opened, path, **query)


def at(live: Live, pid: int | None, opened: ExitStack, path: str, **query: object) -> LiveSocket:
    """A live socket that this worker has taken."""
    ends = time.monotonic() + START_S
    while time.monotonic() < ends:
        socket = LiveSocket(live.port, path, **query)
        if pid is None or taken_by(pid, socket.socket):
            opened.callback(socket.close)
            return socket
        socket.close()
        time.sleep(PAUSE_S)
    raise AssertionError(f"the worker {pid} took no connection")


class Heard:
    """All that comes of a live socket, read on a thread beside the one that pushes."""

    def __init__(self, socket: LiveSocket) -> None:
        self.came: list[Json] = []
        self._thread = threading.Thread(target=self._read, args=(socket,), daemon=True)
        self._thread.start()

    def _read(self, socket: LiveSocket) -> None:
        try:
            for message in socket.messages():
                assert isinstance(message, dict)
                self.came.append(message)
        except (OSError, ValueError):
            pass  # the test has closed it

    def of(self, kind: str) -> list[Json]:
        return [one for one in self.came if one["type"] == kind]

    @property
    def next_sample(self) -> int:
        acks = self.of("ack")
        return int(acks[-1]["next_sample"]) if acks else 0


def test_a_live_socket_may_bring_its_samples_to_any_worker(pair: tuple[Pinned, Connect], name: str) -> None:
    here, connect = pair
    assert here.declare(name)[0] == 201
    assert here.push(name, 0, 100)[0] == 200
    socket = connect(f"/emg/sources/{name}/live", send="frames", fps=20, **DECLARED)
    assert socket.status == 101, socket.problem
    hello = socket.until("live")
    assert (hello["source"], hello["next_sample"], hello["channels"]) == (name, 100, CHANNELS)
    heard = Heard(socket)
    reached = push_for(socket, SAMPLES, 2.0, first=100)
    until(lambda: heard.next_sample == reached)
    assert sum(one["received"] for one in heard.of("ack")) == reached - 100
    assert sum(one["lost"] + one["duplicates"] for one in heard.of("ack")) == 0
    until(lambda: len(heard.of("frame")) >= 20)
    assert all(0 < one["sample_index"] <= reached for one in heard.of("frame"))
    assert here.ask("GET", f"/emg/sources/{name}")[1]["next_sample"] == reached


def test_what_the_source_refuses_is_said_on_the_socket(pair: tuple[Pinned, Connect], name: str) -> None:
    here, connect = pair
    assert here.declare(name)[0] == 201
    socket = connect(f"/emg/sources/{name}/live", send="none")
    assert socket.status == 101, socket.problem
    socket.until("live")
    bad = SAMPLES[:40].copy()
    bad[3, 5] = np.nan
    heard = Heard(socket)
    for first in range(0, 40 * 40, 40):  # it is known a moment later
        if heard.of("error"):
            break
        try:
            socket.push(first, bad)
        except OSError:  # it is closed already
            break
        time.sleep(0.02)
    until(lambda: bool(heard.of("error")))
    (error,) = heard.of("error")
    assert (error["status"], "sample 3, channel 5" in error["detail"]) == (422, True)
    socket = connect(f"/emg/sources/{name}/live", send="none", channels=CHANNELS, sampling_rate_hz=1000)
    assert (socket.status, socket.problem.get("status")) == (409, 409)


def test_a_socket_that_sends_all_at_once_loses_nothing(pair: tuple[Pinned, Connect], name: str) -> None:
    here, connect = pair
    assert here.declare(name)[0] == 201
    socket = connect(f"/emg/sources/{name}/live", send="none")
    socket.until("live")
    heard = Heard(socket)
    for first in range(0, 20 * RATE, 400):  # 20 s of signal: what a client kept while its network was away
        socket.push(first, SAMPLES[:400])
    until(lambda: heard.next_sample == 20 * RATE)
    assert sum(one["received"] for one in heard.of("ack")) == 20 * RATE
    assert heard.of("error") == []


def test_a_live_socket_goes_on_when_the_worker_of_its_source_is_killed(
    both: Live, opened: ExitStack, name: str
) -> None:
    until(lambda: len(both.workers()) == 2)
    owner, other = both.workers()
    pinned(both, other).close()
    here = pinned(both, owner)
    opened.callback(here.close)
    assert here.declare(name)[0] == 201
    socket = at(both, other, opened, f"/emg/sources/{name}/live", send="frames", fps=20, **DECLARED)
    socket.until("live")
    heard = Heard(socket)
    reached = push_for(socket, SAMPLES, 1.0)
    until(lambda: heard.next_sample == reached)
    os.kill(owner, signal.SIGKILL)
    last = push_for(socket, SAMPLES, 2.0, first=reached)
    until(lambda: heard.next_sample == last)
    assert sum(one["lost"] for one in heard.of("ack")) == 0
    assert heard.of("error") == []
    assert heard.of("frame")[-1]["sample_index"] > reached
