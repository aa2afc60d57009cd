"""From probabilities to gestures that begin, are held and end: a state machine without a clock.

A gesture that is told begins once and ends once, whatever comes between. All times are counted in samples of the
source, and from the frame before the one that showed a change, as the change lies somewhere between the two: so events
of one signal come within a hop of each other, however fast it is replayed and however many frames there are of it.

Two thresholds (one to begin, a lower one to end) are the hysteresis of Schmitt 1938, "A thermionic trigger", J. Sci.
Instrum. 15:24; that a gesture must last before it counts is the onset rule of Hodges & Bui 1996, "A comparison of
computer-based methods for the determination of onset of muscle contraction using electromyography",
Electroencephalogr. Clin. Neurophysiol. 101:511, put to probabilities; that it must last the longer the less sure it
is, the cumulative sum of Page 1954, "Continuous inspection schemes", Biometrika 41:100.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from app.inference.gestures.events import GestureEvent, GestureRules, Reason, Variant
from app.inference.gestures.evidence import GestureEvidence

_NONE = -1  # no class
_SLACK = 1e-6  # samples; times such as 0.1 s are no whole number of them in binary


def _unrefined(shown_at: int) -> int:
    return shown_at


class GestureMachine:
    """The gestures of one stream of frames. Used by one thread."""

    def __init__(
        self,
        classes: Sequence[str],
        rest_class: str,
        sampling_rate_hz: float,
        rules: GestureRules | None = None,
        overrides: Mapping[str, GestureRules] | None = None,
    ) -> None:
        """`overrides` are the rules of those classes that have some of their own; others than `classes` are ignored.

        How probabilities are smoothed is the same for all classes: that of `rules`.
        """
        shared, own = rules or GestureRules(), overrides or {}
        self._classes, self._rest, self._rate = tuple(classes), classes.index(rest_class), sampling_rate_hz
        self._rules = [own.get(name, shared) for name in classes]
        self._evidence = GestureEvidence(self._rest, sampling_rate_hz, shared.smooth_s)
        self._active_since: int | None = None  # the first frame of those that show a gesture, whichever
        self._at: int | None = None  # sample index of the last frame
        self._hop = 0  # samples between the last two
        self._candidate: int | None = None  # the class that may begin
        self._since, self._shown = 0.0, 0  # since which sample it may, and the first frame that showed it
        self._missing = 0.0  # of the evidence that it needs, in samples
        self._sure_at = 0.0  # the sample at which nothing was missing any more
        self._held: GestureEvent | None = None  # the newest event of what is held
        self._onset: GestureEvent | None = None  # and the first
        self._due, self._holds = (
            0.0,
            0,
        )  # the sample at which it was to begin, and how often it was told again
        self._released: tuple[float, int, Variant] | None = (
            None  # sample, class and variant of the last release
        )
        self._last_id = 0

    @property
    def held(self) -> GestureEvent | None:
        """Return the newest event of the gesture that is held; None at rest."""
        return self._held

    def frame(
        self,
        sample_index: int,
        probabilities: Sequence[float],
        *,
        strengths: Sequence[float] = (),
        timestamp: float = 0.0,
        unknown: bool = False,
        began: Callable[[int], int] = _unrefined,
    ) -> list[GestureEvent]:
        """Return what begins, goes on or ends with a frame, in that order: first a release, then an onset.

        Args:
            sample_index: of the source, up to the window's end. One lower than the last means that the source counts
                anew: what is held is released.
            probabilities: (classes,).
            strengths: (classes,), how strong each is, 0..1; without them all are 0.
            timestamp: Unix s.
            unknown: whether the window is none of the classes.
            began: gives the sample at which the muscle began, for the end of the first window that showed it.
        """
        events: list[GestureEvent] = []
        if self._at is not None and sample_index < self._at:
            events += self.end("gap", self._at, timestamp)
            self._at, self._released = None, None
        earlier = self._step(sample_index)
        evidence = self._evidence
        evidence.update(sample_index, probabilities, unknown)
        shares = evidence.shares
        unknown = unknown and not evidence.smooths  # else it has counted there
        likeliest = self._rest if unknown else max(range(len(shares)), key=shares.__getitem__)
        self._look(sample_index, probabilities)
        if self._held is not None and self._onset is not None:
            share = shares[self._onset.index]
            now = replace(
                self._held,
                sample_index=sample_index,
                strength=strengths[self._onset.index] if strengths else 0.0,
                confidence=probabilities[self._onset.index],
                held_s=(sample_index - self._onset.sample_index) / self._rate,
                timestamp=timestamp,
            )
            if not unknown and share >= self._rules[self._onset.index].leave:
                return events + self._hold(now)
            events.append(self._release(now, "rest" if likeliest == self._rest else "gesture", earlier))
        if likeliest == self._rest or not self._shows(likeliest, sample_index, earlier):
            self._candidate = None
            return events
        due = self._due_at(likeliest)
        if sample_index >= due - _SLACK:
            events.append(
                self._begin(
                    likeliest, due, sample_index, probabilities[likeliest], strengths, timestamp, began
                )
            )
        return events

    def end(self, reason: Reason, sample_index: int, timestamp: float = 0.0) -> list[GestureEvent]:
        """Return the release of what is held, nothing at rest; what was about to begin must show itself anew."""
        self._candidate = self._active_since = None
        self._evidence.reset()
        held, onset = self._held, self._onset
        if held is None or onset is None:
            return []
        sample_index = max(sample_index, held.sample_index)
        held_s = (sample_index - onset.sample_index) / self._rate
        now = replace(held, sample_index=sample_index, held_s=held_s, timestamp=timestamp)
        return [self._release(now, reason, float(sample_index))]

    def _look(self, sample_index: int, probabilities: Sequence[float]) -> None:
        """Note since when windows have been a gesture, each by itself: smoothed they show it later."""
        if probabilities[self._rest] >= max(probabilities):
            self._active_since = None
        elif self._active_since is None:
            self._active_since = sample_index

    def _step(self, sample_index: int) -> float:
        """Go on to a frame, and return the sample after which what it shows may have come about."""
        before, hop = self._at, self._hop
        self._at = sample_index
        if before is None:
            self._hop = 0
            return float(sample_index)
        if sample_index > before:
            self._hop = sample_index - before
        # frames left out say nothing of the time between: a hop is the most that is taken for granted
        return float(max(before, sample_index - hop)) if hop else float(before)

    def _shows(self, likeliest: int, sample_index: int, earlier: float) -> bool:
        """Whether a gesture may begin, with this frame or once it has lasted; note since when, and how sure it is.

        Means move slowly enough for a straight line to where they crossed a threshold. They take a change for older
        than it is, so that what the frame before was above counts until this one. Frames by themselves say nothing of
        the time between them, and add up to no evidence.
        """
        rules, evidence = self._rules[likeliest], self._evidence
        above = evidence.score(likeliest, rules.rise) - rules.enter
        if above < 0:
            return False
        before = evidence.before(likeliest, rules.rise)
        lately = 0.0 if before is None else before - rules.enter
        if likeliest != self._candidate:
            below = lately / (lately - above) if lately < 0 else 0.0  # part of the way
            since = earlier + below * (sample_index - earlier)
            shown = sample_index if self._active_since is None else self._active_since
            self._candidate, self._since, self._shown = likeliest, since, shown
            self._missing = rules.evidence_s * self._rate if evidence.smooths else 0.0
            self._sure_at = since
        if self._missing > 0:
            added = lately * (sample_index - earlier) if lately > 0 else 0.0
            self._sure_at = earlier + self._missing / lately if added >= self._missing else math.inf
            self._missing -= added
        return True

    def _due_at(self, candidate: int) -> float:
        rules = self._rules[candidate]
        due = max(self._since + rules.shortest_s * self._rate, self._sure_at)
        if self._released is not None:
            due = max(due, self._released[0] + rules.refractory_s * self._rate)
        return due

    def _begin(
        self,
        candidate: int,
        due: float,
        sample_index: int,
        share: float,
        strengths: Sequence[float],
        timestamp: float,
        began: Callable[[int], int],
    ) -> GestureEvent:
        began_at = min(began(self._shown), self._shown)
        self._last_id = max(self._last_id + 1, sample_index)
        self._held = self._onset = GestureEvent(
            gesture=self._classes[candidate],
            phase="onset",
            id=self._last_id,
            variant="double" if self._again(candidate, due) else "single",
            index=candidate,
            sample_index=sample_index,
            began_at=began_at,
            refined_by=self._shown - began_at,
            strength=strengths[candidate] if strengths else 0.0,
            confidence=share,
            held_s=0.0,
            timestamp=timestamp,
        )
        self._due, self._holds, self._candidate = due, 0, None
        return self._onset

    def _again(self, candidate: int, due: float) -> bool:
        """Whether it is the second of a double one; a third begins anew."""
        within = self._rules[candidate].double_s * self._rate
        if not within or self._released is None:
            return False
        at, index, variant = self._released
        return index == candidate and variant != "double" and due - at <= within + _SLACK

    def _hold(self, now: GestureEvent) -> list[GestureEvent]:
        rules, since = self._rules[now.index], now.sample_index - self._due + _SLACK
        times = int(since / (rules.hold_s * self._rate)) if rules.hold_s else 0
        long = rules.long_s > 0 and now.variant == "single" and since >= rules.long_s * self._rate
        now = replace(now, phase="hold", variant="long" if long else now.variant)
        self._held = now
        if times <= self._holds and not long:
            return []
        self._holds = max(times, self._holds)
        return [now]

    def _release(self, now: GestureEvent, reason: Reason, at: float) -> GestureEvent:
        self._held = self._onset = None
        # one that was cut off was let go by nobody: what comes after it is no double one
        let_go = reason in ("rest", "gesture")
        self._released = at, now.index if let_go else _NONE, now.variant
        return replace(now, phase="release", reason=reason)
