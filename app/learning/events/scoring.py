"""What gesture events of a replay are worth: a gesture found, one too many, of the wrong class, a false activation.

An onset is a **false activation** where the label says rest when it is decided. But labels begin late for those who act
before the cue, and the edges of the shared recordings move by 0.36 s at most: an onset of a gesture's own class up to
EARLY_S before its label, which is still held when the label begins, is that gesture, found early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from app.emg.source import UNLABELLED
from app.inference.gestures.events import EARLY_S, GestureRuleSet
from app.inference.gestures.machine import GestureMachine
from app.learning.replays.replay import Ids, Replay


@dataclass(frozen=True, slots=True)
class Told:
    """One gesture that events told: windows of its onset and of its release, and its class."""

    onset: int
    release: int  # the first window that is not held any more
    gesture: int


@dataclass(slots=True)
class EventCounts:
    """What was counted; those of several streams add up."""

    rest_s: float = 0.0
    false: int = 0  # activations at rest
    alone_s: float = 0.0  # of the rest in pieces without any gesture
    alone_false: int = 0
    gestures: int = 0
    found: int = 0
    early: int = 0  # of those found, before the label
    doubled: int = 0  # begun once more within the same label
    wrong: int = 0  # onsets of another class within a gesture
    wronged: int = 0  # gestures with such an onset
    onset_s: list[float] = field(default_factory=list)  # from the label to the onset, of those found
    back_s: list[float] = field(
        default_factory=list
    )  # from the label's end to the release, of those held then

    def __add__(self, other: EventCounts) -> EventCounts:
        """Return the counts of both."""
        names = self.__slots__
        return EventCounts(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, slots=True)
class _Label:
    """A stretch of one label: its windows, and how long after it began the first of them ended."""

    first: int
    last: int
    truth: int
    piece: int
    judged: bool


def told(
    stream: Replay, classes: Sequence[str], rest_class: str, rate: float, rules: GestureRuleSet
) -> list[Told]:
    """Return the gestures that a stream of that replay tells; `rate` is of its samples, Hz.

    A new piece is a gap, as it is live.
    """
    machine = GestureMachine(classes, rest_class, rate, rules.rules, rules.overrides)
    if stream.probabilities is None:
        return []
    shares = stream.probabilities.tolist()
    unknown = [False] * len(shares) if stream.unknown is None else stream.unknown.tolist()
    ends, pieces = stream.end.tolist(), stream.piece.tolist()
    found: list[Told] = []
    onset, before = 0, pieces[0]
    for k, share in enumerate(shares):
        events = []
        if pieces[k] != before:
            events, before = machine.end("gap", ends[k - 1]), pieces[k]
        events += machine.frame(ends[k], share, unknown=unknown[k])
        for event in events:
            if event.phase == "onset":
                onset = k
            elif event.phase == "release":
                found.append(Told(onset, k, event.index))
    return found + [Told(onset, len(shares), event.index) for event in machine.end("completed", ends[-1])]


def score(stream: Replay, events: Sequence[Told], rest: int) -> EventCounts:
    """Return what the events of a stream are worth by its labels, among the windows that count."""
    labels = _labels(stream)
    of_window = np.repeat(np.arange(len(labels)), [one.last + 1 - one.first for one in labels])
    alone = _alone(labels, rest)
    counts = _rest(stream, labels, alone, rest)
    owner: dict[int, Told] = {}
    wronged: set[int] = set()
    for event in events:
        number = int(of_window[event.onset])
        label = labels[number]
        following = _following(labels, number)
        meant = following is not None and labels[following].truth == event.gesture
        into = meant and following is not None and event.release > labels[following].first
        if label.truth == rest and into and following is not None:
            early = _begin_s(stream, labels[following]) - _at_s(stream, event.onset) <= EARLY_S
            _own(owner, following, event, labels, counts)
            if early:
                continue
        if not label.judged or label.truth == UNLABELLED:
            continue
        if label.truth == rest:
            counts.false += 1
            counts.alone_false += label.piece in alone
        elif label.truth == event.gesture:
            _own(owner, number, event, labels, counts)
        else:
            counts.wrong += 1
            wronged.add(number)
    counts.wronged = len(wronged)
    _gestures(stream, labels, owner, rest, counts)
    return counts


def _own(
    owner: dict[int, Told], number: int, event: Told, labels: Sequence[_Label], counts: EventCounts
) -> None:
    """Give a gesture its event; a second one is one too many."""
    if number not in owner:
        owner[number] = event
    elif labels[number].judged:
        counts.doubled += 1


def _rest(stream: Replay, labels: Sequence[_Label], alone: set[int], rest: int) -> EventCounts:
    resting = [(one, one.last + 1 - one.first) for one in labels if one.truth == rest and one.judged]
    return EventCounts(
        rest_s=sum(windows for _, windows in resting) * stream.period_s,
        alone_s=sum(windows for one, windows in resting if one.piece in alone) * stream.period_s,
    )


def _gestures(
    stream: Replay, labels: Sequence[_Label], owner: dict[int, Told], rest: int, counts: EventCounts
) -> None:
    """Count the gestures, those found, and how late they were told to begin and to end."""
    for number, label in enumerate(labels):
        if label.truth in (rest, UNLABELLED) or not label.judged:
            continue
        counts.gestures += 1
        event = owner.get(number)
        if event is None:
            continue
        counts.found += 1
        after_s = _at_s(stream, event.onset) - _begin_s(stream, label)
        counts.early += after_s < 0
        counts.onset_s.append(after_s)
        following = _following(labels, number)
        if following is None or labels[following].truth != rest or event.release <= label.last:
            continue
        if event.release <= labels[following].last:
            counts.back_s.append(_at_s(stream, event.release) - _begin_s(stream, labels[following]))


def _labels(stream: Replay) -> list[_Label]:
    """Return the stretches of one truth; whether one counts may change within it (rest of all repetitions)."""
    counts = stream.counts
    new = (np.diff(stream.stretch) != 0) | (np.diff(counts.astype(int)) != 0)
    firsts: Ids = np.concatenate([[0], np.flatnonzero(new) + 1])
    lasts: Ids = np.concatenate([firsts[1:] - 1, [len(stream.end) - 1]])
    return [
        _Label(first, last, int(stream.truth[first]), int(stream.piece[first]), bool(counts[first]))
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)
    ]


def _following(labels: Sequence[_Label], number: int) -> int | None:
    """Return the number of the next stretch of another truth in the same piece."""
    for later in range(number + 1, len(labels)):
        if labels[later].piece != labels[number].piece:
            return None
        if labels[later].truth != labels[number].truth:
            return later
    return None


def _alone(labels: Sequence[_Label], rest: int) -> set[int]:
    """Return the pieces that show nothing but rest."""
    busy = {label.piece for label in labels if label.truth != rest}
    return {label.piece for label in labels} - busy


def _at_s(stream: Replay, window: int) -> float:
    """Return when a window ended, in s of windows."""
    return window * stream.period_s


def _begin_s(stream: Replay, label: _Label) -> float:
    """Return when a label began, on the same clock."""
    return label.first * stream.period_s - float(stream.after_s[label.first])
