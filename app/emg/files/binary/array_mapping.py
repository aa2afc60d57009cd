"""Which of a file's arrays is the EMG, which the labels, which the rate: said by a person, or found by looking."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.files.binary.channel_choice import chosen, kind_of
from app.emg.files.binary.event_labels import NO_LABELS
from app.emg.files.imported import ImportHints
from app.errors import DataError

LEAST_ROWS = 20
MOST_CUT = 0.01  # of an array that is longer than the EMG
MAX_GESTURES = 64
MAX_LISTED = 20

_EMG = ("emg", "semg", "emg_data", "emgdata", "raw", "raw_emg", "signal", "signals", "data", "x")
_LABELS = (
    *("restimulus", "relabel", "label_refined", "stimulus", "labels", "label", "gestures", "gesture"),
    *("classes", "class", "movements", "movement", "targets", "target", "y"),
)
_REPETITIONS = (
    *("rerepetition", "rerep", "repetition_refined", "repetitions", "repetition", "rep", "reps", "trial"),
    *("trials",),
)
_RATES = (
    *(
        "fs",
        "fsamp",
        "frequency",
        "samplingfrequency",
        "samplingrate",
        "samplerate",
        "srate",
        "sfreq",
        "rate",
    ),
    *("emgfs", "fsemg", "freq", "samplefrequency", "hz"),
)
_TIMES = ("time", "times", "t", "timestamp", "timestamps", "timeseconds", "tvec")
_NAMES = (
    "channelnames",
    "channels",
    "channellabels",
    "chnames",
    "description",
    "electrodes",
    "muscles",
    "names",
)
_GESTURES = ("gesturenames", "classnames", "labelnames", "movementnames", "gesturelabels")
_UNITS = ("units", "unit", "emgunits")
_SUBJECTS = ("subject", "subj", "subjectid", "participant")


@dataclass(frozen=True, slots=True, eq=False)
class ArrayInfo:
    """An array of a file that has not been read yet. `rows` gives some of it along its axis `axis`, as they are.

    `parts` are the rows of each trial where it is several, one behind the other; `part`: it is one of those.
    """

    name: str
    shape: tuple[int, ...]
    text: bool
    value: Callable[[], Any]  # all of it; of a text, a list of texts
    rows: Callable[[int, int, int], npt.NDArray[Any]]
    parts: tuple[int, ...] = ()
    part: bool = False

    @property
    def short(self) -> str:
        """Its own name, without that of the struct or group that it lies in, and without case."""
        return re.sub(r"\(\d+\)$", "", re.split(r"[./@]", self.name)[-1]).lower()

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def length(self) -> int:
        """The number of rows, were it a signal or one number a sample."""
        return max(self.shape, default=0)

    @property
    def flat(self) -> bool:
        return self.size == self.length

    def __str__(self) -> str:
        return f"{self.name} ({'text' if self.text else ' x '.join(map(str, self.shape)) or 'one number'})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mapping:
    """What was proposed. `places` are the channels that are taken of `emg`, None: all."""

    emg: ArrayInfo
    axis: int  # of time
    places: tuple[int, ...] | None
    label: ArrayInfo | None
    repetition: ArrayInfo | None
    rate: ArrayInfo | None
    time: ArrayInfo | None
    names: ArrayInfo | None
    gestures: ArrayInfo | None  # what classes 0, 1, ... are called
    units: ArrayInfo | None
    subject: ArrayInfo | None
    aux: tuple[ArrayInfo, ...]
    found: tuple[str, ...]
    assumed: tuple[str, ...]

    @property
    def channels(self) -> int:
        return self.emg.size // self.emg.length


def propose(path: Path, arrays: Sequence[ArrayInfo], hints: ImportHints) -> Mapping:
    """Return what is what.

    Raises:
        DataError: what is named is not there, or which array is the EMG cannot be told; lists what there is.
    """
    numeric = [array for array in arrays if not array.text]
    emg, part, assumed = _emg(path, numeric, hints)
    others = [array for array in numeric if array is not emg]
    axis = int(np.argmax(emg.shape)) if emg.shape else 0
    label, of_label = _label(path, others, emg, hints)
    found = [
        f"the EMG is {emg}"
        + (", turned: its rows are the channels" if axis == len(emg.shape) - 1 > 0 else "")
    ]
    if label is not None:
        found.append(f"the labels are {label}")
    return Mapping(
        emg=emg,
        axis=axis,
        places=_places(path, emg, part),
        label=label,
        repetition=_first(_as_long(others, emg), _REPETITIONS) if label is not None else None,
        rate=_first([array for array in others if array.size == 1], _RATES),
        time=_time(path, others, emg, hints),
        names=_first([array for array in arrays if array.text], _NAMES),
        gestures=_first([array for array in arrays if array.text], _GESTURES),
        units=_first([array for array in arrays if array.text], _UNITS),
        subject=_first([array for array in arrays if array.text or array.size == 1], _SUBJECTS),
        aux=tuple(_aux(others, emg)),
        found=tuple(found),
        assumed=(*assumed, *of_label, *_trials(emg)),
    )


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


def _emg(
    path: Path, arrays: Sequence[ArrayInfo], hints: ImportHints
) -> tuple[ArrayInfo, str | None, tuple[str, ...]]:
    """Return the EMG's array, which of its channels were named, and what was assumed."""
    named = _named(arrays, hints.emg)
    if named is not None:
        _expect_signal(path, *named)
        return named[0], named[1], ()
    if hints.emg is not None and not re.fullmatch(r"[\d,\s-]+", hints.emg):
        raise DataError(f"{path.name}: --emg {hints.emg!r} is not there; there is {_listed(arrays)}")
    may_be = [array for array in arrays if _may_be_signal(array) and not array.part]
    for fitting in (
        [array for array in may_be if array.short == "emg"],
        [array for array in may_be if "emg" in array.short],
    ):
        if len(fitting) == 1:
            return fitting[0], hints.emg, ()
        if fitting:
            raise DataError(
                f"{path.name}: more than one array may be the EMG: {_listed(fitting)}; --emg names it"
            )
    only = [array for array in may_be if array.short in _EMG] or may_be
    longest = max((array.length for array in only), default=0)
    only = [array for array in only if array.length == longest] if len(only) > 1 else only
    if len(only) == 1:
        return only[0], hints.emg, (f"{only[0].name} is taken as the EMG; --emg names another",)
    if not only:
        raise DataError(f"{path.name}: holds no array that is a signal; there is {_listed(arrays)}")
    raise DataError(f"{path.name}: which array is the EMG cannot be told: {_listed(only)}; --emg names it")


