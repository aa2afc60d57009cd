"""False activations an hour and gestures found, person by person, by rules that were chosen on others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.inference.gestures.events import GestureRuleSet
from app.inference.manifest import Manifest
from app.learning.events.scoring import EventCounts, score, told
from app.learning.events.streams import FPS, PersonStreams
from app.learning.intervals import LEVEL, Span, rate_interval, share_interval
from app.learning.progress import Progress
from app.learning.replays.replay import Replay

ENTERS = (0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0)  # of the curve
WANTED = 0.95  # share of gestures to be found, at which thresholds are chosen
DRAWS = 2000  # of people, for the intervals of all


@dataclass(frozen=True, slots=True)
class _Setting:
    """What of the people's streams is judged, and by which rules."""

    manifest: Manifest
    rules: GestureRuleSet

    def counts(self, streams: Iterable[Replay], rules: GestureRuleSet | None = None) -> EventCounts:
        classes, rest = self.manifest.classes, self.manifest.rest_class
        number, total = classes.index(rest), EventCounts()
        for stream in streams:
            events = told(stream, classes, rest, self.manifest.sampling_rate, rules or self.rules)
            total = total + score(stream, events, number)
        return total

    def entering(self, at: float) -> GestureRuleSet:
        """Return the rules with another threshold, for all classes."""
        shared = replace(self.rules.rules, enter=at, leave=min(at, self.rules.rules.leave))
        return replace(self.rules, rules=shared)


def report_of_events(
    manifest: Manifest, people: Sequence[PersonStreams], repetitions: int, progress: Progress
) -> dict[str, Any]:
    """Return the object that `model evaluate --events` reports.

    `people` have each the figures of the model's rules. `chosen` are those where `enter` is the one of ENTERS with the
    fewest false activations among those that find WANTED of the gestures of the people of other folds.
    """
    setting = _Setting(manifest, manifest.gesture_rules or GestureRuleSet())
    kinds: dict[str, Callable[[PersonStreams], Sequence[Replay]]] = {
        "model": lambda one: one.model,
        "lda": lambda one: one.lda,
    }
    grids = {name: _grid(setting, people, of, progress, name) for name, of in kinds.items()}
    usual = [setting.counts(one.model) for one in people]
    chance = [setting.counts(one.shuffled) for one in people]
    return {
        "model": manifest.name,
        "split": f"calibrate {repetitions}",
        "fps": FPS,
        "rules": setting.rules.fields,
        "people": [
            {"person": one.name, **figures(counts)} for one, counts in zip(people, usual, strict=True)
        ],
        **_of_all(usual),
        "chosen": _chosen(people, grids["model"]),
        "lda": {**_chosen(people, grids["lda"]), "curve": _curve(grids["lda"])},
        "shuffled": _of_all(chance),
        "curve": _curve(grids["model"]),
    }


def figures(counts: EventCounts) -> dict[str, Any]:
    """Return what counts come to; rates have exact Poisson intervals, shares Wilson's. None: nothing to measure."""
    hours, alone = counts.rest_s / 3600, counts.alone_s / 3600
    return {
        "rest_hours": hours,
        "false_activations": counts.false,
        "false_an_hour": counts.false / hours if hours else None,
        "false_an_hour_interval": rate_interval(counts.false, hours),
        "rest_alone_hours": alone,
        "false_an_hour_of_rest_alone": counts.alone_false / alone if alone else None,
        "false_an_hour_of_rest_alone_interval": rate_interval(counts.alone_false, alone),
        "gestures": counts.gestures,
        "found": _share(counts.found, counts.gestures),
        "found_interval": share_interval(counts.found, counts.gestures),
        "missed": counts.gestures - counts.found,
        "early": _share(counts.early, counts.gestures),
        "doubled": _share(counts.doubled, counts.gestures),
        "wrong_class": _share(counts.wronged, counts.gestures),
        "onset_s": _quantiles(counts.onset_s),
        "back_s": _quantiles(counts.back_s),
    }


def _of_all(each: Sequence[EventCounts]) -> dict[str, Any]:
    """Return the figures of all people together; their intervals are of people drawn anew, as people differ most."""
    found = figures(sum(each, EventCounts()))
    draws = np.random.default_rng(0).integers(0, len(each), (DRAWS, len(each)))
    rates = _drawn(draws, [one.false for one in each], [one.rest_s / 3600 for one in each])
    shares = _drawn(draws, [one.found for one in each], [one.gestures for one in each])
    return {**found, "false_an_hour_interval": rates, "found_interval": shares}


def _drawn(draws: Any, parts: Sequence[float], wholes: Sequence[float]) -> Span:
    total = np.asarray(wholes)[draws].sum(1)
    if not total.all():
        return None
    ratios = np.asarray(parts)[draws].sum(1) / total
    low, high = np.quantile(ratios, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def _grid(
    setting: _Setting,
    people: Sequence[PersonStreams],
    of: Callable[[PersonStreams], Sequence[Replay]],
    progress: Progress,
    name: str,
) -> dict[float, list[EventCounts]]:
    """Return the counts of each person at each threshold."""
    return {
        enter: [setting.counts(of(one), setting.entering(enter)) for one in people]
        for enter in (ENTERS[k] for k in progress(range(len(ENTERS)), len(ENTERS), f"thresholds, {name}"))
    }


def _chosen(people: Sequence[PersonStreams], grid: dict[float, list[EventCounts]]) -> dict[str, Any]:
    """Return the figures where each fold's people are judged at the threshold that suits everybody else."""
    judged, folds = [], {}
    for fold in sorted({one.fold for one in people}):
        inside = [one.fold == fold for one in people]
        others = {
            enter: sum((one for one, its in zip(each, inside, strict=True) if not its), EventCounts())
            for enter, each in grid.items()
        }
        folds[fold] = enter = _best(others)
        judged += [one for one, its in zip(grid[enter], inside, strict=True) if its]
    return {**_of_all(judged), "enter": folds}


def _best(others: dict[float, EventCounts]) -> float:
    """Return the threshold with the fewest false activations of those that find enough, else what finds most."""
    enough = [enter for enter, one in others.items() if one.gestures and one.found >= WANTED * one.gestures]
    if enough:
        return min(enough, key=lambda enter: (others[enter].false, -enter))
    return max(others, key=lambda enter: (others[enter].found, enter))


def _curve(grid: dict[float, list[EventCounts]]) -> list[dict[str, Any]]:
    points = []
    for enter, each in grid.items():
        all_of = figures(sum(each, EventCounts()))
        names = ("found", "false_an_hour", "false_an_hour_of_rest_alone", "wrong_class", "onset_s")
        points.append({"enter": enter, **{name: all_of[name] for name in names}})
    return points


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _quantiles(seconds: Sequence[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    p50, p90 = np.quantile(seconds, (0.5, 0.9))
    return {"p50": float(p50), "p90": float(p90)}
