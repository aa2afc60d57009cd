"""A board that BrainFlow knows as a source: its EMG channels, by the board's own description."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.brainflow.board_names import board_id
from app.emg.brainflow.package_counter import PackageCounter
from app.emg.description import SourceDescription
from app.emg.signal.segments import pieces
from app.emg.simulated.pacing import Clock, Sleep
from app.emg.source import Chunk
from app.errors import ConfigError, SourceError

log = logging.getLogger(__name__)

SYNTHETIC = -1  # below are none, a played file and a network stream, which need more than a board's name
POLL_S = 0.005
SILENT_S = 5.0  # BrainFlow does not say that a board was unplugged: its samples stop
KEPT_S = 10.0  # of samples that BrainFlow keeps for us
CLOCK_SLACK_S = 1.0  # what the radio may have held back when lost samples are checked against the clock
FASTER = 1.2  # than nominal, when they are
OPEN_S = 60.0  # for a board to begin; a Cyton that is switched off is given up after 6 s
RELEASE_S = 2.0
UNITS = "uV"  # of EMG and EEG: https://brainflow.readthedocs.io/en/stable/DataFormatDesc.html

Job = Callable[[], None]
Aside = Callable[
    [Job, float | None], bool
]  # runs a job that may take seconds, and waits; False: not yet done

CURES = {  # by BrainFlow's exit code
    1: "the port is in use: close the other program",
    2: "the port cannot be opened: is EMG_PORT right, and may you use it (group dialout)?",
    3: "the port does not answer as a serial port does",
    7: "the board does not answer: is it switched on and charged?",
    13: "the board needs more to be found: name its serial port in EMG_PORT",
    14: "this build of BrainFlow cannot open that board",
    16: "another board is open in this process",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What BrainFlow says of one kind of board."""

    id: int
    name: str
    rows: tuple[int, ...]  # of its data: the EMG channels
    sampling_rate: float  # Hz
    counter_row: int | None  # package numbers

    @property
    def channels(self) -> int:
        return len(self.rows)

    @property
    def description(self) -> SourceDescription:
        return SourceDescription(channels=self.channels, sampling_rate=self.sampling_rate, units=UNITS)


def load_brainflow() -> Any:
    """Return the module brainflow.board_shim, with its library.

    Raises:
        ConfigError: it or its library is not there.
    """
    try:
        from brainflow import board_shim

        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # before Python 3.12 it looks for its library in an old way
            board_shim.BoardControllerDLL.get_instance()
    except (ImportError, OSError) as error:
        reason = str(error).partition(", did")[0]
        raise ConfigError(
            f"EMG_MODE=brainflow needs brainflow ({reason}): install requirements-devices.txt"
        ) from None
    board_shim.BoardShim.disable_board_logger()  # what it has to say, we say in one line
    return board_shim


def find_board(text: str) -> Board:
    """Return the board that EMG_BOARD names.

    Raises:
        ConfigError: no such board, it has no EMG channels, or brainflow is not there.
    """
    shim = load_brainflow()
    number = board_id(text, {board.name: int(board) for board in shim.BoardIds if board >= SYNTHETIC})
    try:
        description = shim.BoardShim.get_board_descr(number)
    except shim.BrainFlowError:
        raise ConfigError(f"EMG_BOARD={text}: it is not a device that BrainFlow can describe") from None
    rows = description.get("emg_channels", ())
    if not rows:
        has = ", ".join(key for key in description if key.endswith("_channels"))
        raise ConfigError(f"EMG_BOARD={text}: by its own description it has no EMG channels, but {has}")
    return Board(
        id=number,
        name=description["name"],
        rows=tuple(rows),
        sampling_rate=float(description["sampling_rate"]),
        counter_row=description.get("package_num_channel"),
    )


def at_once(job: Job, _timeout_s: float | None) -> bool:
    """Fits `Aside` where nothing else has to go on meanwhile."""
    job()
    return True


