"""From what a label column holds to ids of gestures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.counted import counted, verb
from app.emg.files.imported import ImportHints
from app.emg.files.recordings import numbered
from app.emg.source import UNLABELLED, Labels
from app.errors import DataError

MOST = 64  # gestures of a recording
MOST_VALUES = 256  # different numbers in a column, beyond which it is no label
RESTS = (
    "rest",
    "no motion",
    "no_motion",
    "nomotion",
    "no movement",
    "neutral",
    "relax",
    "relaxed",
    "idle",
    "none",
    "ruhe",
)


@dataclass(frozen=True, slots=True, eq=False)
class LabelNames:
    """The gestures of a file, and which value of its column is which."""

    gesture_names: tuple[str, ...]
    rest: str | None
    values: npt.NDArray[np.float64]  # rising
    ids: Labels  # of each of those
    assumed: tuple[str, ...] = ()

    def of(self, column: npt.NDArray[np.float32]) -> Labels:
        """Return the ids of a column's rows; UNLABELLED where it holds nothing that is known."""
        if not len(self.values):
            return np.full(len(column), UNLABELLED, np.int16)
        at = np.minimum(np.searchsorted(self.values, column), len(self.values) - 1)
        return np.where(self.values[at] == column, self.ids[at], np.int16(UNLABELLED))


def rest_of(names: Sequence[str]) -> str | None:
    """Return which of the names is rest; None where none says so."""
    return next((name for name in names if name.strip().lower() in RESTS), None)


def of_words(file: str, words: Sequence[str], hints: ImportHints) -> LabelNames:
    """Return the gestures of a column of words; code k stands for `words[k]`.

    Raises:
        DataError: there are too many, or --rest names none of them.
    """
    names = [word for word in dict.fromkeys(words) if word]
    _expect_few(file, len(names))
    rest = _named_rest(file, names, hints) or rest_of(names)
    if rest is not None:  # it comes first, as in recordings of our own
        names = [rest, *(name for name in names if name != rest)]
    ids = [names.index(word) if word else UNLABELLED for word in words]
    return LabelNames(tuple(names), rest, np.arange(len(words), dtype=np.float64), np.array(ids, np.int16))


def of_numbers(file: str, found: Sequence[float], hints: ImportHints, rest: int | None = None) -> LabelNames:
    """Return the gestures of a column of numbers, named by hand or counted; below 0 nothing is labelled.

    Raises:
        DataError: they are no whole numbers, too many, or beyond the names given.
    """
    values = np.array(sorted(value for value in found if np.isfinite(value)))
    if (values != np.rint(values)).any():
        raise DataError(
            f"{file}: the label column holds {values[values != np.rint(values)][0]:g}; whole numbers "
            "or words are expected"
        )
    classes = values[values >= 0].astype(int).tolist()
    names, assumed = _names(file, classes, hints, rest)
    compact = (
        hints.gesture_names is None and len(names) == len(classes) and bool(classes) and classes[-1] >= MOST
    )
    ids = [(classes.index(int(v)) if compact else int(v)) if v >= 0 else UNLABELLED for v in values]
    known = _named_rest(file, names, hints)
    return LabelNames(tuple(names), known or rest_of(names), values, np.array(ids, np.int16), tuple(assumed))


def _names(
    file: str, classes: list[int], hints: ImportHints, rest: int | None
) -> tuple[list[str], list[str]]:
    _expect_few(file, len(classes))
    highest = max(classes, default=0)
    if hints.gesture_names is not None:
        if highest >= len(hints.gesture_names):
            named = len(hints.gesture_names)
            raise DataError(
                f"{file}: the labels go up to {highest}, and {counted(named, 'gesture')} {verb(named, 'is', 'are')} "
                f"named; they are counted from 0, so {counted(highest + 1, 'name')} are needed"
            )
        return list(hints.gesture_names), []
    if hints.rest is not None and hints.rest.strip().isdigit():
        rest = int(hints.rest)
    resting = 0 if rest is None else rest
    if highest < MOST:
        names = list(numbered(highest))
        if resting:
            names[0] = "gesture_0"
            names += [f"gesture_{k}" for k in range(len(names), resting + 1)]
            names[resting] = "rest"
    else:
        names = ["rest" if k == resting else f"gesture_{k}" for k in classes]
    if rest is None:
        return names, [
            "label 0 is taken as rest, the others are numbered; --rest N says which is, --gestures names them"
        ]
    return names, []


def _named_rest(file: str, names: Sequence[str], hints: ImportHints) -> str | None:
    """Return the name of rest that a person gives, by name or by number."""
    if hints.rest is None:
        return None
    said = hints.rest.strip()
    if said in names:
        return said
    if said.isdigit() and int(said) < len(names):
        return names[int(said)]
    raise DataError(f"{file}: --rest {said}: the gestures are {', '.join(names)}")


def _expect_few(file: str, count: int) -> None:
    if count > MOST:
        raise DataError(
            f"{file}: the label column holds {count} gestures, at most {MOST} are read; --label says "
            "another column, or none"
        )
