"""Recordings played as if they were live."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from app.counted import counted
from app.emg.auxiliary import AuxChunk
from app.emg.files.recordings import UNKNOWN_UNITS, Recording
from app.emg.signal.rates import same_rate
from app.emg.simulated.pacing import Clock, Pacer, Sleep
from app.emg.source import Chunk
from app.errors import DataError

CHUNK_S = 0.01  # between two chunks, at any speed: a chunk has as many samples as are due in it
MAX_CHUNK_S = (
    0.1  # of the signal: a group of readers that is further behind skips (app/serving/streams/broadcast.py)
)
MIN_PER_S = (
    5.0  # samples; a source that delivers less often counts as stalled (app/serving/sources/acquisition.py)
)


class Playback:
    """One or more recordings, one after the other, in chunks every 10 ms with their labels.

    `speed` 1 is real time, N is N times as fast, None is as fast as possible. With `loop` it begins again
    after the last and never ends. The sample index counts on through all of it; the first chunk of every
    continuous piece (and so of every file and every turn) says `restart`, and no chunk spans two pieces.

    Raises:
        DataError: no recording, recordings that differ in channels, rate, units or gesture names, or a speed
            at which hardly a sample would come.
    """

    name = "recording"

    def __init__(
        self,
        recordings: Sequence[Recording],
        *,
        speed: float | None = 1.0,
        loop: bool = True,
        chunk: int | None = None,
        clock: Clock = time.perf_counter,
        sleep: Sleep = time.sleep,
    ) -> None:
        if not recordings:
            raise DataError("there is no recording to play")
        first = recordings[0]
        for other in recordings[1:]:
            _expect_alike(first, other)
        self.channels, self.sampling_rate, self.units = first.channels, first.fs, first.units
        self.gesture_names: Sequence[str] = first.gesture_names
        streams = [tuple(one.stream for one in recording.aux) for recording in recordings]
        # what only some of them have beside the EMG, or have otherwise, is left out
        self.aux_streams = streams[0] if streams.count(streams[0]) == len(streams) else ()
        self.speed = speed
        self._recordings, self._loop = tuple(recordings), loop
        self._chunk = _chunk(first.fs, speed) if chunk is None else chunk  # samples
        self._pacer = Pacer(first.fs, speed, clock, sleep)
        self._chunks = self._play()
        self._closed = False

    def read(self) -> Chunk | None:
        """Return the next samples when the last of them is due; None at the end or once closed."""
        chunk = None if self._closed else next(self._chunks, None)
        if chunk is not None:
            self._pacer.wait(chunk.index + len(chunk.samples))
        return chunk

    def close(self) -> None:
        self._closed = True

    def _play(self) -> Iterator[Chunk]:
        index = 0
        while True:
            for recording in self._recordings:
                for piece in recording.pieces:
                    yield from self._play_piece(recording, piece, index)
                    index += piece.stop - piece.start
            if not self._loop:
                return

    def _play_piece(self, recording: Recording, piece: slice, index: int) -> Iterator[Chunk]:
        for at in range(piece.start, piece.stop, self._chunk):
            part = slice(at, min(at + self._chunk, piece.stop))
            yield Chunk(
                index=index + at - piece.start,
                samples=recording.emg[part],
                labels=recording.label[part],
                restart=at == piece.start,
                aux=self._beside(recording, part, index - piece.start),
            )

    def _beside(self, recording: Recording, part: slice, base: int) -> tuple[AuxChunk, ...]:
        """Return what came beside those rows; `base` is the sample index of the recording's row 0."""
        found = []
        for number, aux in enumerate(recording.aux if self.aux_streams else ()):
            first, end = np.searchsorted(aux.rows, (part.start, part.stop))
            # what lies before the first row or behind the last comes with that
            first, end = first if part.start else 0, end if part.stop < len(recording.emg) else len(aux.rows)
            if first < end:
                at = base + float(aux.rows[first])
                found.append(AuxChunk(stream=number, at=at, samples=aux.samples[first:end]))
        return tuple(found)


def require(
    recording: Recording,
    channels: int,
    rate: float,
    models: Sequence[tuple[str, int, float]] | None = None,
) -> None:
    """See that a model for `channels` at `rate` Hz can take the recording.

    Raises:
        DataError: names the recording's and the model's values, and which of `models` (name, channels,
            rate) would fit; nothing of others where nobody looked.
    """
    if _fits(recording, channels, rate):
        return
    advice = ""
    if models is not None:
        fitting = [
            name for name, its_channels, its_rate in models if _fits(recording, its_channels, its_rate)
        ]
        advice = f"; {' or '.join(fitting)} would fit" if fitting else "; no model here fits"
    has = f"{counted(recording.channels, 'channel')} at {recording.fs:g} Hz"
    raise DataError(
        f"{recording.name}: has {has}; the model takes {counted(channels, 'channel')} at {rate:g} Hz{advice}"
    )


def _chunk(rate: float, speed: float | None) -> int:
    """Return samples in a chunk."""
    if speed is not None and rate * speed < MIN_PER_S:
        raise DataError(
            f"at a speed of {speed:g} only {rate * speed:g} of the recording's {rate:g} samples a second would "
            f"come each second, as from a source that has stalled; the speed must be {MIN_PER_S / rate:g} at least"
        )
    return max(1, round(min(CHUNK_S * (speed or 1.0), MAX_CHUNK_S) * rate))


def _fits(recording: Recording, channels: int, rate: float) -> bool:
    return recording.channels == channels and same_rate(recording.fs, rate)


def _expect_alike(first: Recording, other: Recording) -> None:
    for what in ("channels", "fs", "units", "gesture_names"):
        one, two = getattr(first, what), getattr(other, what)
        alike = same_rate(one, two) if what == "fs" else one == two
        if not alike and UNKNOWN_UNITS not in (one, two):
            raise DataError(
                f"{first.name} and {other.name} cannot be played as one: {what} is {one} and {two}"
            )
