"""Clients that push sources to a real server: in disorder, twice, at once, and gone in the middle of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest

from tests.server.live import LATE_S, Client, Live, expect_accounted_for, gunicorn, until

pytestmark = pytest.mark.server

CHANNELS, RATE, CHUNK = 16, 2000, 50  # 25 ms
IDLE_S = 1.5


class Pusher:
    """One client with one keep-alive connection."""

    def __init__(self, live: Live, name: str) -> None:
        self.path = f"/emg/sources/{name}"
        self.connection = HTTPConnection("127.0.0.1", live.port, timeout=LATE_S)
        self.samples = np.random.default_rng(0).normal(0, 30, (200_000, CHANNELS)).astype("<f4")
        self.declared = self.asked(
            "POST", self.path, json.dumps({"channels": CHANNELS, "sampling_rate_hz": RATE})
        )

    def asked(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        self.connection.request(method, path, body, {"Content-Type": kind} if body else {})
        answer = self.connection.getresponse()
        content = answer.read()
        assert answer.status < 300, content
        found: dict[str, Any] = json.loads(content) if content else {}
        return found

    def push(self, first: int, count: int = CHUNK) -> dict[str, Any]:
        body = self.samples[first : first + count].tobytes()
        path = f"{self.path}/samples?first_sample={first}"
        return self.asked("POST", path, body, "application/octet-stream")

    def push_for(self, seconds: float, first: int = 0) -> int:
        """In real time; the index after the last sample."""
        began, due = time.monotonic(), 0.0
        while time.monotonic() - began < seconds:
            self.push(first)
            first, due = first + CHUNK, due + CHUNK / RATE
            time.sleep(max(0.0, began + due - time.monotonic()))
        return first

    def state(self) -> dict[str, Any]:
        return self.asked("GET", self.path)


def names(live: Live) -> list[str]:
    """Of the sources there are; asked on a connection of its own, as a pusher may be busy with its own."""
    with urlopen(f"{live.url}/emg/sources", timeout=LATE_S) as answer:
        return [source["name"] for source in json.load(answer)["sources"]]


OpenPusher = Callable[[str], Pusher]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with gunicorn(tmp_path_factory.mktemp("push"), EMG_MODE="push", EMG_SOURCE_IDLE=str(IDLE_S)) as live:
        yield live


@pytest.fixture
def open_pusher(live: Live) -> Iterator[OpenPusher]:
    """Declares a source of that name; what was opened is closed after the test."""
    opened: list[Pusher] = []

    def open_one(name: str) -> Pusher:
        opened.append(Pusher(live, name))
        return opened[-1]

    yield open_one
    for pusher in opened:
        pusher.connection.close()


def test_duplicates_and_disorder_lose_nothing(live: Live, open_pusher: OpenPusher) -> None:
    pusher = open_pusher("disorder")
    chunks = list(range(0, 40 * CHUNK, CHUNK))
    for k in range(1, len(chunks) - 1, 3):
        chunks[k], chunks[k + 1] = chunks[k + 1], chunks[k]  # neighbours swapped
    receipts = [pusher.push(first) for first in chunks for _ in range(2)]  # and each sent twice
    assert sum(receipt["accepted"] for receipt in receipts) == 40 * CHUNK
    assert sum(receipt["duplicates"] for receipt in receipts) == 40 * CHUNK
    until(lambda: pusher.state()["samples"] == 40 * CHUNK)
    state = pusher.state()
    assert (state["gaps"], state["lost_samples"]) == (0, 0)


def test_what_never_comes_is_a_gap_of_known_length(live: Live, open_pusher: OpenPusher) -> None:
    pusher = open_pusher("gap")
    pusher.push(0)
    pusher.push(3 * CHUNK)
    until(lambda: pusher.state()["lost_samples"] == 2 * CHUNK)
    assert pusher.state()["gaps"] == 1


def test_several_sources_at_once_each_have_their_own_stream(live: Live, open_pusher: OpenPusher) -> None:
    pushers = [open_pusher(f"arm{k}") for k in range(4)]
    clients = [Client(live.port, source=f"arm{k}", fps=20) for k in range(4)]
    threads = [threading.Thread(target=pusher.push_for, args=(2.0,)) for pusher in pushers]
    for thread in threads:
        thread.start()
    try:
        for client in clients:
            events = client.events()
            frames = [event for event in (next(events) for _ in range(25)) if "sample_index" in event]
            expect_accounted_for(frames, 100)
    finally:
        for thread in threads:
            thread.join()
        for client in clients:
            client.close()


def test_a_source_that_vanishes_stalls_then_ends_and_only_its_own_streams_with_it(
    live: Live, open_pusher: OpenPusher
) -> None:
    stays, vanishes = open_pusher("stays"), open_pusher("vanishes")
    thread = threading.Thread(target=stays.push_for, args=(IDLE_S + 3.0,))
    thread.start()
    try:
        pushed = vanishes.push_for(0.5)
        vanishes.connection.close()
        client = Client(live.port, source="vanishes", fps=10)
        *events, last = client.events()
        assert [event.get("status") for event in events if "status" in event] == ["stalled"]
        assert (last["status"], last["reason"]) == ("completed", "source ended")
        client.close()
        assert "vanishes" not in names(live)
        assert "stays" in names(live)
        ended = f"source vanishes ended (silent for {IDLE_S:g} s): {pushed} samples, 0 lost"
        until(lambda: live.log.count(ended) == 1)
    finally:
        thread.join()


def test_a_source_that_is_silent_for_a_moment_stalls_its_stream_and_no_more(
    live: Live, open_pusher: OpenPusher
) -> None:
    pusher = open_pusher("hushed")
    client = Client(live.port, source="hushed", fps=10)
    events = client.events()
    first = pusher.push_for(0.5)
    assert next(event for event in events if "status" in event)["status"] == "stalled"
    pusher.push_for(0.5, first)
    assert next(event for event in events if "status" in event)["status"] == "recovered"
    assert "prediction" in next(events)
    assert len([line for line in live.log.splitlines() if "hushed" in line]) == 1  # that it was declared
    client.close()


def test_a_source_that_is_deleted_ends_its_streams(live: Live, open_pusher: OpenPusher) -> None:
    pusher = open_pusher("deleted")
    pusher.push(0)
    client = Client(live.port, source="deleted", fps=10)
    pusher.asked("DELETE", pusher.path)
    *_, last = client.events()
    assert (last["status"], last["reason"]) == ("completed", "source ended")
    client.close()
    until(lambda: live.log.count("source deleted ended (told to)") == 1)


def test_a_client_that_comes_back_goes_on_where_it_was(live: Live, open_pusher: OpenPusher) -> None:
    first = open_pusher("again").push_for(0.3)
    returned = open_pusher("again")
    assert returned.declared["next_sample"] == first
    assert returned.push(first)["accepted"] == CHUNK
    assert returned.state()["lost_samples"] == 0


def test_sources_leave_nothing_behind(live: Live, open_pusher: OpenPusher) -> None:
    open_pusher("last")
    until(lambda: names(live) == [], IDLE_S + LATE_S)
    assert live.stats()["active_streams"] == 0
    assert "Traceback" not in live.log


def test_a_stop_ends_the_streams_of_pushed_sources_too(tmp_path: Path) -> None:
    with gunicorn(tmp_path, EMG_MODE="push") as live:
        pusher = Pusher(live, "arm")
        pusher.push_for(0.5)
        client = Client(live.port, source="arm", fps=10)
        next(client.events())
        pusher.connection.close()  # kept alive, it would be waited for
        assert live.stop() == 0
        *_, last = client.events()
        assert (last["status"], last["reason"]) == ("completed", "shutdown")
        client.close()
