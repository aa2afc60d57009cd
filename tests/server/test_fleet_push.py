"""Two servers with a Redis between and Caddy in front, as deploy/compose.yaml has them: sources that clients push."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path

import pytest

from tests import own_redis
from tests.server.live import LATE_S, Client, Json, Live, gunicorn, until
from tests.server.pinned import CHUNK, RATE, SAMPLES, Pinned
from tests.server.proxies import caddy_of_a_fleet

pytestmark = [pytest.mark.server, pytest.mark.alone]

HOP = RATE // 20  # samples between two frames
DRAIN_S = "6"  # as in deploy/compose.yaml; tests/deploy holds that to the Caddyfile


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Live, Live]]:
    redis = tmp_path / "redis.sock"
    shared = {"EMG_MODE": "push", "EMG_REDIS_URL": f"unix://{redis}", "EMG_DRAIN": DRAIN_S}
    with (
        own_redis.running(redis),
        gunicorn(tmp_path, EMG_INSTANCE=str(tmp_path / "one"), **shared) as one,
        gunicorn(tmp_path, EMG_INSTANCE=str(tmp_path / "two"), **shared) as two,
    ):
        yield one, two


@pytest.fixture
def port(servers: tuple[Live, Live], tmp_path: Path) -> Iterator[int]:
    """Of Caddy."""
    with caddy_of_a_fleet(tmp_path, *(one.port for one in servers)) as port:
        yield port


class Person:
    """Pushes in real time, each chunk by a connection of its own, and so to any server."""

    def __init__(self, port: int, name: str) -> None:
        self.port, self.name, self.at = port, name, 0
        self.answers: list[int] = []

    def push(self) -> Json:
        worker = Pinned(HTTPConnection("127.0.0.1", self.port, timeout=LATE_S))
        try:
            status, receipt = worker.push(self.name, self.at)
        finally:
            worker.close()
        self.answers.append(status)
        self.at += CHUNK
        return receipt

    @contextmanager
    def pushing(self) -> Iterator[None]:
        stop = threading.Event()

        def go_on() -> None:
            while not stop.wait(CHUNK / RATE) and self.at < len(SAMPLES):
                self.push()

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def test_a_source_goes_on_while_the_server_that_reads_it_leaves(
    servers: tuple[Live, Live], port: int
) -> None:
    """Every chunk is taken once; a reader at the other server has no frame twice, and misses a moment at most."""
    one, two = servers
    owner = Pinned(HTTPConnection("127.0.0.1", one.port, timeout=LATE_S))
    assert owner.declare("arm")[0] == 201
    owner.close()
    person = Person(port, "arm")
    reader = Client(two.port, method="GET", source="arm", fps=20)
    with person.pushing():
        frames = reader.frames(20)
        assert one.stop() == 0
        before = len(person.answers)
        until(lambda: len(person.answers) > before + 60)
        frames += reader.frames_until_now()
        frames += reader.frames(20)
    reader.close()
    assert set(person.answers) == {200}
    numbers = [frame["frame"] for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    indices = [frame["sample_index"] for frame in frames]
    steps = [after - before for before, after in pairwise(indices)]
    assert all(step > 0 and step % HOP == 0 for step in steps), steps
    assert sum(step - HOP for step in steps) <= RATE, steps  # 1 s: a window has to fill at the new owner
    last = person.push()
    assert (last["lost_samples"], last["duplicates"]) == (0, 0)
    assert "Traceback" not in one.log + two.log


def test_readers_and_pushers_need_not_meet_at_one_server(servers: tuple[Live, Live], port: int) -> None:
    """Eight people and their readers, each by the proxy's choice."""
    people = [Person(port, f"person-{number}") for number in range(8)]
    for person in people:
        first = Pinned(HTTPConnection("127.0.0.1", port, timeout=LATE_S))
        assert first.declare(person.name)[0] == 201
        first.close()
    readers = [Client(port, method="GET", source=person.name, fps=10) for person in people]
    with ExitStack() as pushing:
        for person in people:
            pushing.enter_context(person.pushing())
        for reader in readers:
            frames = reader.frames(10)
            numbers = [frame["frame"] for frame in frames]
            assert numbers == list(range(numbers[0], numbers[0] + 10))
            reader.close()
        until(lambda: [server.stats()["active_streams"] for server in servers] == [0, 0])
    assert {status for person in people for status in person.answers} == {200}
