"""What is known of one window, worked out once for all the groups that look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.emg.quality.monitor import dead_channels
from app.emg.signal.ring import Ring
from app.emg.source import UNLABELLED
from app.inference.decision import channel_powers, intensity_of
from app.inference.manifest import Manifest
from app.inference.strength import StrengthMeter
from app.serving.engine.answer import Answer
from app.serving.engine.engine import Engine
from app.serving.engine.together import Asked
from app.serving.streams.same_question import SameQuestion

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
    strengths: Sequence[float] = ()  # of each class, 0..1; rest has none
    missing: int  # samples lost and filled
    dead: list[int]  # channels without a signal
    truth: str | None  # the recording's or simulator's own label of the last sample
    acquired_at: float | None  # monotonic
    segment: int  # where the unbroken signal began


class Window(NamedTuple):
    """One window as it is asked about: where it ends, and where the unbroken signal begins that it is of."""

    end: int
    segment: int
    asked: Asked


class WindowClassifier:
    """Classifies the windows of one source, each once, however many groups look at it."""

    def __init__(self, engine: Engine, manifest: Manifest, ring: Ring, gesture_names: Sequence[str]) -> None:
        self._engine, self._manifest, self._ring, self._names = engine, manifest, ring, gesture_names
        self._meter = StrengthMeter(manifest.classes, manifest.rest_class, manifest.strength)
        self._history: dict[tuple[int, str, bool], WindowResult] = {}
        self._asking: SameQuestion[WindowResult] = SameQuestion()

    def quick(self, backend: str) -> bool:
        """Whether a window is asked about in place, on whatever thread that is."""
        return self._engine.in_place(backend)

    def classify(self, end: int, backend: str, preprocess: bool) -> WindowResult | None:
        """Return what is known of the window that ends before sample `end`; None where none is usable.

        Raises:
            MyostreamError: the engine refused.
        """
        found = self._history.get((end, backend, preprocess))
        if found is not None:
            return found
        if self._engine.in_place(backend):
            return self._classified(end, backend, preprocess)
        key = (end, backend, preprocess)
        return self._asking.once(key, lambda: self._classified(end, backend, preprocess))

    def _classified(self, end: int, backend: str, preprocess: bool) -> WindowResult | None:
        window = self.ask(end, backend, preprocess)
        if window is None:
            return None
        answer = self._engine.infer(window.asked.windows, preprocess=preprocess, backend=backend)
        return self.keep(window, answer)

    def ask(self, end: int, backend: str, preprocess: bool) -> Window | None:
        """Return the window that the model is to be asked about; None where none is usable, or it is known already."""
        if (end, backend, preprocess) in self._history:
            return None
        manifest, ring = self._manifest, self._ring
        segment = ring.segment_start
        usable = ring.usable(end, manifest.length)
        signal = ring.recent(end, manifest.length, manifest.reads) if usable else None
        if signal is None:
            return None
        return Window(end, segment, Asked(self._engine, signal[np.newaxis], preprocess, backend))

    def keep(self, asked_about: Window, answer: Answer) -> WindowResult:
        """Return what is known of that window with the model's answer; whoever looks at it next finds it."""
        end, segment, asked = asked_about
        manifest, ring = self._manifest, self._ring
        window = asked.windows[0, -manifest.length :]
        prediction, confidence, probabilities = answer.prediction.first()
        powers = channel_powers(window)
        level = intensity_of(powers, manifest.rest_rms, manifest.active_rms)
        found = WindowResult(
            prediction=prediction,
            confidence=confidence,
            probabilities=probabilities,
            unknown=bool(answer.prediction.unknown[0]),
            backend=answer.backend,
            latency_ms=answer.latency_ms,
            wait_ms=answer.wait_ms,
            intensity=level,
            strengths=self._meter.strengths(powers, level),
            missing=ring.missing(end, manifest.length),
            dead=dead_channels(window, manifest.rest_rms),
            truth=self._truth(end),
            acquired_at=ring.acquired_at(end - 1),
            segment=segment,
        )
        self._history[end, asked.backend, asked.preprocess] = found
        while len(self._history) > HISTORY:
            self._history.pop(next(iter(self._history)), None)
        return found

    def _truth(self, end: int) -> str | None:
        label = self._ring.label_at(end - 1)
        if label is None or label == UNLABELLED or not 0 <= label < len(self._names):
            return None
        return self._names[label]
