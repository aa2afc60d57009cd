"""A stream of the Lab Streaming Layer as a source. It may vanish and come back; nothing restarts but the signal.

liblsl works on threads of its own, so nothing here waits in native code for longer than CALL_WAIT_S: under gevent that
would hold up every stream. In particular `proc_clocksync` is left out: its first estimate blocks the pull for 0.64 s.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from app.emg.auxiliary import AuxChunk
from app.emg.description import SourceDescription
from app.emg.lsl.aux_inlet import AuxInlet
from app.emg.lsl.finder import CALL_WAIT_S, POLL_S, Query, StreamFinder
from app.emg.lsl.library import load_pylsl
from app.emg.lsl.stream_description import Selection, select
from app.emg.signal.rates import same_rate
from app.emg.signal.segments import Indices, never_numbers, pieces, runs
from app.emg.signal.timestamps import Stamps, TimestampFit
from app.emg.simulated.pacing import Clock, Sleep
from app.emg.source import Chunk, Samples
from app.errors import ConfigError, SourceError

log = logging.getLogger(__name__)

ANSWER_S = 1.5  # of streams that are asked for; a look that has just begun knows none
SILENT_S = 2.0  # before we ask the network whether the stream is still there
GONE_S = 3.0  # without an answer from it
MOST = 4096  # samples in one pull


class LslSource:
    """The one stream that matches `query` and has the channels and the rate of `description`.

    Samples are numbered by the stream's own time stamps, on this machine's clock: what is missing between them is a
    gap. Where the stream says its units, they are converted to those of the description, unless `scale` is given.
    `aux` are the streams that the description has as the last of its auxiliary ones; they may come and go. Where it
    does not have them, nobody knows what they are, and they are not read.
    """

    name = "lsl"
    gesture_names: Sequence[str] = ()

    def __init__(
        self,
        query: Query,
        description: SourceDescription,
        *,
        scale: float | None = None,
        aux: Sequence[Query] = (),
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self.query, self.channels, self.sampling_rate = query, description.channels, description.sampling_rate
        self.units, self.channel_names = description.units, description.channel_names
        self.aux_streams = description.aux_streams
        self._scale, self._clock, self._sleep = scale, clock, sleep
        self._lsl = load_pylsl()
        first = len(self.aux_streams) - len(aux)
        if first < 0:
            log.warning("the streams beside %s are not read: they did not answer at the start", query)
            first, aux = 0, ()
        self._inlets = [
            AuxInlet(first + number, one, self.aux_streams[first + number], self._lsl)
            for number, one in enumerate(aux)
        ]
        self._line = TimestampFit(description.sampling_rate)
        self._ready: deque[Chunk] = deque()
        self._finder = StreamFinder(query, self._lsl, clock, sleep)
        self._inlet: Any = None
        self._uid = ""  # of the stream the inlet is connected to
        self._selection: Selection | None = None
        self._offset_s = 0.0  # from the sender's clock to ours
        self._heard_at = 0.0  # the last samples; before any, when it was opened
        self._heard = False  # whether any came, or that none came has been said
        self._restart = False
        self._nothing_since: float | None = None  # when samples began to come of which none can be used
        self._begun = self._closed = False
        self.opened = 0  # times

    @property
    def sums(self) -> dict[str, int]:
        """What has been seen since the start, by name."""
        return {"opened": self.opened}

    def check(self, seconds: float) -> bool:
        """Look at the stream before the server starts. False: there is none yet; `read` goes on looking.

        Raises:
            ConfigError: it is there and does not fit, or more than one is.
        """
        until = self._clock() + seconds
        while True:
            try:
                self._described(self._find())
            except SourceError as error:
                if self._clock() >= until:
                    log.warning("%s; waiting for it", error)
                    return False
                self._sleep(POLL_S)
            else:  # the resolver stays: `read` finds the stream with it at once, a new one knows none yet
                return True

    def read(self) -> Chunk | None:
        """Return the next samples; None once closed.

        Raises:
            SourceError: there is no such stream now, or it does not fit.
        """
        while not self._ready and not self._closed:
            self._begin_beside()
            if self._inlet is None:
                try:
                    self._connect()
                except ConfigError as error:  # at the start it would have ended it
                    raise SourceError(str(error)) from None
            if not self._pull():
                self._look_whether_gone()
                self._sleep(POLL_S)
        if self._closed:
            self._inlet = None
            self._finder.rest()
            return None
        return self._ready.popleft()

    def close(self) -> None:
        self._closed = self._finder.closed = True
        for inlet in self._inlets:
            inlet.close()

    def _connect(self) -> None:
        info = self._find()
        inlet = self._described(info)
        try:
            self._offset_s = self._finder.patiently(
                lambda: inlet.time_correction(CALL_WAIT_S), "does not tell its clock"
            )
        except SourceError as error:
            log.warning("%s: its time stamps are taken as ours", error)
            self._offset_s = 0.0
        self._finder.patiently(lambda: inlet.open_stream(CALL_WAIT_S), "does not begin")
        self._inlet, self._uid = inlet, info.uid()
        self._finder.rest()
        self._heard_at, self._heard = self._clock(), False
        self.opened += 1
        log.info("LSL stream %s from %s: %s", info.name(), info.hostname(), self._selection)

    def _find(self) -> Any:
        """Return the stream that is meant; one that is there needs up to ANSWER_S to say so.

        Raises:
            SourceError: there is none.
            ConfigError: there is more than one.
        """
        while True:
            try:
                return self._finder.find(lambda info: _may_fit(info, self.channels, self.sampling_rate))
            except SourceError:
                if self._closed or self._finder.asking_s > ANSWER_S:
                    raise
                self._sleep(POLL_S)

    def _described(self, info: Any) -> Any:
        """Return an inlet of the stream, not yet open; what it carries is known then.

        Raises:
            SourceError: it does not answer.
            ConfigError: it does not fit.
        """
        inlet, description = self._finder.inlet(info)
        self._selection = select(description, self.channels, self.sampling_rate, self.units, self._scale)
        return inlet

    def _pull(self) -> bool:
        """Take what has come. False: nothing has.

        Raises:
            SourceError: the stream has gone.
        """
        table, stamps = self._pulled()
        if not len(stamps):
            return False
        if self._line.doubts(stamps):  # the rest of a burst may be on its way
            self._sleep(POLL_S)
            more, later = self._pulled()
            table, stamps = np.concatenate([table, more]), np.concatenate([stamps, later])
        self._heard_at, self._heard = self._clock(), True
        self._finder.rest()
        placed = self._line.place(stamps, self._heard_at)
        samples = self._of_emg(table)
        found = pieces(placed.indices, samples, placed.restart or self._restart)
        self._expect_numbers(samples, bool(found))
        if found:
            found[0] = replace(found[0], aux=tuple(self._beside(table, placed.indices)))
        self._ready.extend(found)
        self._restart = self._restart and not found
        return True

    def _expect_numbers(self, samples: Samples, some: bool) -> None:
        """Name the channels for which no sample can be used, once that has gone on for a while.

        Raises:
            SourceError: for SILENT_S there was none.
        """
        if some:
            self._nothing_since = None
            return
        self._nothing_since = self._nothing_since or self._heard_at
        if self._heard_at - self._nothing_since > SILENT_S:
            raise SourceError(f"the LSL stream {self.query} is there, but {never_numbers(samples)}")

    def _pulled(self) -> tuple[Stamps, Stamps]:
        """All channels (n, of the stream) as they are, and (n,) on our clock."""
        assert self._selection is not None
        values: Any = ()
        stamps: Any = ()
        try:
            values, stamps = self._inlet.pull_chunk(0.0, MOST)
            self._offset_s = self._inlet.time_correction(0.0)  # liblsl keeps it up to date
        except self._lsl.util.TimeoutError:  # no estimate yet
            pass
        except self._lsl.util.LostError:
            self._lose("has gone")
        table = np.asarray(values, np.float64).reshape(len(stamps), self._selection.of)
        return table, np.asarray(stamps, np.float64) + self._offset_s

    def _of_emg(self, table: Stamps) -> Samples:
        """Return the EMG channels (n, channels) in our units."""
        assert self._selection is not None
        scaled = table[:, self._selection.columns] * np.array(self._selection.factors)
        samples: Samples = scaled.astype(np.float32)
        return samples

    def _begin_beside(self) -> None:
        if not self._begun:
            self._begun = True
            for inlet in self._inlets:
                inlet.start()

    def _beside(self, table: Stamps, index: Indices) -> list[AuxChunk]:
        """Return what came in the stream's other channels, and in the auxiliary streams."""
        assert self._selection is not None
        names = [stream.name for stream in self.aux_streams]
        same = [
            AuxChunk(
                stream=names.index(kind),
                at=float(index[run.start]),
                samples=table[run][:, columns].astype(np.float32),
            )
            for kind, columns in self._selection.beside.items()
            if kind in names
            for run in runs(index)
        ]
        return same + [chunk for inlet in self._inlets for chunk in inlet.chunks(self._line)]

    def _look_whether_gone(self) -> None:
        """Ask anew for a sender that is silent: the connection of one whose cable was cut never breaks."""
        if self._clock() - self._heard_at < SILENT_S:
            return
        if not self._heard:  # since it was opened: whoever was told that it is not there is told better now
            self._heard = True
            raise SourceError(f"the LSL stream {self.query} is there, but sends no samples")
        visible = {info.uid() for info in self._finder.visible()}
        if self._uid not in visible and self._finder.asking_s > GONE_S:
            self._lose("does not answer any more")

    def _lose(self, what: str) -> NoReturn:
        self._inlet, self._restart = None, True
        self._finder.rest()
        raise SourceError(f"the LSL stream {self.query} {what}")


def _may_fit(info: Any, channels: int, rate: float) -> bool:
    return bool(info.channel_count() >= channels and same_rate(info.nominal_srate(), rate))
