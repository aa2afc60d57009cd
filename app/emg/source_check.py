"""A look at a source for some seconds: does it deliver what it should, and when?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from app.emg.quality.monitor import Quality, QualityMonitor
from app.emg.signal.rate_estimator import RateEstimator
from app.emg.source import Source
from app.errors import SourceError

EDGES_MS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 250.0)  # a source stalls at 250 ms
RETRY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """What was seen. `intervals` counts the times between two chunks by EDGES_MS, the last bin open above."""

    seconds: float
    samples: int
    chunks: int
    rate_hz: float | None  # None: not long enough to tell
    rate_ok: bool
    gaps: int
    lost_samples: int
    restarts: int  # after the first chunk; of a recording, which has pieces, none is counted
    errors: tuple[str, ...]
    intervals: tuple[int, ...]
    median_ms: float | None  # between two chunks
    p99_ms: float | None
    max_ms: float | None
    quality: Quality

    @property
    def histogram(self) -> list[tuple[float, float | None, int]]:
        """(from ms, to ms, number) of the times between two chunks; the last has no end."""
        return list(zip(EDGES_MS, [*EDGES_MS[1:], None], self.intervals, strict=True))

    @property
    def ok(self) -> bool:
        """Nothing lost, at the right rate, on good electrodes."""
        whole = self.samples > 0 and not (self.gaps or self.restarts or self.errors)
        return whole and self.rate_ok and self.quality.ok


@dataclass(slots=True)
class SourceCheck:
    """Reads a source and keeps count. `clock` is monotonic, in s."""

    source: Source
    monitor: QualityMonitor
    clock: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep
    progress: Callable[[float], object] = lambda _: None  # told how many seconds have passed since last time
    _rate: RateEstimator = field(init=False)
    _speed: float | None = field(init=False)
    _arrivals: list[float] = field(init=False, default_factory=list)
    _next: int | None = field(init=False, default=None)  # index
    _samples: int = field(init=False, default=0)
    _gaps: int = field(init=False, default=0)
    _lost: int = field(init=False, default=0)
    _restarts: int = field(init=False, default=0)
    _errors: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._speed = getattr(self.source, "speed", 1.0)  # a recording's; None: as fast as can be
        self._rate = RateEstimator(self.source.sampling_rate * (self._speed or 1.0))

    def run(self, seconds: float) -> SourceReport:
        """Read for so long after the first chunk, or until the source ends.

        Raises:
            SourceError: it cannot be read at all. What fails later is in the report.
        """
        if not self._read():
            return self._report(0.0)
        began = last = self.clock()
        while (now := self.clock()) - began < seconds:
            self.progress(now - last)
            last = now
            try:
                if not self._read():
                    break
            except SourceError as error:
                if str(error) not in self._errors:
                    self._errors.append(str(error))
                self.sleep(RETRY_S)
        return self._report(self.clock() - began)

    def _read(self) -> bool:
        chunk = self.source.read()
        if chunk is None:
            return False
        at = self.clock()
        if self._next is not None:
            self._restarts += chunk.restart and not hasattr(self.source, "speed")
            self._gaps += chunk.index > self._next
            self._lost += max(0, chunk.index - self._next)
        self._next = chunk.index + len(chunk.samples)
        self._samples += len(chunk.samples)
        self._arrivals.append(at)
        self._rate.update(self._next, at)
        self.monitor.process(chunk)
        return True

    def _report(self, seconds: float) -> SourceReport:
        between = np.diff(self._arrivals) * 1e3
        known = len(between) > 0
        return SourceReport(
            seconds=seconds,
            samples=self._samples,
            chunks=len(self._arrivals),
            rate_hz=self._rate.rate_hz,
            rate_ok=self._speed is None or not self._rate.off_nominal,
            gaps=self._gaps,
            lost_samples=self._lost,
            restarts=self._restarts,
            errors=tuple(self._errors),
            intervals=tuple(np.histogram(between, [*EDGES_MS, np.inf])[0].tolist()),
            median_ms=float(np.median(between)) if known else None,
            p99_ms=float(np.percentile(between, 99)) if known else None,
            max_ms=float(between.max()) if known else None,
            quality=self.monitor.look(),
        )
