"""What the gesture events of a group are worth, where a recording or a simulated person says what was made.

It counts as `model evaluate --events` does (app/learning/events/scoring.py), as the signal comes: a gesture that is cut
off by a break of the signal, or whose beginning was not seen, is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.inference.gestures.events import EARLY_S, GestureEvent

KEPT = 256  # gestures of which it is kept how late they were told


@dataclass(slots=True)
class _Label:
    """What is made just now, since `begun`; None and names that the model lacks are not judged."""

    truth: str | None
    begun: int | None  # sample of the last frame before it; None: it was not seen to begin
    told: bool = False


@dataclass(slots=True)
class _Early:
    """A gesture that began at rest and is held: it is a false activation, unless its label begins soon."""

    event: GestureEvent
    counted: bool = False


class GestureScore:
    """Of one group, since it began or its model did. Written by one thread; `figures` may be read by any."""

    def __init__(self, classes: Sequence[str], rest_class: str, rate: float) -> None:
        """`rate`: samples of the source a second, which events count."""
        self._gestures, self._rest, self._rate = frozenset(classes) - {rest_class}, rest_class, rate
        self._label: _Label | None = None
        self._early: _Early | None = None
        self._at: int | None = None  # the last frame's sample
        self._rest_samples = 0
        self._false = self._made = self._found = self._doubled = self._wrong = 0
        self._late_s: tuple[float, ...] = ()  # from the label to the onset, of the last that were found

    def frame(self, at: int, truth: str | None, events: Iterable[GestureEvent]) -> None:
        """Take a frame whose window ends at that sample, what was made then, and what was told with it."""
        events = tuple(events)
        for event in events:
            if event.phase == "release":
                self._released()
        label = self._label
        if label is None or label.truth != truth:
            label = self._begin(truth)
        if truth == self._rest and self._at is not None:
            self._rest_samples += at - self._at
        if self._early is not None and (at - self._early.event.sample_index) > EARLY_S * self._rate:
            self._count_early(self._early)
        for event in events:
            if event.phase == "onset":
                self._begun(event, label)
        self._at = at

    def broken(self) -> None:
        """Judge what is made no further: the signal has a break, or nobody can tell any more."""
        self._released()
        self._label, self._at = None, None

    @property
    def figures(self) -> dict[str, Any] | None:
        """Return what was counted; None where nothing has said what was made."""
        late_s, rest_s = self._late_s, self._rest_samples / self._rate
        if not rest_s and not self._made:
            return None
        p50, p90 = np.percentile(late_s, (50, 90)).tolist() if late_s else (None, None)
        return {
            "rest_seconds": round(rest_s, 1),
            "false_activations": self._false,
            "false_activations_per_hour": round(3600 * self._false / rest_s, 1) if rest_s else None,
            "gestures": self._made,
            "found": self._found,
            "missed": self._made - self._found,
            "doubled": self._doubled,
            "wrong": self._wrong,
            "onset_p50_s": None if p50 is None else round(p50, 3),
            "onset_p90_s": None if p90 is None else round(p90, 3),
        }

    def _begin(self, truth: str | None) -> _Label:
        """Return what is made from now on; what was made until now is judged."""
        before, self._label = self._label, _Label(truth, self._at)
        if before is not None and before.begun is not None and before.truth in self._gestures:
            self._made += 1
            self._found += before.told
        early, self._early = self._early, None
        if early is not None and early.event.gesture == truth and self._at is not None:
            self._own(early.event, self._label)
        elif early is not None:
            self._count_early(early)
        return self._label

    def _begun(self, event: GestureEvent, label: _Label) -> None:
        if label.truth == self._rest:
            self._early = _Early(event)
        elif label.begun is None or label.truth not in self._gestures:
            return
        elif event.gesture != label.truth:
            self._wrong += 1
        elif label.told:
            self._doubled += 1
        else:
            self._own(event, label)

    def _own(self, event: GestureEvent, label: _Label) -> None:
        assert label.begun is not None  # it is judged
        label.told = True
        after_s = (event.sample_index - label.begun) / self._rate
        self._late_s = (*self._late_s[1 - KEPT :], after_s)

    def _released(self) -> None:
        early, self._early = self._early, None
        if early is not None:
            self._count_early(early)

    def _count_early(self, early: _Early) -> None:
        self._false += not early.counted
        early.counted = True
