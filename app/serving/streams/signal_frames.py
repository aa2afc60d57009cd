"""Frames of a source that no model reads: its signal, its quality and what came beside it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from app.emg.source import UNLABELLED
from app.inference.gestures.events import GestureEvent, Reason
from app.serving.streams.events import SignalFrame, SourceChange, StreamOptions
from app.serving.streams.frame_context import FrameContext
from app.serving.streams.hop_signal import signal_rows


class SignalFrameMaker:
    """Makes the frames of one group of readers; used by one thread. A window is a frame's hop."""

    quick = True

    def __init__(
        self, options: StreamOptions, context: FrameContext, rate: float, gesture_names: Sequence[str]
    ) -> None:
        self._options, self._context, self._ring = options, context, context.path.ring
        self._hop, self._names = max(1, round(rate / options.fps)), gesture_names

    def frame(self, end: int) -> SignalFrame | None:
        """Return the frame of the hop that ends before sample `end`; None where none is usable."""
        hop = self._ring.window(end, self._hop) if self._ring.usable(end, self._hop) else None
        if hop is None:
            return None
        context = self._context
        age_ms = context.age_ms(self._ring.acquired_at(end - 1))
        context.stats.frame_made(age_ms=age_ms)
        return SignalFrame(
            timestamp=time.time(),
            cpu_percent=context.cpu_percent(),
            sample_index=context.path.to_source(end),
            age_ms=age_ms,
            truth=self._truth(end),
            missing=self._ring.missing(end, self._hop),
            quality=context.problems() or None,
            signal=signal_rows(hop) if self._options.include_signal else None,
            aux=context.take_aux(),
        )

    def let_go(self, _reason: Reason) -> Sequence[GestureEvent]:
        """Return nothing: there are no gestures without a model of classes."""
        return ()

    def source_change(self, status: str, source_state: str) -> SourceChange:
        """Return the event of a source that stalled or recovered."""
        return SourceChange(status=status, timestamp=time.time(), source_state=source_state)

    def _truth(self, end: int) -> str | None:
        label = self._ring.label_at(end - 1)
        known = label is not None and label != UNLABELLED and 0 <= label < len(self._names)
        return self._names[label] if known and label is not None else None