def _trials(emg: ArrayInfo) -> tuple[str, ...]:
    if not emg.parts:
        return ()
    return (
        f"the {len(emg.parts)} trials of {emg.name} are taken one after the other; --emg '{emg.name}(1)' takes one",
    )


def _may_be_signal(array: ArrayInfo) -> bool:
    sides = sorted((side for side in array.shape if side != 1), reverse=True)
    if not 1 <= len(sides) <= 2 or sides[0] < LEAST_ROWS or (len(sides) == 2 and sides[0] <= sides[1]):
        return False
    known = {
        *_LABELS,
        *_REPETITIONS,
        *_TIMES,
        *_RATES,
        "subject",
        "session",
        "exercise",
        "object",
        "recording",
    }
    return array.short not in known and kind_of(array.short) in ("", "EMG")


def _expect_signal(path: Path, array: ArrayInfo, _part: str | None) -> None:
    if len([side for side in array.shape if side != 1]) > 2 or array.length < 2:
        raise DataError(f"{path.name}: {array} is no signal; that has samples and channels")


def _places(path: Path, emg: ArrayInfo, part: str | None) -> tuple[int, ...] | None:
    if part is None:
        return None
    return chosen(path, [f"ch{k}" for k in range(1, emg.size // emg.length + 1)], part)


def _label(
    path: Path, arrays: Sequence[ArrayInfo], emg: ArrayInfo, hints: ImportHints
) -> tuple[ArrayInfo | None, tuple[str, ...]]:
    if hints.label == NO_LABELS:
        return None, ()
    if hints.label is not None:
        named = _named(arrays, hints.label)
        if named is None:
            raise DataError(f"{path.name}: --label {hints.label!r} is not there; there is {_listed(arrays)}")
        if not _as_long([named[0]], emg):
            raise DataError(f"{path.name}: {named[0]} is not one label a sample of {emg}")
        return named[0], ()
    fitting = _as_long(arrays, emg)
    label = _first(fitting, _LABELS)
    others = [array.name for array in fitting if array.short in _LABELS and array is not label]
    if label is None or not others:
        return label, ()
    return label, (f"{label.name} is taken as the labels, before {', '.join(others)}; --label names another",)


def _as_long(arrays: Sequence[ArrayInfo], emg: ArrayInfo) -> list[ArrayInfo]:
    """Return those with one number a sample, or a trial; a few too many are cut."""
    return [
        array
        for array in arrays
        if array.flat
        and not array.part
        and (
            emg.length <= array.length <= emg.length * (1 + MOST_CUT) + 1
            or array.length == len(emg.parts) > 1
        )
    ]


def _time(path: Path, arrays: Sequence[ArrayInfo], emg: ArrayInfo, hints: ImportHints) -> ArrayInfo | None:
    if hints.time == "none":
        return None
    if hints.time is not None:
        named = _named(arrays, hints.time)
        if named is None or not _as_long([named[0]], emg):
            raise DataError(
                f"{path.name}: --time {hints.time!r} is not one time a sample; there is {_listed(arrays)}"
            )
        return named[0]
    return _first(_as_long(arrays, emg), _TIMES)


def _aux(arrays: Sequence[ArrayInfo], emg: ArrayInfo) -> Iterator[ArrayInfo]:
    """Yield what is beside the EMG at its own rate: accelerometers and the like."""
    for array in arrays:
        sides = sorted((side for side in array.shape if side != 1), reverse=True)
        signal = not array.part and 1 <= len(sides) <= 2 and LEAST_ROWS <= array.length == emg.length
        if signal and kind_of(array.short) not in ("", "EMG") and array.size // array.length <= 64:
            yield array


def _first(arrays: Sequence[ArrayInfo], names: Sequence[str]) -> ArrayInfo | None:
    plain = {name.replace("_", ""): k for k, name in reversed(list(enumerate(names)))}
    fitting = [array for array in arrays if array.short.replace("_", "") in plain]
    return min(fitting, key=lambda array: plain[array.short.replace("_", "")], default=None)


def _named(arrays: Sequence[ArrayInfo], said: str | None) -> tuple[ArrayInfo, str | None] | None:
    """Return the array of that name, or `name:channels`; by its own name where that is the only one."""
    if said is None:
        return None
    name, _, part = said.partition(":")
    for called, rest in ((said, None), (name, part or None)):
        exact = [array for array in arrays if array.name == called]
        short = [array for array in arrays if array.short == called.lower()]
        if exact or len(short) == 1:
            return (exact or short)[0], rest
    return None


def _listed(arrays: Sequence[ArrayInfo]) -> str:
    more = f" and {len(arrays) - MAX_LISTED} more" if len(arrays) > MAX_LISTED else ""
    return (", ".join(str(array) for array in arrays[:MAX_LISTED]) or "nothing") + more
