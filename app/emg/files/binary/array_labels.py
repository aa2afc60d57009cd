"""Which of a file's arrays is the labels, a number or a word for each sample or trial, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.files.binary.array_info import ArrayInfo, first_of, listed, named_among
from app.emg.files.binary.channel_choice import kind_of
from app.emg.files.binary.event_labels import NO_LABELS
from app.emg.files.imported import ImportHints
from app.emg.files.table.labels import of_words
from app.emg.source import UNLABELLED, Labels
from app.errors import DataError

MOST_CUT = 0.01  # of an array that is longer than the EMG
MAX_GESTURES = 64
LONG_RUNS = 20  # samples that a label lasts, in the mean
SHOWN = 6  # gestures of an array that may be the labels

LABELS = (
    *("restimulus", "relabel", "label_refined", "stimulus", "labels", "label", "gestures", "gesture"),
    *("classes", "class", "movements", "movement", "targets", "target", "y"),
)
REPETITIONS = (
    *("rerepetition", "rerep", "repetition_refined", "repetitions", "repetition", "rep", "reps", "trial"),
    *("trials",),
)
_WORDED = (*LABELS, "gesturename", "classname", "labelname", "movementname", "gesturelabel", "task")
_NEVER = (
    *("time", "times", "t", "fs", "rate", "subject", "session", "recording", "exercise", *REPETITIONS),
    *("channelnames", "channels", "channellabels", "chnames", "description", "electrodes", "muscles"),
)
_MAY_BE = ("", "EMG", "trigger")  # kinds of channels by their names


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """The labels of all samples, and what they mean."""

    names: tuple[str, ...]
    rest: str | None
    labels: Labels
    assumed: tuple[str, ...]


def as_long(arrays: Sequence[ArrayInfo], emg: ArrayInfo) -> list[ArrayInfo]:
    """Return those with one number a sample, or a trial; a few too many are cut."""
    return [
        array
        for array in arrays
        if array.flat
        and not array.part
        and not array.text
        and (
            emg.length <= array.length <= emg.length * (1 + MOST_CUT) + 1
            or array.length == len(emg.parts) > 1
        )
    ]


def label_of(
    path: Path, arrays: Sequence[ArrayInfo], emg: ArrayInfo, hints: ImportHints
) -> tuple[ArrayInfo | None, tuple[str, ...]]:
    """Return the array of the labels, and what was assumed of it; None where nothing is called so.

    Raises:
        DataError: the one that is named is not there, or is no label for each sample or trial.
    """
    if hints.label == NO_LABELS:
        return None, ()
    if hints.label is not None:
        return _as_named(path, arrays, emg, hints.label), ()
    worded = [array for array in arrays if array.text and _called(array, _WORDED) and _words_fit(array, emg)]
    numbered = as_long(arrays, emg)
    label = first_of(worded, _WORDED) or first_of(numbered, LABELS)
    fitting = [*worded, *(array for array in numbered if _called(array, LABELS))]
    others = [array.name for array in fitting if array is not label]
    if label is None or not others:
        return label, ()
    return label, (f"{label.name} is taken as the labels, before {', '.join(others)}; --label names another",)


def perhaps_labels(arrays: Sequence[ArrayInfo], emg: ArrayInfo) -> Iterator[str]:
    """Say which arrays may be the labels though they are not called so: few words, or few numbers each for long."""
    for array in arrays:
        if array is emg or _called(array, _NEVER) or kind_of(array.short) not in _MAY_BE:
            continue
        words = _few_words(array, emg) if array.text else _few_numbers(array, emg)
        if len(words) > 1:
            shown = ", ".join(words[:SHOWN]) + (", ..." if len(words) > SHOWN else "")
            yield f"{array.name} may be the labels ({shown}); --label {array.name} takes them"


def classes_of(path: Path, array: ArrayInfo, emg: ArrayInfo, hints: ImportHints) -> Classes:
    """Return the labels that an array holds.

    Raises:
        DataError: they are no whole numbers or words, or too many different ones; `hints.rest` is none of them.
    """
    if array.text:
        return _worded(path, array, emg, hints)
    values = by_sample(array, emg)
    if values.dtype.kind not in "biuf":
        raise DataError(f"{path.name}: {array} is not numbers; --label names others, --label none takes none")
    ids, names, rest, assumed = gestures(path, values, hints)
    labels = np.full(len(values), UNLABELLED, np.int16)  # below 0, and where there is no number
    for number, k in ids.items():
        labels[values == number] = k
    return Classes(names, rest, labels, assumed)


def by_sample(array: ArrayInfo, emg: ArrayInfo) -> npt.NDArray[Any]:
    """Return one number a sample, also where there is one a trial."""
    return _spread(np.asarray(array.value()).reshape(-1), emg)


def gestures(
    path: Path, values: npt.NDArray[Any], hints: ImportHints
) -> tuple[dict[int, int], tuple[str, ...], str | None, tuple[str, ...]]:
    """Return id by label, the names, which is rest, and what was assumed.

    Raises:
        DataError: they are no whole numbers, or too many different ones; `hints.rest` is none of them.
    """
    usable = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    classes = np.unique(usable[usable >= 0])
    if len(classes) > MAX_GESTURES or not (classes == np.trunc(classes)).all() or not len(classes):
        raise DataError(
            f"{path.name}: the labels are not whole numbers of at most {MAX_GESTURES} gestures; --label names "
            "others, --label none takes none"
        )
    numbers = [int(value) for value in classes]
    rest, assumed = _rest(path, numbers, hints)
    given = hints.gesture_names or ()
    names = [given[n] if n < len(given) else "rest" if n == rest else f"gesture_{n}" for n in numbers]
    if len(set(names)) != len(names):
        raise DataError(f"{path.name}: --gestures names two classes alike: {', '.join(names)}")
    ids = {number: k for k, number in enumerate(numbers)}
    return ids, tuple(names), names[ids[rest]] if rest is not None else None, assumed


def _rest(path: Path, numbers: Sequence[int], hints: ImportHints) -> tuple[int | None, tuple[str, ...]]:
    given = hints.gesture_names or ()
    if hints.rest is not None:
        number = given.index(hints.rest) if hints.rest in given else hints.rest
        if not str(number).isdecimal() or int(number) not in numbers:
            there = ", ".join(map(str, numbers))
            raise DataError(f"{path.name}: --rest {hints.rest!r} is not one of the classes {there}")
        return int(number), ()
    if 0 in numbers:
        return 0, ("class 0 is taken as rest; --rest says otherwise",)
    return None, ("which class is rest is not known; --rest names it",)


def _as_named(path: Path, arrays: Sequence[ArrayInfo], emg: ArrayInfo, said: str) -> ArrayInfo:
    named = named_among(arrays, said)
    if named is None:
        raise DataError(f"{path.name}: --label {said!r} is not there; there is {listed(arrays)}")
    array = named[0]
    if not (_words_fit(array, emg) if array.text else as_long([array], emg)):
        each = "sample or trial" if emg.parts else "sample"
        raise DataError(f"{path.name}: {array} is not one label a {each} of {emg}")
    return array


def _worded(path: Path, array: ArrayInfo, emg: ArrayInfo, hints: ImportHints) -> Classes:
    said = [str(text).strip() for text in array.value()]
    words = list(dict.fromkeys(said))
    found = of_words(path.name, words, hints)
    codes = {word: k for k, word in enumerate(words)}
    ids = found.ids[np.array([codes[word] for word in said])]
    none = () if found.rest else ("which class is rest is not known; --rest names it",)
    return Classes(found.gesture_names, found.rest, _spread(ids, emg), (*found.assumed, *none))


def _spread(values: npt.NDArray[Any], emg: ArrayInfo) -> npt.NDArray[Any]:
    return np.repeat(values, emg.parts) if len(values) == len(emg.parts) else values[: emg.length]


def _called(array: ArrayInfo, names: Sequence[str]) -> bool:
    return first_of([array], names) is not None


def _words_fit(array: ArrayInfo, emg: ArrayInfo) -> bool:
    """Return whether an array of texts holds one for each trial, or each sample."""
    return not array.part and len(array.value()) in {len(emg.parts) or emg.length, emg.length}


def _few_words(array: ArrayInfo, emg: ArrayInfo) -> list[str]:
    """Return the different words; none where they are no labels, or for each trial another that is no label."""
    if not _words_fit(array, emg):
        return []
    words = list(dict.fromkeys(text for one in array.value() if (text := str(one).strip())))
    return words if len(words) <= MAX_GESTURES else []


def _few_numbers(array: ArrayInfo, emg: ArrayInfo) -> list[str]:
    """Return the different numbers; none where they are no labels."""
    if not as_long([array], emg):
        return []
    values = np.asarray(array.value()).reshape(-1)
    if values.dtype.kind not in "biu" and not (np.isfinite(values) & (values == np.rint(values))).all():
        return []
    different = np.unique(values)
    long = len(values) == len(emg.parts) or np.count_nonzero(np.diff(values)) * LONG_RUNS <= len(values)
    return [f"{value:g}" for value in different] if long and len(different) <= MAX_GESTURES else []
