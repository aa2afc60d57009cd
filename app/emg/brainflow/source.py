"""A board that BrainFlow or MindRove's SDK knows, as a source: its EMG channels, and what it delivers beside them."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.brainflow.aux_rows import AuxReader, Data
from app.emg.brainflow.boards import UNITS, Board
from app.emg.brainflow.child_opening import expect_survivable
from app.emg.brainflow.needs import PLAYBACK
from app.emg.brainflow.package_counter import PackageCounter
from app.emg.brainflow.sdk import Sdk, load_brainflow
from app.emg.brainflow.troubles import told
from app.emg.signal.segments import pieces
from app.emg.simulated.pacing import Clock, Sleep
from app.emg.source import Chunk
from app.errors import ConfigError, SourceError

log = logging.getLogger(__name__)

POLL_S = 0.005
SILENT_S = 5.0  # BrainFlow does not say that a board was unplugged: its samples stop
KEPT_S = 10.0  # of samples that BrainFlow keeps for us
LEAST_KEPT = 1000  # samples
CLOCK_SLACK_S = 1.0  # what the radio may have held back when lost samples are checked against the clock
FASTER = 1.2  # than nominal, when they are
OPEN_S = 60.0  # for a board to begin; a Cyton that is switched off is given up after 6 s
RELEASE_S = 2.0
BACK_S = 0.1  # stamps of a played file that fall by so much: it began again

Job = Callable[[], None]
Aside = Callable[
    [Job, float | None], bool
]  # runs a job that may take seconds, and waits; False: not yet done


def at_once(job: Job, _timeout_s: float | None) -> bool:
    """Fits `Aside` where nothing else has to go on meanwhile."""
    job()
    return True


class BoardSource:
    """The EMG channels of one board. Lost samples are found by the board's package numbers.

    Calls that may take seconds (opening, releasing) go through `aside`, so that they need not hold up other work.
    `loop`: a played file begins again after its end, and the signal with it; else the source ends.

    Raises:
        ConfigError: the board's parameters cannot be, by what its SDK says.
    """

    gesture_names: Sequence[str] = ()

    def __init__(
        self,
        board: Board,
        *,
        units: str = UNITS,
        scale: float = 1.0,
        loop: bool = True,
        aside: Aside = at_once,
        sdk: Sdk | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self.board, self.channels, self.sampling_rate = board, board.channels, board.sampling_rate
        self.units, self._scale, self._loop = units, scale, loop
        self._aside, self._clock, self._sleep = aside, clock, sleep
        self._sdk = sdk or load_brainflow()
        self.name = self._sdk.mode
        parameters = self._sdk.parameters()
        for name, value in board.parameters.items():
            setattr(parameters, name, value)
        try:
            self._shim = self._sdk.api.BoardShim(board.id, parameters)
        except self._sdk.error as error:
            raise ConfigError(told(board.name, self._sdk.title, error)) from None
        self.aux_streams: tuple[AuxStream, ...] = tuple(one.stream for one in board.aux)
        self._aux = AuxReader(board.aux, board.sampling_rate)
        self._owed: list[AuxChunk] = []  # auxiliary chunks that go with the next EMG
        self._open = self._restart = self._closed = False
        self._counter = PackageCounter()
        self._ready: deque[Chunk] = deque()
        self._next = 0  # index of the next sample
        self._silent_since = clock()
        self._sample_at: float | None = None
        self._stamp: float | None = None  # the newest
        self.opened = 0  # times

    @property
    def sums(self) -> dict[str, int]:
        """What has been seen since the start, by name."""
        return {"opened": self.opened}

    @property
    def notes(self) -> Sequence[str]:
        """What was found out of the board by looking at its samples."""
        turn = self._counter.turn
        return () if turn is None else (f"the package numbers come again every {turn} samples",)

    def open(self) -> None:
        """Connect to the board and have it begin. May take seconds.

        Raises:
            SourceError: it does not answer; says what to look after.
        """
        expect_survivable(self._sdk.mode, self.board)
        self._call(self._begin, OPEN_S, "does not begin")
        self._open, self._silent_since, self._stamp = True, self._clock(), None
        self._counter.reset()
        self._aux.reset()
        self.opened += 1

    def read(self) -> Chunk | None:
        """Return the next samples; None once closed, or at the end of a file that is not played in a loop.

        Raises:
            SourceError: the board does not answer, or has said nothing for SILENT_S.
        """
        while not self._ready and not self._closed:
            if not self._open:
                self.open()
            if self._take():
                continue
            if self._clock() - self._silent_since > SILENT_S:
                self._expect_more()
            self._sleep(POLL_S)
        return self._ready.popleft() if self._ready and not self._closed else None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._release()

    def _expect_more(self) -> None:
        """Give up a board that is silent; the end of a played file is no trouble.

        Raises:
            SourceError: it should have sent something.
        """
        self._release()
        self._restart = True
        if self.board.id == PLAYBACK and not self._loop and self._sample_at is not None:
            self._closed = True
            return
        raise SourceError(f"{self.board.name} has sent nothing for {SILENT_S:g} s: is it on and connected?")

    def _take(self) -> bool:
        try:
            data = self._shim.get_board_data()  # (rows, n); never waits
            if not data.shape[1]:
                return False
            further = {preset: self._shim.get_board_data(preset=preset) for preset in self._aux.presets}
        except self._sdk.error as error:
            if self._closed:
                return False
            self._release()
            self._restart = True
            raise SourceError(told(self.board.name, self._sdk.title, error)) from None
        now = self._clock()
        self._count_the_uncounted(data.shape[1], now)
        for part, begins_anew in self._plays(data):
            self._place(part, now, begins_anew)
        self._silent_since = self._sample_at = now
        for preset, rows in further.items():
            self._owed += self._aux.of_preset(preset, rows)
        self._hand_on_aux()
        return True

    def _count_the_uncounted(self, count: int, now: float) -> None:
        """Go by the clock where nobody counted: the board was away, or so much waited that some was lost."""
        if self._sample_at is None:
            return
        passed = round((now - self._sample_at) * self.sampling_rate)
        if self._restart:
            self._next += passed
        elif count >= self._kept:
            self._next += max(passed - count, 0)
            self._counter.reset()
            self._restart = True

    def _place(self, data: Data, now: float, begins_anew: bool) -> None:
        if begins_anew:
            self._counter.reset()
            self._aux.reset()
            self._restart = True
        index = self._numbered(data, self._most_lost(now))
        stamps = None if self.board.timestamp_row is None else data[self.board.timestamp_row]
        samples = np.ascontiguousarray(data[list(self.board.rows)].T * self._scale, np.float32)
        self._ready.extend(pieces(index, samples, self._restart))
        self._owed += self._aux.of_emg(index, stamps, data)
        self._restart = False

    def _plays(self, data: Data) -> list[tuple[Data, bool]]:
        """Return the parts of the data, of a file that is played several: each time it began again, which is said."""
        if self.board.id != PLAYBACK or self.board.timestamp_row is None:
            return [(data, False)]
        stamps = data[self.board.timestamp_row]
        before = np.concatenate([[stamps[0] if self._stamp is None else self._stamp], stamps[:-1]])
        self._stamp = float(stamps[-1])
        begins = np.flatnonzero(stamps < before - BACK_S)
        bounds = sorted({0, *begins.tolist(), data.shape[1]})
        return [(data[:, start:end], start in begins) for start, end in pairwise(bounds)]

    def _hand_on_aux(self) -> None:
        if self._owed and self._ready:
            first = self._ready[0]
            self._ready[0] = replace(first, aux=(*first.aux, *self._owed))
            self._owed = []

    def _most_lost(self, now: float) -> float:
        """Return how many samples can have been taken since the last ones came."""
        if self._sample_at is None:
            return math.inf
        return (now - self._sample_at + CLOCK_SLACK_S) * FASTER * self.sampling_rate

    def _numbered(self, data: Data, most_lost: float) -> npt.NDArray[np.int64]:
        count = data.shape[1]
        lost = np.zeros(count, np.int64)
        if self.board.counter_row is not None:
            numbers = data[self.board.counter_row].tolist()
            lost += np.asarray(self._counter.lost_before(numbers, most_lost), np.int64)
        index = self._next + np.arange(count, dtype=np.int64) + np.cumsum(lost)
        self._next = int(index[-1]) + 1
        return index

    @property
    def _kept(self) -> int:
        return max(round(KEPT_S * self.sampling_rate), LEAST_KEPT)

    def _begin(self) -> None:
        self._shim.prepare_session()
        if self.board.id == PLAYBACK:
            # by its old stamps a loop shows: they fall; new ones would hide what is missing at its end
            self._shim.config_board("loopback_true" if self._loop else "loopback_false")
            self._shim.config_board("old_timestamps")
        self._shim.start_stream(self._kept)

    def _release(self) -> None:
        self._open = False
        try:
            self._call(self._end, RELEASE_S, "was not released")
        except SourceError as error:
            log.debug("%s", error)

    def _end(self) -> None:
        if self._shim.is_prepared():
            self._shim.release_session()  # also ends the stream

    def _call(self, job: Job, timeout_s: float, trouble: str) -> None:
        """Run it aside; what BrainFlow complains of becomes one line.

        Raises:
            SourceError: with BrainFlow's reason, or because it takes too long.
        """
        errors: list[Exception] = []

        def caught() -> None:
            try:
                job()
            except self._sdk.error as error:
                errors.append(error)

        if not self._aside(caught, timeout_s):
            raise SourceError(f"{self.board.name} {trouble} within {timeout_s:g} s")
        if errors:
            raise SourceError(told(self.board.name, self._sdk.title, errors[0]))
