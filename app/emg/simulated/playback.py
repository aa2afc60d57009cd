"""Recordings played as if they were live."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.counted import counted
from app.emg.auxiliary import AuxChunk
from app.emg.files.recordings import UNKNOWN_UNITS, Recording
from app.emg.files.timeline import Timeline
from app.emg.replay import Replay, ReplayState
from app.emg.signal.rates import same_rate
from app.emg.simulated.pacing import Clock, Pacer, Sleep
from app.emg.source import Chunk
from app.errors import DataError

PAUSED_POLL_S = 0.02  # a replay that waits goes on, or is closed, within this time
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
    `replay` says where it is, and takes orders: it can wait, and go on elsewhere, where the signal restarts
    and the sample index counts on.

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
        self.replay = Replay(Timeline(recordings), first.fs)
        self._loop = loop
        self._chunk = _chunk(first.fs, speed) if chunk is None else chunk  # samples
        self._pacer, self._sleep = Pacer(first.fs, speed, clock, sleep), sleep
        self._state: ReplayState | None = None  # before the first read
        self._index = 0  # of the next sample
        self._jumped = False  # that sample does not continue those before
        self._closed = False

    def read(self) -> Chunk | None:
        """Return the next samples when the last of them is due; None at the end or once closed."""
        while not self._closed:
            state = self._obey()
            if not state.paused:
                return self._next(state)
            self._sleep(PAUSED_POLL_S)
        return None

    def close(self) -> None:
        self._closed = True

    def _obey(self) -> ReplayState:
        """Return how it is to go on, by the newest order; at first, where whoever played before has come to."""
        control = self.replay.control
        if self._state is None:
            self._state = control.state() or ReplayState()
        state, order = self._state, control.order()
        if order.number > state.obeyed:
            self._jumped = self._jumped or order.at is not None
            state = ReplayState(
                obeyed=order.number,
                at=state.at if order.at is None else order.at,
                paused=state.paused if order.paused is None else order.paused,
            )
            self._pacer.resume()
            self._state = state
            control.tell(state)
        return state

    def _next(self, state: ReplayState) -> Chunk | None:
        """Return the samples from there on; None at the end."""
        timeline = self.replay.timeline
        if state.at >= timeline.samples and not self._loop:
            return None
        at = state.at % timeline.samples
        place = timeline.place(at)
        part = slice(place.row, min(place.row + self._chunk, place.stop))
        chunk = Chunk(
            index=self._index,
            samples=place.recording.emg[part],
            labels=place.recording.label[part],
            restart=place.first or self._jumped,
            aux=self._beside(place.recording, part, self._index - place.row),
        )
        self._jumped = False
        self._index += len(chunk.samples)
        self._state = replace(state, at=at + len(chunk.samples))
        self._pacer.wait(self._index)
        self.replay.control.tell(self._state)
        return chunk

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
