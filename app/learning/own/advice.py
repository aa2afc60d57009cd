"""What a person can do about a model of their own, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from app.learning.own.cues import Refinement
from app.learning.own.joined import Joined
from app.learning.own.judging import Judgement
from app.learning.own.learning_curve import CurvePoint, gain
from app.learning.own.windows import SILENT, OwnWindows

MISTAKEN = 0.2  # share of a gesture's windows taken for one other: worth a sentence
LOST = 0.3  # share taken for rest
LIKE_REST = 5.0  # contrast to what lies around it, below which a gesture looks like rest
SHORT_S = 4.0  # of a gesture in each repetition
FEW = 3  # repetitions; fewer make a rough figure
WORTH = 0.01  # of accuracy, that another repetition is likely to bring


def advice(
    joined: Joined,
    windows: OwnWindows,
    told: Refinement,
    judgement: Judgement | None,
    curve: Sequence[CurvePoint] = (),
) -> tuple[str, ...]:
    """Return what is wrong with the recordings or the model, and what would help; nothing where all is well."""
    lines = [*_flat(windows), *_labels(told), *_amount(joined, judgement)]
    resembling = _like_rest(joined, told, judgement)
    lines += [
        f"{name} looks like {joined.classes[joined.rest]}: make it stronger, or drop it"
        for name in resembling
    ]
    if judgement is not None:
        lines += _mistaken(joined, judgement)
        lines += _against(judgement)
    lines += _more(curve)
    return tuple(lines)


def flat_channels(windows: OwnWindows) -> tuple[int, ...]:
    """Return the channels, from 1, that hardly move in any gesture."""
    level = np.median(windows.power(np.arange(len(windows))), axis=0)
    loudest = windows.power(np.arange(len(windows))).max(axis=0)
    dead = (level <= SILENT * level.max()) & (loudest <= 1e-3 * loudest.max())
    return tuple((np.flatnonzero(dead) + 1).tolist())


def _flat(windows: OwnWindows) -> list[str]:
    dead = flat_channels(windows)
    if not dead:
        return []
    names = ", ".join(map(str, dead))
    subject = f"channel {names} was" if len(dead) == 1 else f"channels {names} were"
    return [
        f"{subject} flat in the recordings: fasten the electrode and record again, or the model is without it"
    ]


def _labels(told: Refinement) -> list[str]:
    lines = []
    if told.left_out:
        counts = Counter(told.left_out_of)
        names = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        lines.append(
            f"{_many(told.left_out, 'stretch', 'stretches')} look like what lies around them and were left out: "
            f"{names}; was the gesture made?"
        )
    if told.vague:
        lines.append(
            f"at {_many(told.vague, 'edge', 'edges')} of {told.edges} nobody can tell when the gesture began or ended; "
            "what lies around them was left out"
        )
    return lines


def _amount(joined: Joined, judgement: Judgement | None) -> list[str]:
    lines = []
    if judgement is None:
        lines.append(
            "there is one repetition of each gesture, so nothing is left to judge the model by: record more"
        )
    elif judgement.repetitions < FEW:
        few = _many(judgement.repetitions, "repetition", "repetitions")
        lines.append(f"with {few} the figures are rough: record more to know better")
    single = (
        []
        if judgement is None
        else [name for name, found in zip(judgement.classes, judgement.recall, strict=True) if found is None]
    )
    if single:
        lines.append(f"{_listed(single)} has one repetition and could not be judged")
    short = []
    for k, name in enumerate(joined.classes):
        count = len(np.unique(joined.repetition[joined.label == k]))
        if k != joined.rest and count and joined.seconds(k) / count < SHORT_S:
            short.append(name)
    if short:
        every = len(short) == len(joined.classes) - 1
        who = "every gesture" if every else _listed(short)
        last = "lasts" if every or len(short) == 1 else "last"
        lines.append(f"{who} {last} less than {SHORT_S:g} s a repetition: hold gestures for 5 s")
    return lines


def _like_rest(joined: Joined, told: Refinement, judgement: Judgement | None) -> list[str]:
    found = []
    for k, name in enumerate(joined.classes):
        if k == joined.rest:
            continue
        contrast = told.unlike[k] if told.unlike else float("nan")
        lost = 0.0 if judgement is None else _share(judgement, k, joined.rest)
        if contrast < LIKE_REST or lost >= LOST:
            found.append(name)
    return found


def _mistaken(joined: Joined, judgement: Judgement) -> list[str]:
    """Return a line for each pair of gestures that are taken for each other, the worst first."""
    pairs: list[tuple[float, str]] = []
    count = len(joined.classes)
    for k in range(count):
        for other in range(k + 1, count):
            if joined.rest in (k, other):
                continue
            there, back = _share(judgement, k, other), _share(judgement, other, k)
            if max(there, back) < MISTAKEN:
                continue
            one, two = joined.classes[k], joined.classes[other]
            if min(there, back) >= MISTAKEN / 2:
                text = f"{one} and {two} are mistaken for each other"
            else:
                text = f"{one} is taken for {two}" if there > back else f"{two} is taken for {one}"
            pairs.append((there + back, f"{text}: record them again, or drop one"))
    return [text for _, text in sorted(pairs, reverse=True)]


def _against(judgement: Judgement) -> list[str]:
    if judgement.balanced_accuracy + 0.02 < judgement.lda:
        return [
            f"the classic baseline is better on these recordings ({judgement.lda:.2f}): record more repetitions"
        ]
    return []


def _more(curve: Sequence[CurvePoint]) -> list[str]:
    found = gain(curve)
    if found is None or found[1] - found[0] < WORTH:
        return []
    now, then = found
    return [f"another repetition of each gesture would likely bring it from {now:.2f} to {then:.2f}"]


def _share(judgement: Judgement, true: int, other: int) -> float:
    total = judgement.confusion[true].sum()
    return float(judgement.confusion[true, other] / total) if total else 0.0


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _many(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
