"""Frames of a model of values: what it says, and what should be acted upon."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from app.inference.artefact import Artefact
from app.inference.control import Controller
from app.inference.gestures.events import GestureEvent, Reason
from app.inference.manifest import Manifest
from app.serving.streams.events import SourceChange, StreamOptions, ValueFrame
from app.serving.streams.frame_context import FrameContext
from app.serving.streams.frame_parts import hop_rows, quality_now, too_many_dead
from app.serving.streams.value_reader import ValueReader, ValueWindow


class ValueFrameMaker:
    """Makes the frames of one group of readers. Holds the state of what is made smooth; used by one thread.

    What should be acted upon begins at neutral, and falls back to it with the first frame that cannot be trusted, and
    where the signal broke off.
    """

    def __init__(
        self,
        options: StreamOptions,
        context: FrameContext,
        reader: ValueReader,
        manifest: Manifest,
        model: Artefact | None = None,
    ) -> None:
        self._options, self._context, self._reader = options, context, reader
        self._model, self._manifest = model, manifest
        self._control = Controller(manifest.control_rule, manifest.outputs.values)
        self._segment, self._end = context.path.ring.segment_start, -1  # of the last frame
        self._rest = {value.name: value.neutral for value in manifest.outputs.values}

    @property
    def quick(self) -> bool:
        """Whether the model is asked in place, so that nobody waits for long."""
        return self._reader.quick(self._options.backend)

    def frame(self, end: int) -> ValueFrame | None:
        """Return the frame of the window that ends before sample `end`; None where none is usable.

        Raises:
            NoNumberError: the model says no number.
            MyostreamError: the engine refused.
        """
        options, context, path = self._options, self._context, self._context.path
        seen = self._reader.read(end, options.backend, options.preprocess)
        if seen is None:
            return None
        facts = seen.facts
        quality = quality_now(context.problems(), facts.dead, path.montage)
        values = dict(zip(self._manifest.columns, seen.values, strict=True))
        trusted = not too_many_dead(quality, self._manifest.channels)
        age_ms = context.age_ms(facts.acquired_at)
        context.stats.frame_made(wait_ms=seen.wait_ms, infer_ms=seen.latency_ms, age_ms=age_ms)
        rate = self._manifest.sampling_rate
        return ValueFrame(
            timestamp=time.time(),
            window=seen,
            values=values,
            output=self._output(seen, end, trusted),
            cpu_percent=context.cpu_percent(),
            sample_index=path.to_source(end),
            age_ms=age_ms,
            quality=quality or None,
            signal=hop_rows(path, end, rate, options.fps) if options.include_signal else None,
            aux=context.take_aux(),
            model=self._model,
        )

    def let_go(self, _reason: Reason) -> Sequence[GestureEvent]:
        """Fall back to neutral; return nothing, as there are no gestures without a model of classes."""
        self._forget()
        return ()

    def _output(self, seen: ValueWindow, end: int, trusted: bool) -> Mapping[str, float]:
        """Return what should be acted upon: rest when in doubt."""
        if seen.segment != self._segment or not trusted:
            self._segment = seen.segment
            self._forget()  # what came before was another signal
        if not trusted:
            return self._rest
        rate, fps = self._manifest.sampling_rate, self._options.fps
        step_s = 1 / fps if self._end < 0 else (end - self._end) / rate
        self._end = end
        told = self._control.update(seen.values, step_s)
        return dict(zip(self._manifest.columns, told, strict=True))

    def _forget(self) -> None:
        self._control.reset()
        self._end = -1

    def source_change(self, status: str, source_state: str) -> SourceChange:
        """Return the event of a source that stalled or recovered: what should be acted upon is rest."""
        self._forget()
        return SourceChange(
            status=status, timestamp=time.time(), output=self._rest, source_state=source_state
        )
