"""Where a person really began and ended what the cue said: labels moved to where the activity changes.

An edge is the change point of two Gaussians with known means: the frames' log powers in the middle of the stretch
before it, and of the one after it (Basseville and Nikiforov, "Detection of Abrupt Changes", 1993, chapter 2). It is
looked for from EARLY_S before the cue to LATE_S after it, and drawn a little to the person's usual delay. Behind what
has no label (a countdown, what was paused or done again) it is only looked for after the cue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from app.emg.source import UNLABELLED, Samples
from app.learning.own.joined import Ids, Joined

Doubles = npt.NDArray[np.float64]

EARLY_S, LATE_S = 0.8, 1.3  # people act up to so much before a cue, and after it
FRAME_S = 0.025
SETTLED_S, LEAVING_S = 1.0, 0.5  # of a stretch at its begin and end are not its middle
BEFORE_S = 1.0  # of what has no label, before a cue: what people do who get ready
LEAST_CONTRAST = 5.0  # squared distance of two stretches in deviations of a frame; below it the cue is nearer
USUAL_S = 0.3  # deviation of a delay from the person's usual one
USUAL_WEIGHT = 10.0  # frames that speak against the usual delay at one deviation from it, roughly
USUAL_FROM = 6  # edges that make a usual delay
HELD = 0.5  # share of a class's stretches that must be told, for one that is not to be left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """What became of the labels."""

    edges: int = 0  # looked at
    moved_s: float = 0.0  # mean distance from the cue
    left_out: int = 0  # stretches that look like what lies around them
    left_out_of: tuple[str, ...] = ()  # their classes
    vague: int = 0  # edges that nobody can tell; what lies around them is left out
    unlike: tuple[float, ...] = ()  # of each class, the contrast to what lies around it; NaN for rest
    placed: tuple[tuple[int, int | None], ...] = ()  # rows of each cue and its edge; None: nobody can tell
    without: tuple[tuple[int, int], ...] = ()  # rows from, and to before, which no label is left


@dataclass(slots=True)
class _Stretch:
    begin: int
    end: int
    label: int
    middle: Doubles  # (channels,) median log power
    edge: int = -1  # of `_Edge`, at its end


@dataclass(slots=True)
class _Edge:
    cue: int
    contrast: float
    first: int  # sample of the first place looked at
    gain: Doubles  # how likely a change after each frame from there
    at: int
    before: int  # number of the stretch before it
    opens: bool = False  # what lies before it has no label: it can only be later


def refined(joined: Joined, filtered: Samples) -> tuple[Joined, Refinement]:
    """Return the recordings with labels that begin and end where the activity does, and what was done.

    `filtered` is the signal (n, channels) behind the model's filters. Labels that are not cues stay as they are.
    """
    step = max(1, round(FRAME_S * joined.rate))
    stretches: list[_Stretch] = []
    edges: list[_Edge] = []
    for piece in joined.pieces():
        _look(joined, filtered[piece], piece.start, step, stretches, edges)
    unlike = _contrasts(joined, stretches, edges)
    if not joined.cued or not edges:
        return joined, Refinement(unlike=unlike)
    _place(edges, joined, stretches, step)
    label, told = _relabelled(joined, stretches, edges)
    moved = [abs(edge.at - edge.cue) for edge in edges if edge.contrast >= LEAST_CONTRAST]
    return replace(joined, label=label, repetition=_moved(joined, edges)), replace(
        told,
        edges=len(edges),
        placed=tuple((edge.cue, edge.at if edge.contrast >= LEAST_CONTRAST else None) for edge in edges),
        moved_s=float(np.mean(moved)) / joined.rate if moved else 0.0,
        unlike=unlike,
    )


def _look(
    joined: Joined, signal: Samples, start: int, step: int, stretches: list[_Stretch], edges: list[_Edge]
) -> None:
    """Add the stretches and edges of one piece."""
    label = joined.label[start : start + len(signal)]
    cuts = (np.flatnonzero(np.diff(label)) + 1).tolist()
    bounds = [0, *cuts, len(label)]
    power = _log_power(signal, step)
    if len(power) < 2 or not cuts:
        return
    first = len(stretches)
    inside = []
    for begin, end in pairwise(bounds):
        rows = _middle(power, begin, end, step, joined.rate)
        inside.append(rows - np.median(rows, axis=0))
        stretches.append(_Stretch(start + begin, start + end, int(label[begin]), np.median(rows, axis=0)))
    variance = np.mean([rows.var(axis=0) for rows in inside], axis=0) + 1e-6
    for k, cue in enumerate(cuts):
        left, right = stretches[first + k], stretches[first + k + 1]
        if right.label == UNLABELLED:
            continue
        opens = left.label == UNLABELLED
        if opens:
            left.middle = np.median(_last(power, bounds[k], cue, step, joined.rate), axis=0)
        low = cue if opens else max(cue - EARLY_S * joined.rate, (bounds[k] + cue) / 2)
        high = min(cue + LATE_S * joined.rate, (cue + bounds[k + 2]) / 2)
        frames = slice(int(low / step), max(int(low / step) + 1, int(high / step)))
        rows = power[frames]
        gain = ((np.square(rows - right.middle) - np.square(rows - left.middle)) / variance).sum(1) / 2
        left.edge = len(edges)
        edges.append(
            _Edge(
                cue=start + cue,
                contrast=float((np.square(left.middle - right.middle) / variance).sum()),
                first=start + frames.start * step,
                gain=np.concatenate([[0.0], np.cumsum(gain)]),
                at=start + cue,
                before=first + k,
                opens=opens,
            )
        )


def _log_power(signal: Samples, step: int) -> Doubles:
    """Return the log power of each frame, (frames, channels); silence has a floor."""
    count = len(signal) // step
    framed = signal[: count * step].reshape(count, step, -1).astype(np.float64)
    power = np.square(framed).mean(1)
    floor = 0.1 * np.median(power, axis=0) + 1e-12
    found: Doubles = np.log(power + floor)
    return found


def _middle(power: Doubles, begin: int, end: int, step: int, rate: float) -> Doubles:
    """Return the frames in the middle of a stretch; at least one."""
    first, last = begin + SETTLED_S * rate, end - LEAVING_S * rate
    if last - first < 0.2 * rate:
        first, last = begin + (end - begin) / 3, end - (end - begin) / 3
    low = min(int(first / step), len(power) - 1)
    return power[low : max(low + 1, int(last / step))]


def _last(power: Doubles, begin: int, end: int, step: int, rate: float) -> Doubles:
    """Return the frames of a stretch's last BEFORE_S; at least one."""
    low = min(int(max(begin, end - BEFORE_S * rate) / step), len(power) - 1)
    return power[low : max(low + 1, int(end / step))]


