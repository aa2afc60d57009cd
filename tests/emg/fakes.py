"""Small real classes that the signal path's tests share."""

from __future__ import annotations

from collections.abc import Sequence

from app.emg.source import Chunk


class Time:
    """A clock that moves only when someone sleeps, or when the test says so."""

    def __init__(self, oversleep: float = 0.0) -> None:
        self.now, self.oversleep, self.slept, self.sleeps = 1000.0, oversleep, 0.0, 0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.sleeps += 1
        self.slept += seconds
        self.now += seconds + self.oversleep


class ScriptedSource:
    """Hands out the chunks it was given, at once."""

    name, units = "scripted", "uV"

    def __init__(
        self, chunks: Sequence[Chunk], sampling_rate: float = 200, names: Sequence[str] = ()
    ) -> None:
        self._chunks = list(chunks)
        self.channels = self._chunks[0].samples.shape[1]
        self.sampling_rate, self.gesture_names = sampling_rate, names
        self.closed = 0

    def read(self) -> Chunk | None:
        return self._chunks.pop(0) if self._chunks else None

    def close(self) -> None:
        self.closed += 1
