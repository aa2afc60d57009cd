"""One acquisition per source and process, however many readers: source -> filter -> ring buffer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from app.emg.signal.rate_estimator import RateEstimator
from app.emg.signal.ring import Gaps
from app.emg.signal.signal_path import SignalPath
from app.emg.source import Chunk, Source, SourceState, trouble_with
from app.errors import SourceError

log = logging.getLogger(__name__)

STALL_S = 0.25  # no samples for so long, and a decision would hang on old ones
RETRY_S = 0.5  # between two tries to read a source that failed


Tap = Callable[[Chunk, float], None]


class Acquisition:
    """Reads a source on its own thread and keeps the filtered signal of the last seconds.

    Its state is about windows of `length` samples of the ring: a source that delivers, but loses so much that there
    is no usable window for STALL_S, is stalled.
    """

    def __init__(
        self,
        source: Source,
        path: SignalPath,
        clock: Callable[[], float] = time.perf_counter,
        *,
        length: int = 1,
    ) -> None:
        self.source, self.path, self.ring = source, path, path.ring
        self._clock, self.length = clock, length
        self.taps: list[Tap] = []  # told every raw chunk and when it arrived; must neither wait nor raise
        self.on_end: Callable[[], None] = lambda: None  # called once, when nothing will come any more
        self._rate = RateEstimator(source.sampling_rate)
        self._speed: float | None = getattr(
            source, "speed", 1.0
        )  # a recording's; None: no rate to hold it to
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"acquisition {source.name}", daemon=True)
        self._error: str | None = None
        self._ended = False
        self._last_at: float | None = None
        self._next: int | None = None  # index after the newest sample of the source
        self._gaps = Gaps()
        # the sample up to which there was a usable window; at the beginning, up to which there can be none
        self._usable_to = 0

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop reading, wake every reader, give the source back."""
        self._stop.set()
        self.source.close()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout=2.0)
        self.ring.close()

    @property
    def rate(self) -> float:
        """Return how many samples a second the ring takes, in Hz: the source's, or those behind its montage."""
        return self.path.sampling_rate or self.source.sampling_rate

    @property
    def samples(self) -> int:
        """Return the source's index after its newest sample; 0 before the first."""
        return self._next or 0

    @property
    def state(self) -> str:
        if self._ended:
            return "ended"
        if self._error is not None:
            return "disconnected"
        if self._last_at is None:
            return "starting"
        silent_s = self._clock() - self._last_at
        # counted in samples: a process that is late has not lost any
        spoilt_s = (self.ring.newest - self._usable_to) / self.rate
        return "stalled" if max(silent_s, spoilt_s) > STALL_S else "running"

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
        finally:
            self._ended = True
            self.ring.close()
            self.on_end()

    def _read_once(self) -> None:
        chunk = self.source.read()
        if chunk is None:
            self._stop.set()
            return
        arrived = self._clock() if chunk.acquired_at is None else chunk.acquired_at
        if self._last_at is not None and arrived - self._last_at > STALL_S:
            self._rate.reset()
            if not getattr(self.source, "numbered", True):
                # the index decides what is contiguous, not the clock; here nobody counted what the silence took
                chunk = replace(chunk, restart=True)
        self.path.process(chunk, arrived)
        self._count(chunk)
        if not self._usable_to and self.ring.newest:
            self._usable_to = self.ring.oldest + self.length
        if self.ring.usable(self.ring.newest, self.length):
            self._usable_to = self.ring.newest
        if self._error is not None:
            log.warning("%s delivers again", self.source.name)
        self._error, self._last_at = None, arrived
        if self._speed is not None:
            self._rate.update(self.samples, arrived * self._speed)
        for tap in self.taps.copy():  # one may be taken away meanwhile
            tap(chunk, arrived)

    def _count(self, chunk: Chunk) -> None:
        lost = 0 if self._next is None else chunk.index - self._next
        if lost > 0:
            self._gaps = Gaps(self._gaps.number + 1, self._gaps.lost_samples + lost)
        self._next = chunk.index + len(chunk.samples)

    def _failed(self, error: Exception) -> None:
        """Wait for the next try. Logged once, not twice a second."""
        if self._stop.is_set():  # it was closed under the read
            return
        if self._error is None:
            if isinstance(error, SourceError):
                log.warning("%s: %s", self.source.name, error)
            else:
                log.error("%s cannot be read", self.source.name, exc_info=error)
        self._error = trouble_with(error)
        self._stop.wait(RETRY_S)
