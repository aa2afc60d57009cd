"""Which of a file's arrays is the EMG, which the labels, which the rate: said by a person, or found by looking."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.emg.files.binary.array_info import ArrayInfo, first_of, listed, named_among
from app.emg.files.binary.array_labels import LABELS, REPETITIONS, as_long, label_of, perhaps_labels
from app.emg.files.binary.channel_choice import chosen, kind_of
from app.emg.files.imported import ImportHints
from app.errors import DataError

LEAST_ROWS = 20

_EMG = ("emg", "semg", "emg_data", "emgdata", "raw", "raw_emg", "signal", "signals", "data", "x")
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
    texts = [array for array in arrays if array.text]
    label, of_label = label_of(path, [*others, *texts], emg, hints)
    found = [
        f"the EMG is {emg}"
        + (", turned: its rows are the channels" if axis == len(emg.shape) - 1 > 0 else "")
    ]
    if label is not None:
        found.append(f"the labels are {label}")
    if hints.label is None:
        found += perhaps_labels([*others, *texts] if label is None else [] if label.text else texts, emg)
    return Mapping(
        emg=emg,
        axis=axis,
        places=_places(path, emg, part),
        label=label,
        repetition=first_of(as_long(others, emg), REPETITIONS) if label is not None else None,
        rate=first_of([array for array in others if array.size == 1], _RATES),
        time=_time(path, others, emg, hints),
        names=first_of(texts, _NAMES),
        gestures=first_of(texts, _GESTURES),
        units=first_of(texts, _UNITS),
        subject=first_of([array for array in arrays if array.text or array.size == 1], _SUBJECTS),
        aux=tuple(_aux(others, emg)),
        found=tuple(found),
        assumed=(*assumed, *of_label, *_trials(emg)),
    )


def _emg(
    path: Path, arrays: Sequence[ArrayInfo], hints: ImportHints
) -> tuple[ArrayInfo, str | None, tuple[str, ...]]:
    """Return the EMG's array, which of its channels were named, and what was assumed."""
    named = named_among(arrays, hints.emg)
    if named is not None:
        _expect_signal(path, *named)
        return named[0], named[1], ()
    if hints.emg is not None and not re.fullmatch(r"[\d,\s-]+", hints.emg):
        raise DataError(f"{path.name}: --emg {hints.emg!r} is not there; there is {listed(arrays)}")
    may_be = [array for array in arrays if _may_be_signal(array) and not array.part]
    for fitting in (
        [array for array in may_be if array.short == "emg"],
        [array for array in may_be if "emg" in array.short],
    ):
        if len(fitting) == 1:
            return fitting[0], hints.emg, ()
        if fitting:
            raise DataError(
                f"{path.name}: more than one array may be the EMG: {listed(fitting)}; --emg names it"
            )
    only = [array for array in may_be if array.short in _EMG] or may_be
    longest = max((array.length for array in only), default=0)
    only = [array for array in only if array.length == longest] if len(only) > 1 else only
    if len(only) == 1:
        return only[0], hints.emg, (f"{only[0].name} is taken as the EMG; --emg names another",)
    if not only:
        raise DataError(f"{path.name}: holds no array that is a signal; there is {listed(arrays)}")
    raise DataError(f"{path.name}: which array is the EMG cannot be told: {listed(only)}; --emg names it")


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
        *LABELS,
        *REPETITIONS,
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


def _time(path: Path, arrays: Sequence[ArrayInfo], emg: ArrayInfo, hints: ImportHints) -> ArrayInfo | None:
    if hints.time == "none":
        return None
    if hints.time is not None:
        named = named_among(arrays, hints.time)
        if named is None or not as_long([named[0]], emg):
            raise DataError(
                f"{path.name}: --time {hints.time!r} is not one time a sample; there is {listed(arrays)}"
            )
        return named[0]
    return first_of(as_long(arrays, emg), _TIMES)


def _aux(arrays: Sequence[ArrayInfo], emg: ArrayInfo) -> Iterator[ArrayInfo]:
    """Yield what is beside the EMG at its own rate: accelerometers and the like."""
    for array in arrays:
        sides = sorted((side for side in array.shape if side != 1), reverse=True)
        signal = not array.part and 1 <= len(sides) <= 2 and LEAST_ROWS <= array.length == emg.length
        if signal and kind_of(array.short) not in ("", "EMG") and array.size // array.length <= 64:
            yield array
