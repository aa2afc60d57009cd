"""Two workers: one source, one truth; and one of them dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.server.live import LATE_S, START_S, Client, Live, gunicorn, until

pytestmark = pytest.mark.server

Connects = TypeVar("Connects", Client, socket.socket)

OWNS = "this worker owns the source"
STALLED_S = 5.0  # docs/reliability.md; measured: 0.2 to 0.3 s


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with two_workers(tmp_path_factory.mktemp("both")) as live:
        yield live


@pytest.fixture
def live(both: Live) -> Live:
    """The same for all tests here; a test may kill a worker of it."""
    until(lambda: len(both.workers()) == 2)
    both.at_rest()
    return both


@contextmanager
def two_workers(folder: Path) -> Iterator[Live]:
    with gunicorn(folder, WEB_CONCURRENCY="2") as live:
        until(lambda: live.log.count("model synthetic") == 2, START_S)
        assert live.log.count(OWNS) == 1
        yield live


def on_both_workers(live: Live, open_one: Callable[[], Connects]) -> list[Connects]:
    """Clients until each worker has one; the kernel decides who takes a connection."""
    clients: list[Connects] = []

    def both() -> bool:
        clients.append(open_one())
        return all(connections(pid, live.port) for pid in live.workers())

    try:
        until(both)
    except BaseException:  # the next test waits until no stream is open
        for client in clients:
            client.close()
        raise
    return clients


def connections(pid: int, port: int) -> int:
    """Established connections that a worker holds."""
    held = _open_in(pid)
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(
        f"socket:[{field[9]}]" in held
        for field in fields
        if field[3] == "01" and int(field[1].split(":")[1], 16) == port
    )


def _open_in(pid: int) -> set[str]:
    """What the descriptors of a process stand for; they come and go meanwhile, and so may the process."""
    found = set()
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(str(link.readlink()))
    return found


def test_streams_of_both_workers_see_the_same_windows(live: Live) -> None:
    clients = on_both_workers(live, lambda: Client(live.port, fps=10, duration_seconds=3))
    seen = []
    for client in clients:
        *frames, last = client.events()
        assert last["status"] == "completed"
        seen.append({frame["sample_index"]: frame["label"] for frame in frames})
        client.close()
    common = set.intersection(*(set(frames) for frames in seen))
    assert len(common) > 10
    for index in common:
        assert len({frames[index] for frames in seen}) == 1


def test_counters_add_up_and_return_to_zero(live: Live) -> None:
    clients = on_both_workers(live, lambda: Client(live.port, fps=10))
    streams = [client.events() for client in clients]
    for events in streams:
        next(events)
    assert [live.stats()["active_streams"] for _ in range(6)] == [len(clients)] * 6
    for client in clients:
        client.close()
    until(lambda: live.stats()["active_streams"] == 0)


def test_when_the_owner_is_killed_the_others_go_on(live: Live) -> None:
    """The streams of the other worker stay open: they stall for STALLED_S at most, and count on."""
    clients = on_both_workers(live, lambda: Client(live.port, fps=10))
    streams = [(client, client.events()) for client in clients]
    before = [next(events) for _, events in streams]
    owner = owner_of(live)
    os.kill(owner, signal.SIGKILL)
    until(lambda: live.log.count(OWNS) == 1)
    survivors = 0
    for (client, events), first in zip(streams, before, strict=True):
        try:
            later = [next(events) for _ in range(20)]
        except (StopIteration, AssertionError, OSError):
            later = []
        frames = [event for event in later if "sample_index" in event]
        if frames:
            survivors += 1
            frames = [first, *frames]
            indices = [frame["sample_index"] for frame in frames]
            assert indices == sorted(set(indices))
            assert max(b["timestamp"] - a["timestamp"] for a, b in pairwise(frames)) < STALLED_S
        client.close()
    assert 0 < survivors < len(clients)
    until(lambda: live.log.count("model synthetic") == 1, START_S)
    for silent in on_both_workers(live, lambda: socket.create_connection(("127.0.0.1", live.port))):
        silent.close()  # the one that came instead takes clients, too
    until(lambda: live.stats()["active_streams"] == 0)


def test_a_stream_that_was_cut_goes_on_at_another_worker(live: Live) -> None:
    clients = on_both_workers(live, lambda: Client(live.port, fps=10, duration_seconds=60))
    cut = clients[0]
    first = next(event for event in cut.events() if "frame" in event)
    for client in clients:
        client.close()
    places = []
    for _ in range(6):
        returned = Client(live.port, fps=10, duration_seconds=60, last_event_id=cut.last_id)
        places.append(next(event["frame"] for event in returned.events() if "frame" in event))
        returned.close()
    assert places == [first["frame"] + 1] * 6


def test_one_benchmark_at_a_time_over_all_workers(live: Live) -> None:
    answers: list[int] = []

    def measure() -> None:
        body = json.dumps({"num_iterations": 20_000}).encode()
        request = Request(f"{live.url}/benchmark", body, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=LATE_S) as answer:
                answers.append(answer.status)
        except HTTPError as error:
            answers.append(error.code)
            error.close()

    threads = [threading.Thread(target=measure) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * 7


def test_both_workers_stop_cleanly(tmp_path: Path) -> None:
    with two_workers(tmp_path) as live:
        clients = on_both_workers(live, lambda: Client(live.port, fps=10))
        streams = [client.events() for client in clients]
        for events in streams:
            next(events)
        assert live.stop() == 0
        for client, events in zip(clients, streams, strict=True):
            last: dict[str, Any] = list(events)[-1]
            assert (last["status"], last["reason"]) == ("completed", "shutdown")
            client.close()
        assert "Traceback" not in live.log


def owner_of(live: Live) -> int:
    """The worker that listens on the abstract address of the source."""
    sockets = {
        line.split()[6]
        for line in Path("/proc/net/unix").read_text().splitlines()
        if "@myostream-" in line and line.split()[3] == "00010000"  # listens
    }
    for pid in live.workers():
        if any(one[8:-1] in sockets for one in _open_in(pid)):
            return pid
    raise AssertionError("nobody owns the source")
