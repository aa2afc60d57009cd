"""From a window's place in the signal to a frame: judgement, decision, age."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from app.inference.artefact import Artefact
from app.inference.decision import Decider
from app.inference.gestures.events import GestureEvent, Reason
from app.inference.manifest import Manifest
from app.serving.streams.due_windows import Due
from app.serving.streams.events import Frame, SourceChange, StreamOptions
from app.serving.streams.frame_context import FrameContext
from app.serving.streams.frame_parts import hop_rows, quality_now, too_many_dead
from app.serving.streams.gestures.teller import GestureTeller
from app.serving.streams.window_classifier import WindowClassifier


class FrameMaker:
    """Makes the frames of one group of readers. Holds the decision's state; used by one thread."""

    def __init__(
        self,
        options: StreamOptions,
        context: FrameContext,
        classifier: WindowClassifier,
        manifest: Manifest,
        model: Artefact | None = None,
    ) -> None:
        self._options, self._context, self._classifier = options, context, classifier
        self._model, self._manifest, self._classes = model, manifest, manifest.classes
        self._rest = manifest.classes.index(manifest.rest_class)
        self._decider = Decider(options.rule_with(manifest), self._rest)
        self._segment = context.path.ring.segment_start
        self._gestures = GestureTeller(options, manifest, context.path) if options.events else None

    def due(self, end: int) -> Due | None:
        """Return that window, where its prediction is not known yet, for those who have it predicted with others."""
        window = self._classifier.ask(end, self._options.backend, self._options.preprocess)
        return None if window is None else Due(self._classifier, window)

    @property
    def quick(self) -> bool:
        """Whether the model is asked in place, so that nobody waits for long."""
        return self._classifier.quick(self._options.backend)

    def frame(self, end: int) -> Frame | None:
        """Return the frame of the window that ends before sample `end`; None where none is usable.

        Raises:
            MyostreamError: the engine refused.
        """
        options, context, path = self._options, self._context, self._context.path
        seen = self._classifier.classify(end, options.backend, options.preprocess)
        if seen is None:
            return None
        gestures: tuple[GestureEvent, ...] = ()
        if seen.segment != self._segment:  # votes from before a break would be votes on another signal
            self._segment = seen.segment
            self._decider.reset()
            gestures = (*self.let_go("gap"),)
        quality = quality_now(context.problems(), seen.dead, path.montage)
        timestamp = time.time()
        if too_many_dead(quality, self._manifest.channels):
            decision = self._decider.reset()  # rest when in doubt
            gestures += (*self.let_go("quality"),)
        else:
            if self._gestures is not None:
                gestures += self._gestures.frame(end, seen, timestamp)
            decision = self._decider.update(
                seen.prediction, seen.confidence, seen.probabilities, seen.unknown
            )
        age_ms = context.age_ms(seen.acquired_at)
        context.stats.frame_made(wait_ms=seen.wait_ms, infer_ms=seen.latency_ms, age_ms=age_ms)
        rate = self._manifest.sampling_rate
        return Frame(
            timestamp=timestamp,
            window=seen,
            label=self._classes[seen.prediction],
            decision=decision,
            decision_label=self._classes[decision],
            strength=seen.strengths[decision],
            cpu_percent=context.cpu_percent(),
            sample_index=path.to_source(end),
            age_ms=age_ms,
            quality=quality or None,
            signal=hop_rows(path, end, rate, options.fps) if options.include_signal else None,
            aux=context.take_aux(),
            model=self._model,
            gestures=gestures,
        )

    def let_go(self, reason: Reason) -> Sequence[GestureEvent]:
        """Return the release of the gesture that is held; nothing at rest, or where nobody asked for events."""
        return () if self._gestures is None else self._gestures.end(reason)

    @property
    def gesture_figures(self) -> dict[str, Any] | None:
        """Return what the gestures told are worth; None where none are told, or nobody says what was made."""
        return None if self._gestures is None else self._gestures.score.figures

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
