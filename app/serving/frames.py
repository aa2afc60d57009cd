"""From a window's place in the signal to a frame: window, engine, decision, intensity, truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from app.emg.decimation import min_max
from app.emg.quality import dead_channels
from app.emg.ring import Ring
from app.emg.source import UNLABELLED
from app.inference.manifest import Manifest
from app.serving.decision import Decider, intensity
from app.serving.engine import Engine
from app.serving.events import Frame, SourceChange, StreamOptions
from app.serving.stats import StreamStats

SIGNAL_POINTS = 64  # per channel and frame: 1,920 a second at 30 fps, more than a screen has columns

MAX_DEAD = 0.25  # share of dead channels that a model is trusted with; training drops one of them at most


class FrameMaker:
    """Makes the frames of one group of readers. Holds the decision's state; used by one thread."""

    def __init__(
        self,
        options: StreamOptions,
        *,
        engine: Engine,
        manifest: Manifest,
        ring: Ring,
        gesture_names: Sequence[str],
        stats: StreamStats,
        cpu_percent: Callable[[], float],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._options, self._engine, self._ring, self._stats = options, engine, ring, stats
        self._manifest, self._classes = manifest, manifest.classes
        self._rest = manifest.classes.index(manifest.rest_class)
        self._decider = Decider(options.votes, options.min_confidence, self._rest)
        self._gesture_names, self._cpu_percent, self._clock = gesture_names, cpu_percent, clock
        self._segment = ring.segment_start

    def frame(self, end: int) -> Frame | None:
        """The frame of the window that ends before sample `end`; None where there is no whole window.

        Raises:
            MyostreamError: the engine refused.
        """
        window = self._ring.window(end, self._manifest.length)
        if window is None:
            return None
        if (
            self._ring.segment_start != self._segment
        ):  # votes from before a break would be votes on another signal
            self._segment = self._ring.segment_start
            self._decider.reset()
        options = self._options
        answer = self._engine.infer(
            window[np.newaxis], preprocess=options.preprocess, backend=options.backend
        )
        prediction, confidence, probabilities = answer.prediction.first()
        missing = self._ring.missing(end, self._manifest.length)
        dead = dead_channels(window, self._manifest.rest_rms)
        if missing or len(dead) > MAX_DEAD * self._manifest.channels:
            decision = self._decider.reset()  # rest when in doubt
        else:
            decision = self._decider.update(prediction, confidence)
        acquired_at = self._ring.acquired_at(end - 1)
        age_ms = (self._clock() - acquired_at) * 1e3 if acquired_at is not None else 0.0
        self._stats.frame_made(wait_ms=answer.wait_ms, infer_ms=answer.latency_ms, age_ms=age_ms)
        return Frame(
            timestamp=time.time(),
            latency_ms=answer.latency_ms,
            prediction=prediction,
            label=self._classes[prediction],
            confidence=confidence,
            probabilities=probabilities,
            decision=decision,
            decision_label=self._classes[decision],
            intensity=intensity(window, self._manifest.rest_rms, self._manifest.active_rms),
            backend=answer.backend,
            cpu_percent=self._cpu_percent(),
            sample_index=end,
            age_ms=age_ms,
            truth=self._truth(end),
            missing_samples=missing,
            quality={"dead": dead} if dead else None,
            shape=(1, *window.shape),
            signal=self._signal(end) if options.include_signal else None,
        )

    def source_change(self, status: str, source_state: str) -> SourceChange:
        """The source stalled or recovered: the votes are void and the decision is rest."""
        rest = self._decider.reset()
        return SourceChange(
            status=status,
            timestamp=time.time(),
            decision=rest,
            decision_label=self._classes[rest],
            source_state=source_state,
        )

    def _signal(self, end: int) -> list[list[float]] | None:
        """The filtered samples since the frame before, (channels, points); decimated to SIGNAL_POINTS."""
        hop = self._ring.window(end, max(1, round(self._manifest.sampling_rate / self._options.fps)))
        if hop is None:
            return None
        rows: list[list[float]] = np.round(min_max(hop, SIGNAL_POINTS).T, 3).tolist()
        return rows

    def _truth(self, end: int) -> str | None:
        label = self._ring.label_at(end - 1)
        if label is None or label == UNLABELLED or not 0 <= label < len(self._gesture_names):
            return None
        return self._gesture_names[label]