class BoardSource:
    """The EMG channels of one board. Lost samples are found by the board's package numbers.

    Calls that may take seconds (opening, releasing) go through `aside`, so that they need not hold up other work.
    """

    name = "brainflow"
    gesture_names: Sequence[str] = ()

    def __init__(
        self,
        board: Board,
        *,
        port: str | None = None,
        units: str = UNITS,
        scale: float = 1.0,
        aside: Aside = at_once,
        api: Any = None,  # brainflow.board_shim; a test brings its own
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self.board, self.channels, self.sampling_rate = board, board.channels, board.sampling_rate
        self.units, self._scale = units, scale
        self._aside, self._clock, self._sleep = aside, clock, sleep
        self._api = api or load_brainflow()
        parameters = self._api.BrainFlowInputParams()
        parameters.serial_port = port or ""
        self._shim = self._api.BoardShim(board.id, parameters)
        self._open = self._restart = self._closed = False
        self._counter = PackageCounter()
        self._ready: deque[Chunk] = deque()
        self._next = 0  # index of the next sample
        self._silent_since = clock()
        self._sample_at: float | None = None
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
        self._call(self._begin, OPEN_S, "does not begin")
        self._open, self._silent_since = True, self._clock()
        self._counter.reset()
        self.opened += 1

    def read(self) -> Chunk | None:
        """Return the next samples; None once closed.

        Raises:
            SourceError: the board does not answer, or has said nothing for SILENT_S.
        """
        while not self._ready and not self._closed:
            if not self._open:
                self.open()
            if self._take():
                continue
            if self._clock() - self._silent_since > SILENT_S:
                self._release()
                self._restart = True
                raise SourceError(
                    f"{self.board.name} has sent nothing for {SILENT_S:g} s: is it on and connected?"
                )
            self._sleep(POLL_S)
        return self._ready.popleft() if self._ready and not self._closed else None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._release()

    def _take(self) -> bool:
        try:
            data = self._shim.get_board_data()  # (rows, n); never waits
        except self._api.BrainFlowError as error:
            if self._closed:
                return False
            self._release()
            self._restart = True
            raise SourceError(self._told(error)) from None
        if not data.shape[1]:
            return False
        now = self._clock()
        if self._restart and self._sample_at is not None:  # nobody counted while it was away
            self._next += round((now - self._sample_at) * self.sampling_rate)
        index = self._numbered(data, self._most_lost(now))
        self._silent_since = self._sample_at = now
        samples = np.ascontiguousarray(data[list(self.board.rows)].T * self._scale, np.float32)
        self._ready.extend(pieces(index, samples, self._restart))
        self._restart = False
        return True

    def _most_lost(self, now: float) -> float:
        """Return how many samples can have been taken since the last ones came."""
        if self._sample_at is None:
            return math.inf
        return (now - self._sample_at + CLOCK_SLACK_S) * FASTER * self.sampling_rate

    def _numbered(self, data: npt.NDArray[np.float64], most_lost: float) -> npt.NDArray[np.int64]:
        count = data.shape[1]
        lost = np.zeros(count, np.int64)
        if self.board.counter_row is not None:
            numbers = data[self.board.counter_row].tolist()
            lost += np.asarray(self._counter.lost_before(numbers, most_lost), np.int64)
        index = self._next + np.arange(count, dtype=np.int64) + np.cumsum(lost)
        self._next = int(index[-1]) + 1
        return index

    def _begin(self) -> None:
        self._shim.prepare_session()
        self._shim.start_stream(max(round(KEPT_S * self.sampling_rate), 1000))

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

        def told() -> None:
            try:
                job()
            except self._api.BrainFlowError as error:
                errors.append(error)

        if not self._aside(told, timeout_s):
            raise SourceError(f"{self.board.name} {trouble} within {timeout_s:g} s")
        if errors:
            raise SourceError(self._told(errors[0]))

    def _told(self, error: Any) -> str:
        reason = str(error).partition(":")[0]
        cure = CURES.get(error.exit_code)
        return (
            f"{self.board.name}: {cure} ({reason})" if cure else f"{self.board.name}: BrainFlow says {reason}"
        )
