"""What owners publish of their sources, read from Redis's streams for all who want to hear of it at this node."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from app.serving.bus.bus import Published
from app.serving.bus.hearing import Hearing, Hears
from app.serving.bus.link import expect_version
from app.serving.bus.redis_link import NotThereError, RedisError, RedisLink, not_ours, pause

BLOCK_MS = 50  # until those are looked at who have come
MOST = 500  # events of a source at a time
READING = "streams of other workers are not heard"

Entry = tuple[bytes, dict[bytes, bytes]]


class RedisEvents:
    """One thread with a connection of its own."""

    def __init__(self, link: RedisLink, hearing: Hearing) -> None:
        self._link, self._hearing = link, hearing
        self._new: list[tuple[int, Hears]] = []  # who come, and may have to be told what came before
        self._places: dict[str, bytes] = {}  # by source: the event that was read last
        self._there, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="bus events", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hear(self, number: int, hears: Hears) -> None:
        """Have it told what is published, and first what it has missed."""
        self._new.append((number, hears))
        self._there.set()

    def close(self) -> None:
        """Read no more, soon."""
        self._closed.set()
        self._there.set()

    def _run(self) -> None:
        client: Any = None
        while not self._closed.is_set():
            try:
                client = client or self._link.connect(1.0, alone=True)
                self._read(client)
                self._link.well(READING)
            except (*NotThereError, RedisError) as error:
                if self._closed.is_set():
                    return
                self._link.trouble(READING, error)
                if client is not None:
                    with contextlib.suppress(*NotThereError, RedisError):
                        client.close()
                client = None
                pause()

    def _read(self, client: Any) -> None:
        while self._new:
            number, hears = self._new[0]
            self._begin(client, number, hears)
            self._new.pop(0)
        wanted = {hears.key[0] for _, hears in self._hearing.all()}
        for source in self._places.keys() - wanted:
            del self._places[source]
        if not self._places:
            self._there.wait()
            self._there.clear()
            return
        by_key = {self._link.events_of(source): source for source in self._places}
        at = {key: self._places[source] for key, source in by_key.items()}
        for key, entries in client.xread(at, count=MOST, block=BLOCK_MS) or ():
            source = by_key[key.decode()]
            for place, fields in entries:
                self._tell(source, fields)
                self._places[source] = place

    def _begin(self, client: Any, number: int, hears: Hears) -> None:
        source, topic = hears.key
        key = self._link.events_of(source)
        place = self._places.get(source)
        if place is None:
            newest = client.xrevrange(key, count=1)
            place = self._places[source] = newest[0][0] if newest else b"0-0"
        if hears.last is None:
            return
        entries: list[Entry] = client.xrange(key, f"{hears.last[0]}-0", place)
        for _, fields in entries:
            if fields.get(b"t", b"").decode() == topic:
                self._tell(source, fields, number)

    def _tell(self, source: str, fields: dict[bytes, bytes], number: int | None = None) -> None:
        topic = fields.get(b"t")
        if topic is None:
            return  # whoever took the source wrote that it has
        try:
            if not expect_version(int(fields[b"v"])):
                return
            one = Published(int(fields[b"k"]), int(fields[b"s"]), fields[b"p"])
            key = source, topic.decode()
        except (KeyError, ValueError) as error:
            not_ours(f"in the stream of {source}", error)
            return
        self._hearing.tell(key, one, number)
