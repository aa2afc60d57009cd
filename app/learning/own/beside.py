"""A model beside others on the windows by which it was judged: how good each is, and how far it is ahead of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from app.learning.jobs.order import CHANCE, LDA, NEW
from app.learning.own.joined import Ids
from app.learning.own.judging import Judgement, ahead_of, balanced, interval_of, tables_of

UNKNOWN = -1  # predicted: a gesture that was not shown, or one of another name


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Other:
    """What another model makes of the windows of a judgement."""

    who: str
    model: str
    predicted: Ids | None  # of the judgement's classes, or UNKNOWN; None: it cannot be told
    why: str | None = None  # it cannot be told


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The figures of one of them; nulls where it cannot be told, and of guessing what it has none of."""

    who: str
    model: str | None
    accuracy: float | None  # balanced; a gesture that it does not know counts as never found
    interval: tuple[float, float] | None  # 95 %, of what later repetitions give
    ahead: tuple[float, float] | None  # between what the new model is better, by 95 %, on later repetitions
    recall: dict[str, float | None] | None  # of each gesture; None: it was not tested
    why: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """By how much they were judged."""

    windows: int
    repetitions: int  # of the gesture that has fewest
    gestures: dict[str, dict[str, int]]  # its windows and repetitions

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def beside(model: str, found: Judgement, others: Sequence[Other]) -> list[Row]:
    """Return the new model, the others, the classic baseline and guessing."""
    own = found.logits.argmax(1)
    rows = [_row(NEW, model, found, own, None)]
    rows += [
        _row(one.who, one.model, found, one.predicted, own)
        if one.predicted is not None
        else _untold(one.who, one.model, one.why)
        for one in others
    ]
    rows.append(_row(LDA, None, found, found.baseline, own))
    guessing = _untold(CHANCE, None, None)
    return [*rows, replace(guessing, accuracy=round(found.chance, 4))]


def extent_of(found: Judgement) -> Extent:
    """Return how many windows and repetitions of each gesture it was judged by."""
    counts = {
        name: {
            "windows": int((found.label == k).sum()),
            "repetitions": len(np.unique(found.repetition[found.label == k])),
        }
        for k, name in enumerate(found.classes)
    }
    return Extent(windows=found.windows, repetitions=found.repetitions, gestures=counts)


def _row(who: str, model: str | None, found: Judgement, predicted: Ids, own: Ids | None) -> Row:
    label, repetition, count = found.label, found.repetition, len(found.classes)
    low, high = interval_of(tables_of(label, predicted, repetition, count))
    return Row(
        who=who,
        model=model,
        accuracy=round(balanced(label, predicted), 4),
        interval=(round(low, 4), round(high, 4)),
        ahead=None if own is None else _rounded(ahead_of(label, own, predicted, repetition)),
        recall={
            name: round(float(np.mean(predicted[label == k] == k)), 4) if (label == k).any() else None
            for k, name in enumerate(found.classes)
        },
    )


def _untold(who: str, model: str | None, why: str | None) -> Row:
    return Row(who=who, model=model, accuracy=None, interval=None, ahead=None, recall=None, why=why)


def _rounded(pair: tuple[float, float]) -> tuple[float, float]:
    return round(pair[0], 4), round(pair[1], 4)
