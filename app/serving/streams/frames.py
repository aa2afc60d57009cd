"""From a window's place in the signal to a frame: judgement, decision, age."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from app.emg.signal.decimation import min_max
from app.emg.signal.ring import Ring
from app.inference.decision import Decider
from app.inference.manifest import Manifest
from app.serving.counters.stream_stats import StreamStats
from app.serving.streams.events import Frame, SourceChange, StreamOptions
from app.serving.streams.window_classifier import WindowClassifier

SIGNAL_POINTS = 64  # per channel and frame: 1,920 a second at 30 fps, more than a screen has columns

MAX_DEAD = 0.25  # share of dead channels that a model is trusted with; training drops one of them at most
DEAD_PROBLEMS = (
    "dead",
    "flat",
    "railed",
)  # hum is filtered out, and a weak or strong channel still says something


def too_many_dead(quality: Mapping[str, Sequence[int]], channels: int) -> bool:
    """Whether so many channels carry no signal that no prediction can be trusted."""
    dead = {channel for problem in DEAD_PROBLEMS for channel in quality.get(problem, ())}
    return len(dead) > MAX_DEAD * channels


class FrameMaker:
    """Makes the frames of one group of readers. Holds the decision's state; used by one thread."""

    def __init__(
        self,
        options: StreamOptions,
        *,
        classifier: WindowClassifier,
        manifest: Manifest,
        ring: Ring,
        problems: Callable[[], Mapping[str, Sequence[int]]],
        stats: StreamStats,
        cpu_percent: Callable[[], float],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._options, self._ring, self._stats = options, ring, stats
        self._classifier = classifier
        self._problems = problems  # of the channels, over the last second: QualityMonitor
        self._manifest, self._classes = manifest, manifest.classes
        self._rest = manifest.classes.index(manifest.rest_class)
        self._decider = Decider(options.votes, options.min_confidence, self._rest)
        self._cpu_percent, self._clock = cpu_percent, clock
        self._segment = ring.segment_start

    def frame(self, end: int) -> Frame | None:
        """Return the frame of the window that ends before sample `end`; None where none is usable.

        Raises:
            MyostreamError: the engine refused.
        """
        options = self._options
        seen = self._classifier.classify(end, options.backend, options.preprocess)
        if seen is None:
            return None
        if seen.segment != self._segment:  # votes from before a break would be votes on another signal
            self._segment = seen.segment
            self._decider.reset()
        quality = {**self._problems(), **({"dead": seen.dead} if seen.dead else {})}
        if too_many_dead(quality, self._manifest.channels):
            decision = self._decider.reset()  # rest when in doubt
        else:
            decision = self._decider.update(seen.prediction, seen.confidence)
        age_ms = (self._clock() - seen.acquired_at) * 1e3 if seen.acquired_at is not None else 0.0
        self._stats.frame_made(wait_ms=seen.wait_ms, infer_ms=seen.latency_ms, age_ms=age_ms)
        return Frame(
            timestamp=time.time(),
            window=seen,
            label=self._classes[seen.prediction],
            decision=decision,
            decision_label=self._classes[decision],
            cpu_percent=self._cpu_percent(),
            sample_index=end,
            age_ms=age_ms,
            quality=quality or None,
            signal=self._signal(end) if options.include_signal else None,
        )

    def source_change(self, status: str, source_state: str) -> SourceChange:
        """Return the event of a source that stalled or recovered: rest, and no vote from before counts."""
        rest = self._decider.reset() if status == "stalled" else self._rest
        return SourceChange(
            status=status,
            timestamp=time.time(),
            decision=rest,
            decision_label=self._classes[rest],
            source_state=source_state,
        )

    def _signal(self, end: int) -> list[list[float]] | None:
        """Return the filtered samples since the frame before, (channels, points); decimated to SIGNAL_POINTS."""
        hop = self._ring.window(end, max(1, round(self._manifest.sampling_rate / self._options.fps)))
        if hop is None:
            return None
        rows: list[list[float]] = np.round(min_max(hop, SIGNAL_POINTS).T, 3).tolist()
        return rows
