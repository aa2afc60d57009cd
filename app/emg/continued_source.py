"""A source that takes the place of another: its samples are counted on from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.emg.replay import Replay
from app.emg.simulated_person import SimulatedPerson
from app.emg.source import Chunk, Source, aux_streams, channel_names, moved, pass_on_hurry


class ContinuedSource:
    """Fits Source. The sample index begins at `base`, and the first chunk says `restart`."""

    def __init__(self, source: Source, base: int) -> None:
        self._source, self._base, self._first = source, base, True
        self.name, self.channels, self.sampling_rate = source.name, source.channels, source.sampling_rate
        self.units = source.units
        self.gesture_names: Sequence[str] = source.gesture_names
        self.channel_names, self.aux_streams = channel_names(source), aux_streams(source)
        self.speed: float | None = getattr(source, "speed", 1.0)
        self.replay: Replay | None = getattr(source, "replay", None)
        self.person: SimulatedPerson | None = getattr(source, "person", None)
        self.hurried = True  # whether anybody waits for samples

    @property
    def numbered(self) -> bool:
        return bool(getattr(self._source, "numbered", True))

    @property
    def sums(self) -> Mapping[str, Any]:
        """Return the source's own counters."""
        return dict(getattr(self._source, "sums", {}))

    def read(self) -> Chunk | None:
        """Return the next samples, as the source does."""
        pass_on_hurry(self._source, self.hurried)
        chunk = self._source.read()
        if chunk is None:
            return None
        restart, self._first = chunk.restart or self._first, False
        return replace(moved(chunk, self._base), restart=restart)

    def close(self) -> None:
        self._source.close()
