"""What decisions over whole recordings are worth: sums over streams that add up, and the figures that they come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from app.emg.source import UNLABELLED

if TYPE_CHECKING:
    from app.learning.replays.replay import Ids, Replay

Sums = dict[str, float]
FIRST_S = 1.0  # after a change from gesture to gesture, in which decisions are counted


def quality(stream: Replay, decisions: Ids, rest: int) -> Sums:
    """Return sums over the windows of one stream that count, to be added up and turned into figures by `figures`."""
    known = (stream.truth != UNLABELLED) & stream.counts
    follows = known[1:] & (np.diff(stream.stretch) == 0)
    kept = follows & (decisions[1:] == decisions[:-1])
    resting = known & (stream.truth == rest)
    starts = resting[1:] & follows & (decisions[1:] != rest) & (decisions[:-1] == rest)
    return {
        "pairs": float(follows.sum()),
        "kept": float(kept.sum()),
        "activations": float(starts.sum()),
        "rest_s": float(resting.sum() * stream.period_s),
        **_gestures(stream, decisions, known & ~resting),
        **_returns(stream, decisions, resting, rest),
        **_windows(stream, decisions, known),
    }


def change_quality(stream: Replay, decisions: Ids) -> Sums:
    """Return the same of a stream in which every piece is a gesture and then another."""
    sums = dict.fromkeys(("changes", "changed", "change_s", "first_s_windows", "first_s_right"), 0.0)
    for piece in np.unique(stream.piece):
        rows = np.flatnonzero(stream.piece == piece)
        later = rows[stream.truth[rows] != stream.truth[rows[0]]]
        if not len(later) or not stream.counts[later[0]]:
            continue
        right = decisions[later] == stream.truth[later]
        soon = stream.after_s[later] <= FIRST_S + 1e-9
        sums["changes"] += 1
        sums["first_s_windows"] += float(soon.sum())
        sums["first_s_right"] += float((soon & right).sum())
        if right.any():
            sums["changed"] += 1
            sums["change_s"] += float(stream.after_s[later[np.argmax(right)]])
    return sums


def figures(sums: Sequence[Sums]) -> dict[str, float | None]:
    """Return what `quality` of all streams comes to. None where there was nothing to measure."""
    total = added(sums)
    per_rest_s = _ratio(total["activations"], total["rest_s"])
    classes = [name.removeprefix("windows ") for name in total if name.startswith("windows ")]
    recalls = [_ratio(total[f"right {name}"], total[f"windows {name}"]) for name in classes]
    found = [recall for recall in recalls if recall is not None]
    windows = sum(total[f"windows {name}"] for name in classes)
    return {
        "gestures_found": _ratio(total["found"], total["gestures"]),
        "time_to_first_correct_s": _ratio(total["delay_s"], total["found"]),
        "false_activations_per_rest_minute": None if per_rest_s is None else 60 * per_rest_s,
        "stability": _ratio(total["kept"], total["pairs"]),
        "false_activations_per_rest_hour": None if per_rest_s is None else 3600 * per_rest_s,
        "back_at_rest_s": _ratio(total["back_s"], total["back"]),
        "never_back_at_rest": _ratio(total["ends"] - total["back"], total["ends"]),
        "right": _ratio(sum(total[f"right {name}"] for name in classes), windows),
        "right_balanced": float(np.mean(found)) if found else None,
        "rest_hours": total["rest_s"] / 3600 or None,
    }


def change_figures(sums: Sequence[Sums]) -> dict[str, float | None]:
    """Return what `change_quality` of all streams comes to."""
    total = added(sums)
    return {
        "changes": total.get("changes") or None,
        "change_right_in_first_second": _ratio(total["first_s_right"], total["first_s_windows"]),
        "change_first_correct_s": _ratio(total["change_s"], total["changed"]),
    }


def added(sums: Sequence[Sums]) -> Sums:
    """Return the sums of all streams together; a class that one of them lacks counts nothing there."""
    names = dict.fromkeys(name for one in sums for name in one)
    return {name: sum(one.get(name, 0.0) for one in sums) for name in names}


def _gestures(stream: Replay, decisions: Ids, gesturing: npt.NDArray[np.bool_]) -> Sums:
    """Return how many gestures were found, and after how long."""
    sums = dict.fromkeys(("gestures", "found", "delay_s"), 0.0)
    for here in _stretches(stream, gesturing):
        right = np.flatnonzero(decisions[here] == stream.truth[here])
        sums["gestures"] += 1
        if len(right):
            sums["found"] += 1
            sums["delay_s"] += float(stream.after_s[here[right[0]]])
    return sums


def _returns(stream: Replay, decisions: Ids, resting: npt.NDArray[np.bool_], rest: int) -> Sums:
    """Return how many gestures ended, and how long the decision took to be rest again."""
    sums = dict.fromkeys(("ends", "back", "back_s"), 0.0)
    for here in _stretches(stream, resting):
        before = here[0] - 1
        if before < 0 or stream.piece[before] != stream.piece[here[0]]:
            continue  # nothing came before it
        again = np.flatnonzero(decisions[here] == rest)
        sums["ends"] += 1
        if len(again):
            sums["back"] += 1
            sums["back_s"] += float(stream.after_s[here[again[0]]])
    return sums


def _windows(stream: Replay, decisions: Ids, known: npt.NDArray[np.bool_]) -> Sums:
    """Return how many windows there are of each class, and how many of them are decided right."""
    sums = {}
    for number in np.unique(stream.truth[known]):
        here = known & (stream.truth == number)
        sums[f"windows {number}"] = float(here.sum())
        sums[f"right {number}"] = float((here & (decisions == number)).sum())
    return sums


def _stretches(stream: Replay, among: npt.NDArray[np.bool_]) -> list[Ids]:
    """Return the windows of each stretch whose first is among those, as far as they are."""
    firsts = np.searchsorted(stream.stretch, np.unique(stream.stretch))
    return [np.flatnonzero(among & (stream.stretch == stream.stretch[k])) for k in firsts if among[k]]


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
