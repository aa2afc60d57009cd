"""What is known of one window, worked out once for all the groups that look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.emg.quality.monitor import dead_channels
from app.emg.signal.ring import Ring
from app.emg.source import UNLABELLED
from app.inference.decision import intensity
from app.inference.manifest import Manifest
from app.serving.engine.engine import Engine

HISTORY = 64  # windows: groups that differ in votes alone come to the same one within a frame


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowResult:
    """One window's prediction and what else depends on its samples alone."""

    prediction: int
    confidence: float
    probabilities: list[float]
    unknown: bool = False  # none of the classes
    backend: str
    latency_ms: float  # of the engine
    wait_ms: float
    intensity: float  # contraction level, 0..1
    missing: int  # samples lost and filled
    dead: list[int]  # channels without a signal
    truth: str | None  # the recording's or simulator's own label of the last sample
    acquired_at: float | None  # monotonic
    segment: int  # where the unbroken signal began


class WindowClassifier:
    """Classifies the windows of one source, each once, however many groups look at it."""

    def __init__(self, engine: Engine, manifest: Manifest, ring: Ring, gesture_names: Sequence[str]) -> None:
        self._engine, self._manifest, self._ring, self._names = engine, manifest, ring, gesture_names
        self._history: dict[tuple[int, str, bool], WindowResult] = {}

    def classify(self, end: int, backend: str, preprocess: bool) -> WindowResult | None:
        """Return what is known of the window that ends before sample `end`; None where none is usable.

        Raises:
            MyostreamError: the engine refused.
        """
        key = (end, backend, preprocess)
        found = self._history.get(key)
        if found is None:
            found = self._classified(end, backend, preprocess)
            if found is not None:
                self._history[key] = found
                while len(self._history) > HISTORY:
                    self._history.pop(next(iter(self._history)), None)
        return found

    def _classified(self, end: int, backend: str, preprocess: bool) -> WindowResult | None:
        manifest, ring = self._manifest, self._ring
        segment = ring.segment_start
        usable = ring.usable(end, manifest.length)
        signal = ring.recent(end, manifest.length, manifest.reads) if usable else None
        if signal is None:
            return None
        answer = self._engine.infer(signal[np.newaxis], preprocess=preprocess, backend=backend)
        window = signal[-manifest.length :]
        prediction, confidence, probabilities = answer.prediction.first()
        return WindowResult(
            prediction=prediction,
            confidence=confidence,
            probabilities=probabilities,
            unknown=bool(answer.prediction.unknown[0]),
            backend=answer.backend,
            latency_ms=answer.latency_ms,
            wait_ms=answer.wait_ms,
            intensity=intensity(window, manifest.rest_rms, manifest.active_rms),
            missing=ring.missing(end, manifest.length),
            dead=dead_channels(window, manifest.rest_rms),
            truth=self._truth(end),
            acquired_at=ring.acquired_at(end - 1),
            segment=segment,
        )

    def _truth(self, end: int) -> str | None:
        label = self._ring.label_at(end - 1)
        if label is None or label == UNLABELLED or not 0 <= label < len(self._names):
            return None
        return self._names[label]
