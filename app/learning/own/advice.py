"""What a person can do about a model of their own, in sentences that programs can read too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from app.learning.own.cues import Refinement
from app.learning.own.hint import Hint
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
) -> tuple[Hint, ...]:
    """Return what is wrong with the recordings or the model, and what would help; nothing where all is well."""
    lines = [*_flat(windows), *_labels(told), *_amount(joined, judgement)]
    resembling = _like_rest(joined, told, judgement)
    lines += [
        Hint(
            "like_rest",
            f"{name} looks like {joined.classes[joined.rest]}: make it stronger, or drop it",
            {"gesture": name, "rest": joined.classes[joined.rest]},
        )
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


def _flat(windows: OwnWindows) -> list[Hint]:
    dead = flat_channels(windows)
    if not dead:
        return []
    names = ", ".join(map(str, dead))
    subject = f"channel {names} was" if len(dead) == 1 else f"channels {names} were"
    return [
        Hint(
            "flat",
            f"{subject} flat in the recordings: fasten the electrode and record again, or the model is without it",
            {"channels": list(dead)},
        )
    ]


def _labels(told: Refinement) -> list[Hint]:
    lines = []
    if told.left_out:
        counts = Counter(told.left_out_of)
        names = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        were = (
            "stretch looks like what lies around it and was"
            if told.left_out == 1
            else ("stretches look like what lies around them and were")
        )
        text = f"{told.left_out} {were} left out: {names}; was the gesture made?"
        gestures = [{"gesture": name, "count": count} for name, count in sorted(counts.items())]
        lines.append(Hint("left_out", text, {"count": told.left_out, "gestures": gestures}))
    if told.vague:
        text = (
            f"at {_many(told.vague, 'edge', 'edges')} of {told.edges} nobody can tell when the gesture began or ended; "
            "what lies around them was left out"
        )
        lines.append(Hint("vague", text, {"count": told.vague, "of": told.edges}))
    return lines


def _amount(joined: Joined, judgement: Judgement | None) -> list[Hint]:
    lines = []
    if judgement is None:
        text = (
            "there is one repetition of each gesture, so nothing is left to judge the model by: record more"
        )
        lines.append(Hint("one_repetition", text))
    elif judgement.repetitions < FEW:
        few = _many(judgement.repetitions, "repetition", "repetitions")
        text = f"with {few} the figures are rough: record more to know better"
        lines.append(Hint("few_repetitions", text, {"repetitions": judgement.repetitions}))
    single = (
        []
        if judgement is None
        else [name for name, found in zip(judgement.classes, judgement.recall, strict=True) if found is None]
    )
    if single:
        text = f"{_listed(single)} {'has' if len(single) == 1 else 'have'} one repetition and could not be judged"
        lines.append(Hint("single", text, {"gestures": single}))
    short = []
    for k, name in enumerate(joined.classes):
        count = len(np.unique(joined.repetition[joined.label == k]))
        if k != joined.rest and count and joined.seconds(k) / count < SHORT_S:
            short.append(name)
    if short:
        every = len(short) == len(joined.classes) - 1
        who = "every gesture" if every else _listed(short)
        last = "lasts" if every or len(short) == 1 else "last"
        text = f"{who} {last} less than {SHORT_S:g} s a repetition: hold gestures for 5 s"
        lines.append(Hint("short", text, {"gestures": short, "every": every, "seconds": SHORT_S}))
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


def _mistaken(joined: Joined, judgement: Judgement) -> list[Hint]:
    """Return a line for each pair of gestures that are taken for each other, the worst first."""
    pairs: list[tuple[float, Hint]] = []
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
                text, code = f"{one} and {two} are mistaken for each other", "mistaken"
                values = {"gestures": [one, two]}
            else:
                made, taken = (one, two) if there > back else (two, one)
                text, code = f"{made} is taken for {taken}", "taken_for"
                values = {"gestures": [made, taken]}
            pairs.append((there + back, Hint(code, f"{text}: record them again, or drop one", values)))
    return [hint for _, hint in sorted(pairs, key=lambda pair: (pair[0], pair[1].text), reverse=True)]


def _against(judgement: Judgement) -> list[Hint]:
    if judgement.balanced_accuracy + 0.02 < judgement.lda:
        text = f"the classic baseline is better on these recordings ({judgement.lda:.2f}): record more repetitions"
        return [Hint("baseline", text, {"accuracy": round(judgement.lda, 4)})]
    return []


def _more(curve: Sequence[CurvePoint]) -> list[Hint]:
    found = gain(curve)
    if found is None or found[1] - found[0] < WORTH:
        return []
    now, then = found
    text = f"another repetition of each gesture would likely bring it from {now:.2f} to {then:.2f}"
    return [Hint("more", text, {"now": round(now, 4), "then": round(then, 4)})]


def _share(judgement: Judgement, true: int, other: int) -> float:
    total = judgement.confusion[true].sum()
    return float(judgement.confusion[true, other] / total) if total else 0.0


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _many(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
