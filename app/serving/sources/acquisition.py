"""One acquisition per source and process, however many readers: source -> filter -> ring buffer.

Models that want other filters, channels or rates have a path of their own behind it; the samples are read once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from app.emg.pushed_source import PushSource
from app.emg.signal.rate_estimator import RateEstimator
from app.emg.signal.ring import Gaps, Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.source import Chunk, Source, SourceState, trouble_with
from app.errors import SourceError
from app.serving.process.work_loop import WorkLoop
from app.serving.sources.pushed_reading import PushedReading
from app.serving.sources.signal_feed import STALL_S, SignalFeed

log = logging.getLogger(__name__)

RETRY_S = 0.5  # between two tries to read a source that failed
CLOSING_S = 2.0  # for a read that is under way when a source is closed


Tap = Callable[[Chunk, float], None]


class Acquisition:
    """Reads a source on its own thread and keeps the filtered signal of the last seconds.

    `main` is the feed of those who name no model; the acquisition's own state, ring and rate are its.
    """

    def __init__(
        self,
        source: Source,
        path: SignalPath,
        clock: Callable[[], float] = time.perf_counter,
        *,
        length: int = 1,
        loop: WorkLoop | None = None,
    ) -> None:
        """With a `loop`, a source that is pushed to is read on that, and has no thread."""
        self.source, self._clock = source, clock
        self.main = self.feed(path, length)
        self.fill()
        # told every raw chunk and when it arrived; must neither wait nor raise
        self.taps: list[Tap] = []  # of those who want the chunks
        self.kept_up: list[Tap] = []  # of what is worked out of them at any rate; these are told first
        self.on_end: Callable[[], None] = lambda: None  # called once, when nothing will come any more
        self._rate = RateEstimator(source.sampling_rate)
        self._speed: float | None = getattr(
            source, "speed", 1.0
        )  # a recording's; None: no rate to hold it to
        self._hurries = hasattr(source, "hurried")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"acquisition {source.name}", daemon=True)
        self._pushed = (
            PushedReading(source, self._try_chunk, self._end, loop)
            if loop is not None and isinstance(source, PushSource)
            else None
        )
        self._error: str | None = None
        self._ended = False
        self._last_at: float | None = None
        self._next: int | None = None  # index after the newest sample of the source
        self._gaps = Gaps()

    @property
    def path(self) -> SignalPath:
        return self.main.path

    @property
    def ring(self) -> Ring:
        return self.main.ring

    @property
    def length(self) -> int:
        """Return how many samples of the ring make a window."""
        return self.main.length

    @property
    def feeds(self) -> tuple[SignalFeed, ...]:
        """Return all that are filled."""
        return self._feeds

    def feed(self, path: SignalPath, length: int) -> SignalFeed:
        """Return a feed of windows of that length, not yet filled; see `fill`."""
        phase_s = getattr(self.source, "phase_s", 0.0)
        return SignalFeed(path, length, lambda: self.silence, self.source.sampling_rate, phase_s)

    def fill(self, *feeds: SignalFeed) -> None:
        """Fill these from now on, beside `main`, and no others. Those of one path are filled together."""
        # replaced as a whole: the thread goes through them
        self._feeds: tuple[SignalFeed, ...] = (self.main, *(one for one in feeds if one is not self.main))
        self._paths = tuple({id(feed.path): feed.path for feed in self._feeds}.values())

    def start(self) -> None:
        (self._thread if self._pushed is None else self._pushed).start()

    def close(self) -> None:
        """Stop reading, wake every reader, give the source back."""
        self._stop.set()
        self.source.close()
        if self._pushed is not None:
            self._pushed.close(CLOSING_S)
        elif self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(CLOSING_S)
        self._close_rings()

    @property
    def rate(self) -> float:
        """Return how many samples a second the ring takes, in Hz: the source's, or those behind its montage."""
        return self.main.rate

    @property
    def samples(self) -> int:
        """Return the source's index after its newest sample; 0 before the first."""
        return self._next or 0

    @property
    def awaited(self) -> bool:
        """Whether anybody waits for samples, or wants the chunks."""
        return bool(self.taps) or any(feed.ring.awaited for feed in self._feeds)

    @property
    def state(self) -> str:
        return self.main.state

    @property
    def silence(self) -> str:
        """Return the state of the source itself, whatever its windows are worth."""
        if self._ended:
            return "ended"
        if self._error is not None:
            return "disconnected"
        if self._last_at is None:
            return "starting"
        return "stalled" if self._clock() - self._last_at > STALL_S else "running"

    def look(self) -> SourceState:
        age = None if self._last_at is None else (self._clock() - self._last_at) * 1e3
        gaps = self._gaps
        return SourceState(
            name=self.source.name,
            state=self.state,
            last_sample_age_ms=age,
            samples=self.samples,
            gaps=gaps.number,
            lost_samples=gaps.lost_samples,
            error=self._error,
            measured_rate_hz=self._rate.rate_hz,
            rate_ok=not self._rate.off_nominal,
        )

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._read_once()
                except Exception as error:  # of a driver, anything; what failed once may deliver again
                    self._failed(error)
                    self._stop.wait(RETRY_S)
        finally:
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._close_rings()
        self.on_end()

    def _read_once(self) -> None:
        if self._hurries:
            self.source.hurried = self.awaited  # type: ignore[attr-defined]  # it has it: see Source
        chunk = self.source.read()
        if chunk is None:
            self._stop.set()
            return
        self._take_in(chunk)

    def _try_chunk(self, chunk: Chunk) -> None:
        """Take in what was pushed; the next may be better where that fails."""
        try:
            self._take_in(chunk)
        except Exception as error:
            self._failed(error)

    def _take_in(self, chunk: Chunk) -> None:
        arrived = self._clock() if chunk.acquired_at is None else chunk.acquired_at
        if self._last_at is not None and arrived - self._last_at > STALL_S:
            self._rate.reset()
            if not getattr(self.source, "numbered", True):
                # the index decides what is contiguous, not the clock; here nobody counted what the silence took
                chunk = replace(chunk, restart=True)
        feeds, paths = self._feeds, self._paths
        for path in paths:  # `main` first: it refuses what is wrong
            path.process(chunk, arrived)
        self._count(chunk)
        for feed in feeds:
            feed.look()
        if self._error is not None:
            log.warning("%s delivers again", self.source.name)
        self._error, self._last_at = None, arrived
        if self._speed is not None:
            self._rate.update(self.samples, arrived * self._speed)
        for tap in (*self.kept_up, *self.taps):  # one may be taken away meanwhile
            tap(chunk, arrived)

    def _close_rings(self) -> None:
        for feed in self._feeds:
            feed.ring.close()

    def _count(self, chunk: Chunk) -> None:
        lost = 0 if self._next is None else chunk.index - self._next
        if lost > 0:
            self._gaps = Gaps(self._gaps.number + 1, self._gaps.lost_samples + lost)
        self._next = chunk.index + len(chunk.samples)

    def _failed(self, error: Exception) -> None:
        """Note why. Logged once, not twice a second."""
        if self._stop.is_set():  # it was closed under the read
            return
        if self._error is None:
            if isinstance(error, SourceError):
                log.warning("%s: %s", self.source.name, error)
            else:
                log.error("%s cannot be read", self.source.name, exc_info=error)
        self._error = trouble_with(error)