def _place(edges: Sequence[_Edge], joined: Joined, stretches: Sequence[_Stretch], step: int) -> None:
    """Move every edge to its likeliest place."""
    starts = [stretches[edge.before].label == joined.rest for edge in edges]
    for edge in edges:
        edge.at = edge.first + step * int(np.argmax(edge.gain))
        if edge.opens:
            edge.at = max(edge.at, edge.cue)
    for kind in (True, False):
        own = [
            edge
            for edge, begins in zip(edges, starts, strict=True)
            if begins == kind and edge.contrast >= LEAST_CONTRAST and not edge.opens
        ]
        if len(own) < USUAL_FROM:
            continue
        usual = float(np.median([edge.at - edge.cue for edge in own]))
        for edge in own:
            place = edge.first + step * np.arange(len(edge.gain)) - edge.cue
            away = (place - usual) / (USUAL_S * joined.rate)
            edge.at = edge.first + step * int(np.argmax(edge.gain - USUAL_WEIGHT * np.square(away) / 2))


def _relabelled(
    joined: Joined, stretches: Sequence[_Stretch], edges: Sequence[_Edge]
) -> tuple[Ids, Refinement]:
    """Return the labels with every edge moved, and nothing where no one can tell."""
    label = joined.label.copy()
    vague = 0
    without: list[tuple[int, int]] = []
    for edge in edges:
        before, after = stretches[edge.before], stretches[edge.before + 1]
        if edge.contrast >= LEAST_CONTRAST:
            label[edge.cue : edge.at] = before.label
            label[edge.at : edge.cue] = after.label
    missed = _missed(joined, stretches, edges)
    for edge in edges:
        if edge.contrast < LEAST_CONTRAST and not edge.opens:
            vague += 1
            without.append((edge.first, max(edge.cue, edge.first) + round(LATE_S / 2 * joined.rate)))
    without += [(stretches[number].begin, stretches[number].end) for number in missed]
    for begin, end in without:
        label[begin:end] = UNLABELLED
    names = tuple(joined.classes[stretches[number].label] for number in missed)
    return label, Refinement(left_out=len(missed), left_out_of=names, vague=vague, without=tuple(without))


def _missed(joined: Joined, stretches: Sequence[_Stretch], edges: Sequence[_Edge]) -> list[int]:
    """Return the gesture stretches that look like what lies on both sides, where most others of the class do not."""
    unlike: dict[int, list[tuple[int, bool]]] = {}
    for number, stretch in enumerate(stretches):
        around = _around(number, stretches, edges)
        if stretch.label not in (UNLABELLED, joined.rest) and around:
            told = max(edge.contrast for edge in around) >= LEAST_CONTRAST
            unlike.setdefault(stretch.label, []).append((number, told))
    return [
        number
        for found in unlike.values()
        if sum(told for _, told in found) > HELD * len(found)
        for number, told in found
        if not told
    ]


def _around(number: int, stretches: Sequence[_Stretch], edges: Sequence[_Edge]) -> list[_Edge]:
    """Return the edges at the begin and at the end of a stretch."""
    ends = [stretches[k].edge for k in (number - 1, number) if k >= 0]
    return [edges[k] for k in ends if k >= 0 and edges[k].before in (number - 1, number)]


def _contrasts(joined: Joined, stretches: Sequence[_Stretch], edges: Sequence[_Edge]) -> tuple[float, ...]:
    found: list[list[float]] = [[] for _ in joined.classes]
    for number, stretch in enumerate(stretches):
        around = _around(number, stretches, edges)
        if stretch.label not in (UNLABELLED, joined.rest) and around:
            found[stretch.label].append(max(edge.contrast for edge in around))
    return tuple(float(np.median(values)) if values else float("nan") for values in found)


def _moved(joined: Joined, edges: Sequence[_Edge]) -> Ids:
    """Return the repetitions with every edge moved along with its label."""
    repetition: Ids = joined.repetition.copy()
    for edge in edges:
        if edge.contrast >= LEAST_CONTRAST:
            repetition[edge.cue : edge.at] = joined.repetition[edge.cue - 1]
            repetition[edge.at : edge.cue] = joined.repetition[edge.cue]
    return repetition
