"""Frames of a source that no model reads: its signal, its quality and what came beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from app.emg.signal.signal_path import SignalPath
from app.emg.source import UNLABELLED
from app.serving.counters.stream_stats import StreamStats
from app.serving.streams.events import SignalFrame, SourceChange, StreamOptions
from app.serving.streams.hop_signal import AuxReader, signal_rows


class SignalFrameMaker:
    """Makes the frames of one group of readers; used by one thread. A window is a frame's hop."""

    def __init__(
        self,
        options: StreamOptions,
        *,
        path: SignalPath,
        rate: float,
        gesture_names: Sequence[str],
        problems: Callable[[], Mapping[str, Sequence[int]]],
        stats: StreamStats,
        cpu_percent: Callable[[], float],
        aux: AuxReader,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._options, self._path, self._ring, self._stats = options, path, path.ring, stats
        self._hop = max(1, round(rate / options.fps))
        self._names, self._problems = gesture_names, problems
        self._cpu_percent, self._clock = cpu_percent, clock
        self._aux = aux if options.include_aux else None

    def frame(self, end: int) -> SignalFrame | None:
        """Return the frame of the hop that ends before sample `end`; None where none is usable."""
        hop = self._ring.window(end, self._hop) if self._ring.usable(end, self._hop) else None
        if hop is None:
            return None
        acquired_at = self._ring.acquired_at(end - 1)
        age_ms = (self._clock() - acquired_at) * 1e3 if acquired_at is not None else 0.0
        self._stats.frame_made(age_ms=age_ms)
        return SignalFrame(
            timestamp=time.time(),
            cpu_percent=self._cpu_percent(),
            sample_index=self._path.to_source(end),
            age_ms=age_ms,
            truth=self._truth(end),
            missing=self._ring.missing(end, self._hop),
            quality=self._problems() or None,
            signal=signal_rows(hop) if self._options.include_signal else None,
            aux=self._aux.take() if self._aux is not None else None,
        )

    def source_change(self, status: str, source_state: str) -> SourceChange:
        """Return the event of a source that stalled or recovered."""
        return SourceChange(status=status, timestamp=time.time(), source_state=source_state)

    def _truth(self, end: int) -> str | None:
        label = self._ring.label_at(end - 1)
        known = label is not None and label != UNLABELLED and 0 <= label < len(self._names)
        return self._names[label] if known and label is not None else None
