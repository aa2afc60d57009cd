"""Chunk in, filtered samples in the ring: the one path that live signals and replays both take."""

from __future__ import annotations

from app.emg.signal.filters import Sos, SosFilter
from app.emg.signal.ring import Ring
from app.emg.source import Chunk


class SignalPath:
    """Filters chunks into `ring`; used by one thread.

    The filter starts afresh wherever the ring begins a new segment. Over a short gap it carries on: the
    samples that came before and after the gap are neighbours to it.
    """

    def __init__(self, ring: Ring, sos: Sos) -> None:
        self.ring = ring
        self._filter = SosFilter(sos, ring.channels)
        self._restart_owed = False  # a restart stays one when the chunk that announced it was refused

    def process(self, chunk: Chunk, acquired_at: float = 0.0) -> None:
        """Take one chunk, which arrived at the monotonic time `acquired_at`.

        Raises:
            SourceError: wrong shape, samples that are not finite, or an index that goes backwards.
        """
        self._restart_owed = restart = chunk.restart or self._restart_owed
        if self.ring.breaks(chunk.index, restart):
            self._filter.reset()
        filtered = self._filter(chunk.samples)
        self.ring.write(chunk.index, filtered, chunk.labels, restart, acquired_at)
        self._restart_owed = False
