"""Chunk in, filtered samples in the ring: the one path that live signals and replays both take."""

from __future__ import annotations

from collections.abc import Sequence

from app.emg.signal.filters import FilterSpec, Sos, SosFilter
from app.emg.signal.montage import Montage
from app.emg.signal.ring import Ring
from app.emg.source import Chunk


class SignalPath:
    """Filters chunks into `ring`, after the montage where there is one; used by one thread.

    The ring counts samples of the montage's far side, `sampling_rate` of them a second (None: the source's rate).
    The filter starts afresh wherever the ring begins a new segment. Over a short gap it carries on: the
    samples that came before and after the gap are neighbours to it.
    """

    def __init__(
        self,
        ring: Ring,
        sos: Sos,
        montage: Montage | None = None,
        sampling_rate: float | None = None,
        filters: Sequence[FilterSpec] = (),
    ) -> None:
        self.ring, self.montage, self.sampling_rate = ring, montage, sampling_rate
        self.filters = filters  # what `sos` was designed by, for those who want to know
        self._filter = SosFilter(sos, ring.channels)
        self._restart_owed = False  # a restart stays one when the chunk that announced it was refused

    def process(self, chunk: Chunk, acquired_at: float = 0.0) -> None:
        """Take one chunk of the source, which arrived at the monotonic time `acquired_at`.

        Raises:
            SourceError: wrong shape, samples that are not finite, or an index that goes backwards.
        """
        if self.montage is not None:
            chunk = self.montage.process(chunk)
        self._restart_owed = restart = chunk.restart or self._restart_owed
        if self.ring.breaks(chunk.index, restart):
            self._filter.reset()
        filtered = self._filter(chunk.samples)
        self.ring.write(chunk.index, filtered, chunk.labels, restart, acquired_at)
        self._restart_owed = False

    def to_source(self, end: int) -> int:
        """Return the source's sample index up to which the ring's samples before `end` have seen it."""
        return end if self.montage is None else self.montage.to_input_end(end)
