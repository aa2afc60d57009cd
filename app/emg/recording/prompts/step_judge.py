"""Whether a step went as it was asked, told when it is over: nothing was done, something else, rest that is no rest.

The bounds are from 25 people (docs/recordings.md has what they miss, and how often they are wrong); the script that
measures them is benchmarks/verdicts.py. All goes by the sample index, so the same signal gets the same verdicts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.emg.quality.monitor import OFF_S, QualityMonitor
from app.emg.recording.prompts.activity import FLOOR, Activity, Matrix, Point, distance, point_of, power
from app.emg.recording.prompts.course import DONE, Course, Entry
from app.emg.recording.prompts.prompt_log import Verdict
from app.emg.signal.display_filters import display_filters
from app.emg.signal.filters import SosFilter
from app.emg.source import Chunk, Samples

LEAST_S = 1.0  # a shorter step is over before people have begun
SETTLED_S, SETTLED = (
    1.0,
    0.4,
)  # the begin of a step is not judged: people act up to 0.7 s late; share of a short one
LOOK_S = 0.25  # between two looks at the electrodes
MAX_LOST = 0.2  # share of a step's samples

NOTHING = 1.25  # distance from rest, within which nothing was done
CALM = 0.75  # times that of the gesture itself, the same where there is a repetition to compare
OTHER = 0.82  # times the distance to its own gesture
RESTLESS = 2.2  # distance from rest before, first the countdown, where some gesture is nearer
RESTLESS_ALONE = 3.0  # the same where none is
SILENT = 0.001  # times the power of rest: a countdown without a signal
KEPT = 12  # steps of each gesture, and of rest, that others are compared with: the last ones
MOSTLY = 0.5  # of a step's looks, or the last: an electrode is bad

_CURES = {
    "flat": "is flat: it has no contact, or its cable is off",
    "railed": "is at the end of its range: press it on, or clean the skin",
    "hum": "is full of mains hum: press it on, or clean the skin",
}


@dataclass(slots=True)
class _Step:
    """What is known of a step that is over."""

    label: str
    rest: bool
    covariance: Matrix
    good: bool = True
    other: bool = False  # it was called so


class StepJudge:
    """Judges the steps of one recording. `take` belongs to one thread at a time."""

    def __init__(self, channels: int, rate: float, mains_hz: float | None) -> None:
        self._channels, self._rate = channels, rate
        # one of its own, without a model's levels: what is said must not hang on the model that reads the source
        self._quality = QualityMonitor(channels, rate, mains_hz, None, None)
        self._filter = SosFilter(display_filters(rate, mains_hz).sos(rate), channels)
        self._steps: dict[int, _Step] = {}  # by number of the entry
        self._before: Activity | None = Activity(channels)  # in the countdown, where people mostly rest
        self._entry: Entry | None = None
        self._activity = Activity(channels)
        self._looks, self._bad = 0, Counter[tuple[str, int]]()
        self._hum = set[tuple[str, int]]()  # that was there from the first: doing it again is no help
        self._floor = np.inf
        self._points: dict[int, Point] = {}
        self.until = 0  # place up to which all that is over has been judged

    def take(self, chunk: Chunk, first: int, course: Course) -> list[Verdict]:
        """Take samples in their order, and return the verdicts on what ended with them.

        `first` is the index of the recording's first sample.
        """
        if chunk.restart:
            self._filter.reset()
        place, found = chunk.index - first, list[Verdict]()
        filtered = self._filter(np.nan_to_num(chunk.samples, nan=0.0, posinf=0.0, neginf=0.0))
        for begin, end, entry in self._parts(place, len(filtered), course):
            found += self._over(begin, course)
            rows = slice(begin - place, end - place)
            if entry != self._entry:
                self._entry, self._activity = entry, Activity(self._channels)
                self._looks, self._bad = 0, Counter()
            self._look(
                replace(
                    chunk,
                    index=first + begin,
                    samples=chunk.samples[rows],
                    labels=None,
                    repetitions=None,
                    aux=(),
                    restart=chunk.restart and begin == place,
                ),
                begin,
            )
            self._sum(filtered[rows], begin, course)
        self.until = place + len(filtered)
        return found + self._over(self.until, course)

    def _parts(self, place: int, count: int, course: Course) -> Iterator[tuple[int, int, Entry | None]]:
        """Yield the samples in parts of up to LOOK_S that belong to one step, or to none."""
        most, at = max(1, round(LOOK_S * self._rate)), place
        while at < place + count:
            entry, until = course.held_at(at)
            end = min(at + most, place + count, until)
            yield at, end, entry
            at = end

    def _look(self, part: Chunk, begin: int) -> None:
        """See what is wrong with the electrodes; what the last step had is still said OFF_S later."""
        self._quality.process(part)
        now = _problems(self._quality)
        if not self._steps.keys() - {-1}:
            self._hum.update(one for one in now if one[0] == "hum")
        if self._entry is not None and begin >= self._entry.begin + OFF_S * self._rate:
            self._looks += 1
            self._bad.update(now)

    def _sum(self, filtered: Samples, begin: int, course: Course) -> None:
        entry = self._entry
        if entry is None:
            if self._before is not None and not course.past and not course.paused:
                self._before.add(filtered)
            return
        if self._before is not None:
            self._know_countdown(self._before)
        skipped = entry.begin + round(min(SETTLED_S, SETTLED * self._seconds(entry)) * self._rate) - begin
        if skipped < len(filtered):
            self._activity.add(filtered[max(0, skipped) :])

    def _know_countdown(self, before: Activity) -> None:
        """Take the countdown for rest until there is some."""
        self._before = None
        if before.samples >= 0.5 * self._rate:
            self._keep(-1, _Step("", rest=True, covariance=before.covariance))

    def _over(self, place: int, course: Course) -> list[Verdict]:
        """Return the verdict on the step at hand where it has ended."""
        entry = self._entry
        if entry is None or place < entry.end:
            return []
        self._entry = None
        entries = course.entries(entry.end)
        if entry not in entries or self._seconds(entry) < LEAST_S:
            return []
        return [self._verdict(entries.index(entry), entry, course, entries)]

    def _verdict(self, number: int, entry: Entry, course: Course, entries: Sequence[Entry]) -> Verdict:
        label, rest = course.plan.steps[entry.step].label, course.is_rest(entry)
        expected = (entry.end - entry.begin) - round(
            min(SETTLED_S, SETTLED * self._seconds(entry)) * self._rate
        )
        if self._activity.samples < (1 - MAX_LOST) * expected:
            return Verdict(number, "bad_signal", "Samples were lost on the way from the device: do it again.")
        if advice := self._electrodes():
            return Verdict(number, "bad_signal", advice)
        step = _Step(label, rest, self._activity.covariance)
        self._keep(number, step)
        done = {-1, *(k for k, one in enumerate(entries) if one.state == DONE and k != number)}
        held = {k: one for k, one in self._steps.items() if k in done}
        found = self._rest(number, step, held) if rest else self._gesture(number, step, held)
        step.good, step.other = found.verdict == "good", found.verdict == "other"
        if rest and step.good:
            self._forget_countdown()
        return found

    def _keep(self, number: int, step: _Step) -> None:
        """Remember it; a quieter rest than any before changes all points a little."""
        self._steps[number] = step
        alike = [k for k, one in self._steps.items() if k >= 0 and one.label == step.label]
        for k in alike[:-KEPT]:
            del self._steps[k]
            self._points.pop(k, None)
        if step.rest and FLOOR * power(step.covariance) < self._floor:
            self._floor = FLOOR * power(step.covariance)
            self._points.clear()

    def _forget_countdown(self) -> None:
        """Measure by rest from now on; the countdown may have been the device's, not yet the person's."""
        if self._steps.pop(-1, None) is not None:
            quiet = [power(one.covariance) for one in self._steps.values() if one.rest and one.good]
            self._floor = FLOOR * min(quiet)
            self._points.clear()

    def _point(self, number: int) -> Point:
        if number not in self._points:
            self._points[number] = point_of(self._steps[number].covariance, self._floor)
        return self._points[number]

    def _mean(self, held: Mapping[int, _Step], label: str | None) -> Point | None:
        """Return the middle of what went well with that gesture; None: of rest."""
        found = [
            self._point(k)
            for k, one in held.items()
            if one.good and k >= 0 and (one.rest if label is None else one.label == label and not one.rest)
        ]
        if not found and label is None and -1 in held:
            found = [self._point(-1)]
        return np.mean(found, axis=0) if found else None

    def _gesture(self, number: int, step: _Step, held: Mapping[int, _Step]) -> Verdict:
        rest, own = self._mean(held, None), self._mean(held, step.label)
        if rest is None:
            return Verdict(number, "good")
        here = self._point(number)
        quiet = distance(here, rest)
        if own is None:
            return _nothing(number, step) if quiet < NOTHING else Verdict(number, "good")
        away = distance(here, own)
        near, name = self._nearest(here, held, step.label)
        if quiet < min(away, near) and quiet < max(NOTHING, CALM * distance(own, rest)):
            return _nothing(number, step)
        unlike = near < OTHER * away or quiet < away
        if unlike and not self._insists(number, step, away):
            than = f"more like {_said(name)} than like" if near < away else "unlike"
            advice = f"That was {than} {_said(step.label)} before: do it again, or the first one if that was wrong."
            return Verdict(number, "other", advice)
        return Verdict(number, "good")

    def _insists(self, number: int, step: _Step, away: float) -> bool:
        """Whether the person does again what was called other the last time: then what it is compared with was wrong.

        That is no measure any more.
        """
        alike = {k: one for k, one in self._steps.items() if k < number and one.label == step.label}
        last = max((k for k, one in alike.items() if one.other), default=None)
        if last is None or distance(self._point(number), self._point(last)) >= away:
            return False
        for one in alike.values():
            one.good = False
        return True

    def _rest(self, number: int, step: _Step, held: Mapping[int, _Step]) -> Verdict:
        rest = self._mean(held, None)
        silent = -1 in held and power(held[-1].covariance) < SILENT * power(step.covariance)
        if rest is None or silent:  # nothing speaks against it
            return Verdict(number, "good")
        here = self._point(number)
        away = distance(here, rest)
        near, _ = self._nearest(here, held, None)
        moved = away > RESTLESS_ALONE or (away > RESTLESS and near < away)
        if moved and np.log(power(step.covariance)) > self._usual(held):
            return Verdict(number, "restless", "The arm was not at rest: let go, and do nothing.")
        return Verdict(number, "good")

    def _usual(self, held: Mapping[int, _Step]) -> float:
        """Return the logarithm of the usual power of rest, or else of the countdown; there is one of them."""
        found = {k: np.log(power(one.covariance)) for k, one in held.items() if one.rest and one.good}
        return float(np.mean([value for k, value in found.items() if k >= 0] or [found[-1]]))

    def _nearest(self, here: Point, held: Mapping[int, _Step], but: str | None) -> tuple[float, str]:
        """Return how far the nearest gesture is, but for one, and its name."""
        names = dict.fromkeys(one.label for one in held.values() if not one.rest and one.label != but)
        middles = [(name, self._mean(held, name)) for name in names]
        found = [(distance(here, middle), name) for name, middle in middles if middle is not None]
        return min(found, default=(np.inf, ""))

    def _electrodes(self) -> str | None:
        """Return what is wrong with electrodes, at the end of the step or mostly."""
        mostly = {one for one, looks in self._bad.items() if looks >= MOSTLY * self._looks}
        bad = mostly | set(_problems(self._quality))
        bad -= self._hum
        if not bad:
            return None
        problem, channel = min(bad, key=lambda one: (one[1], one[0]))
        more = len({channel for _, channel in bad}) - 1
        others = f" (and {more} more)" if more else ""
        return f"Channel {channel + 1}{others} {_CURES[problem]}. Then do it again."

    def _seconds(self, entry: Entry) -> float:
        return (entry.end - entry.begin) / self._rate


def _nothing(number: int, step: _Step) -> Verdict:
    advice = f"That was as quiet as rest: do {_said(step.label)} again, as long as it is asked."
    return Verdict(number, "nothing", advice)


def _problems(quality: QualityMonitor) -> list[tuple[str, int]]:
    return [(problem, channel) for problem, channels in quality.problems.items() for channel in channels]


def _said(label: str) -> str:
    return label.replace("_", " ")
