"""One source for several worker processes: one of them owns it, the others read what it has read."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from app.emg.chunk_ipc import Follower, Relay
from app.emg.replay import Replay
from app.emg.simulated_person import SimulatedPerson
from app.emg.source import Chunk, Source, aux_streams, channel_names, moved, pass_on_hurry, trouble_with

log = logging.getLogger(__name__)

NAP_S = 0.05  # a follower looks so often whether it was closed


class SharedSource:
    """Fits Source in every worker. Whoever comes first reads `source`; when it dies, another takes over.

    The sample index counts on over a change of owner, and the first chunk after one says `restart`.
    """

    def __init__(self, source: Source, name: str, clock: Callable[[], float] = time.perf_counter) -> None:
        self._source, self._link_name, self._clock = source, name, clock
        self.name, self.channels, self.sampling_rate = source.name, source.channels, source.sampling_rate
        self.units = source.units
        self.gesture_names: Sequence[str] = source.gesture_names
        self.speed: float | None = getattr(source, "speed", 1.0)  # a recording's
        self.replay: Replay | None = getattr(source, "replay", None)
        self.person: SimulatedPerson | None = getattr(source, "person", None)
        self.aux_streams, self.channel_names = aux_streams(source), channel_names(source)
        self._aux_steps = [source.sampling_rate / stream.sampling_rate for stream in self.aux_streams]
        self._relay: Relay | None = None
        self._follower: Follower | None = None
        self._next = 0  # sample index after the newest
        self._offset: int | None = None  # of our index to the source's own, once we own it
        self._follows = False  # the newest chunk continues the one before it
        self.hurried = True  # whether anybody in this worker waits for samples
        self._closed = False

    @property
    def numbered(self) -> bool:
        return bool(getattr(self._source, "numbered", True))

    @property
    def owner(self) -> bool:
        return self._relay is not None

    @property
    def sums(self) -> dict[str, int]:
        """The device's own counters, in the worker that owns it."""
        return dict(getattr(self._source, "sums", {})) if self.owner else {}

    def read(self) -> Chunk | None:
        """Return the next samples; None once closed or when the source has ended.

        Raises:
            SourceError: the owner, this process or another, cannot read the source.
        """
        while not self._closed:
            if self._relay is not None:
                return self._own(self._relay)
            if self._follower is None and not self._join():
                time.sleep(NAP_S)
                continue
            if self._follower is not None:
                try:
                    chunk = self._follower.read(NAP_S)
                except EOFError:
                    return None
                except ConnectionError:
                    self._let_go()
                    continue
                fresh = None if chunk is None else self._fresh(chunk)
                if fresh is not None:
                    return self._seen(fresh)
        return None

    def close(self) -> None:
        self._closed = True
        self._source.close()
        self._let_go()
        if self._relay is not None:
            self._relay.close()

    def _join(self) -> bool:
        self._relay = Relay.open(self._link_name)
        if self._relay is not None:
            log.info("this worker owns the source %s", self.name)
            return True
        self._follower = Follower.open(self._link_name)
        return self._follower is not None

    def _own(self, relay: Relay) -> Chunk | None:
        pass_on_hurry(self._source, self.hurried or relay.followed)  # what is waited for there, nobody says
        try:
            chunk = self._source.read()
        except Exception as error:  # of a driver, anything
            relay.trouble(trouble_with(error))
            raise
        arrived = self._clock()
        if self._closed:
            return None
        if chunk is None:
            relay.end()
            return None
        if self._offset is None:
            self._offset = self._next - chunk.index if self._next else 0
        chunk = self._seen(replace(moved(chunk, self._offset), acquired_at=arrived))
        relay.send(chunk, arrived, self._aux_steps)
        return chunk

    def _fresh(self, chunk: Chunk) -> Chunk | None:
        """Return what this worker has no index for yet: a new owner may have read less than we have from the last."""
        had = max(self._next - chunk.index, 0)
        if not had:
            return chunk
        labels = None if chunk.labels is None else chunk.labels[had:]
        fresh = replace(chunk, index=chunk.index + had, samples=chunk.samples[had:], labels=labels)
        return fresh if len(fresh.samples) else None

    def _seen(self, chunk: Chunk) -> Chunk:
        if not self._follows:  # another has read what came before
            chunk = replace(chunk, restart=True)
        self._follows, self._next = True, chunk.index + len(chunk.samples)
        return chunk

    def _let_go(self) -> None:
        if self._follower is not None:
            self._follower.close()
            self._follower, self._follows = None, False
