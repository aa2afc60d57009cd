"""A worker among others on an in-memory bus, and readers of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.api.sse import events as sse
from app.errors import SourceNameError
from app.serving.fanout.asking import FieldsError
from app.serving.fanout.publisher import Publisher
from app.serving.fanout.remote_streams import RemoteStreams
from app.serving.fanout.topic import Asked
from app.serving.streams.reader import Reader
from tests.serving.bus.memory_bus import MemoryBus, MemoryHub, MemoryLease
from tests.serving.station import OPTIONS, Station, sample_index, until

JOB = {"fps": OPTIONS.fps}


class Node:
    """A worker: what it reads itself, and what it hears of others."""

    def __init__(self, hub: MemoryHub, name: str) -> None:
        self.bus: MemoryBus = hub.node(name)
        self.stations: dict[str, tuple[Station, MemoryLease]] = {}
        self.released = 0
        self.publisher = Publisher(self.bus, self._resolve, lambda what, source: {what: source})
        self.remote = RemoteStreams(self.bus, self.publisher, sse.encode)

    def own(self, source: str, samples: int = 0) -> Station:
        lease = self.bus.claim(source, b"{}")
        assert lease is not None
        station = Station()
        station.source.feed(samples)
        self.stations[source] = station, lease
        return station

    def _resolve(self, source: str, job: Mapping[str, Any]) -> Asked:
        if source not in self.stations:
            raise SourceNameError(f"no source {source!r}")
        if job["fps"] > 100:
            raise FieldsError({"fps": ["must be at most 100"]})
        station, lease = self.stations[source]
        return Asked(
            lease=lease,
            broadcast=station.broadcast,
            options=replace(OPTIONS, fps=job["fps"]),
            model="",
            release=self._release,
        )

    def _release(self) -> None:
        self.released += 1

    def close(self) -> None:
        self.remote.close()
        self.publisher.close()
        for station, _ in self.stations.values():
            station.broadcast.end()


class Heard:
    """A reader of a node, and what it was told: the samples that windows end before, and words."""

    def __init__(self, node: Node, source: str = "arm", after: int | None = None, **job: Any) -> None:
        self.told: list[Any] = []
        self.missed = 0
        self.asked: list[int] = []
        self.reader: Reader = node.remote.join(
            source, {**JOB, **job}, lambda reached: self._after(reached, after)
        )
        for event, missed in self.reader.take(0.0):
            self._take(event, missed)
        self.reader.listen(self._take)

    def _after(self, reached: int, after: int | None) -> tuple[int | None, None]:
        self.asked.append(reached)
        return after, None

    def _take(self, event: Any, missed: int) -> bool:
        self.missed += missed
        frame = event.position >= 0
        self.told.append(sample_index(event.body) if frame else getattr(event.event, "status", "?"))
        return True

    def comes_to(self, *told: Any) -> None:
        until(lambda: self.told[-len(told) :] == list(told) if told else True)
