"""A source that one of two reads, pushed to both in turn, and readers where a test wants them."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPConnection
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from tests.server.live import LATE_S, Client, Json, Live, until
from tests.server.pinned import PAUSE_S, RATE, Pinned, pinned, taken_by
from tests.server.pushing import Pushing

FPS = 25
HOP = RATE // FPS


class Place(NamedTuple):
    """Where one may ask: a worker of a server, or a server that has but one."""

    live: Live
    pid: int | None = None

    def connected(self) -> Pinned:
        if self.pid is not None:
            return pinned(self.live, self.pid)
        return Pinned(HTTPConnection(self.live.host, self.live.port, timeout=LATE_S))

    def client(self, make: Callable[[int], Any]) -> Any:
        """Return what `make` makes of a port, connected with this place."""
        for _ in range(100):
            client = make(self.live.port)
            if self.pid is None or taken_by(self.pid, client.socket):
                return client
            client.close()
            time.sleep(PAUSE_S)
        raise AssertionError(f"the worker {self.pid} took none of 100 connections")

    def kill(self) -> None:
        """As by kill -9, of the worker or of the whole server."""
        doomed = [self.pid] if self.pid is not None else [self.live.process.pid, *self.live.workers()]
        for pid in doomed:
            os.kill(pid, signal.SIGKILL)


class Hearing(threading.Thread):
    """Everything that a stream says, when, and the id of each event."""

    def __init__(self, client: Client) -> None:
        super().__init__(daemon=True)
        self.client, self.events, self.ids = client, list[Json](), list[str | None]()
        self.came_at: list[float] = []
        self.start()

    def run(self) -> None:
        try:
            for event in self.client.events():
                self.came_at.append(time.time())
                self.ids.append(self.client.last_id)
                self.events.append(event)
        except (OSError, AssertionError):
            pass  # it was cut off

    @property
    def frames(self) -> list[Json]:
        return [event for event in self.events.copy() if "prediction" in event]

    @property
    def states(self) -> list[str]:
        return [str(event["status"]) for event in self.events.copy() if "status" in event]

    @property
    def breaks(self) -> int:
        """How often it was told that its source stalled, and then that it has recovered."""
        told = [one for one in self.states if one in ("stalled", "recovered")]
        assert told == ["stalled", "recovered"] * (len(told) // 2), told
        return len(told) // 2

    def comes_to(self, count: int) -> list[Json]:
        until(lambda: len(self.frames) >= count)
        return self.frames

    def goes_on(self, count: int = 10) -> None:
        """Wait for so many frames made after now."""
        now = time.time()
        until(lambda: sum(frame["timestamp"] > now for frame in self.frames[-count:]) >= count)


class Stage:
    """The owner reads the source; what is opened is closed with `opened`."""

    def __init__(
        self,
        owner: Place,
        other: Place,
        name: str,
        opened: ExitStack,
        servers: list[Live] | None = None,
    ) -> None:
        """`servers` are those that are pushed to; both by default."""
        self.owner, self.other, self.name, self._opened = owner, other, name, opened
        self.here, self.there = owner.connected(), other.connected()
        for one in (self.here, self.there):
            opened.callback(one.close)
        assert self.here.declare(name)[0] == 201
        self.pushing = Pushing(servers or [owner.live, other.live], name)
        opened.callback(self.pushing.stop)

    def at(self, place: Place, make: Callable[[int], Any]) -> Any:
        client = place.client(make)
        self._opened.callback(client.close)
        return client

    def stream(self, place: Place, last_event_id: str | None = None, **options: Any) -> Hearing:
        asked = {"source": self.name, "fps": FPS, **options}
        host = place.live.host
        client = self.at(place, lambda port: Client(port, host=host, last_event_id=last_event_id, **asked))
        assert client.status == 200, client.body()
        return Hearing(client)


def name_of(request: pytest.FixtureRequest) -> str:
    """Return a name for a source of the test's own."""
    return re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:60].strip("-")


def shared(frame: Json) -> Json:
    """Return what all readers of a frame have in common."""
    return {key: value for key, value in frame.items() if key not in ("frame", "dropped")}


def expect_in_order(frames: list[Json]) -> None:
    """Nothing twice, nothing in the wrong order, and what is missing counted."""
    for before, after in pairwise(frames):
        assert after["sample_index"] > before["sample_index"]
        assert after["frame"] == before["frame"] + 1
        windows = (after["sample_index"] - before["sample_index"]) / HOP
        assert windows == 1 + after["dropped"] - before["dropped"]


def longest_hole_s(frames: list[Json]) -> float:
    """Return how much of the signal lies between two frames at most, in s."""
    return (
        max(float(after["sample_index"] - before["sample_index"]) for before, after in pairwise(frames))
        / RATE
    )
