"""From the frames of a group to gestures that begin, are held and end."""

from __future__ import annotations

import time
from collections.abc import Sequence

from app.emg.signal.montage import ONE_TO_ONE
from app.emg.signal.onset import LOOK_BACK_S, onset_in
from app.emg.signal.signal_path import SignalPath
from app.inference.gestures.events import GestureEvent, Reason
from app.inference.gestures.machine import GestureMachine
from app.inference.manifest import Manifest
from app.serving.streams.events import StreamOptions
from app.serving.streams.gestures.score import GestureScore
from app.serving.streams.window_classifier import WindowResult


class GestureTeller:
    """The gestures of one group of readers; used by one thread."""

    def __init__(self, options: StreamOptions, manifest: Manifest, path: SignalPath) -> None:
        rules, self._rate = options.rules_with(manifest), manifest.sampling_rate
        ratio = ONE_TO_ONE if path.montage is None else path.montage.ratio
        self._each = ratio.down / ratio.up  # samples of the source for one that the model reads
        self._machine = GestureMachine(
            manifest.classes, manifest.rest_class, self._rate * self._each, rules.rules, rules.overrides
        )
        self._path, self._length = path, manifest.length
        self.score = GestureScore(manifest.classes, manifest.rest_class, self._rate * self._each)

    def frame(self, end: int, seen: WindowResult, timestamp: float) -> tuple[GestureEvent, ...]:
        """Return what begins, goes on or ends with the window that ends before sample `end` of the ring."""
        now = self._path.to_source(end)

        def began(shown: int) -> int:
            return self._began(end - round((now - shown) / self._each), shown)

        events = self._machine.frame(
            now,
            seen.probabilities,
            strengths=seen.strengths,
            timestamp=timestamp,
            unknown=seen.unknown,
            began=began,
        )
        self.score.frame(now, seen.truth, events)
        return tuple(events)

    def end(self, reason: Reason) -> Sequence[GestureEvent]:
        """Return the release of what is held, nothing at rest."""
        self.score.broken()
        return self._machine.end(reason, self._path.to_source(self._path.ring.newest), time.time())

    def _began(self, shown: int, source_shown: int) -> int:
        """Return the source's sample at which the muscle began that the window before sample `shown` shows first."""
        least = min(self._length, 8)
        signal = self._path.ring.recent(shown, least, self._length + round(LOOK_BACK_S * self._rate))
        if signal is None:
            return source_shown
        earlier = len(signal) - onset_in(signal, self._rate)
        return source_shown - round(earlier * self._each)
