"""Labels in the names of files and folders: `R_1_C_2_EMG.csv`, `anna_fist_3.csv`, `fist/3.csv`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from app.emg.files.imported import NOTHING_SAID, ImportHints
from app.emg.files.table.labels import MOST, of_numbers, rest_of
from app.emg.files.table.layout import FixedLabel, Layout, says_none
from app.emg.files.text.gesture_words import gesture_of

_LIBEMG = re.compile(
    r"(?<![A-Za-z0-9])R_(\d{1,3})_C_(\d{1,3})(?![0-9])|(?<![A-Za-z0-9])C_(\d{1,3})_R_(\d{1,3})(?![0-9])",
    re.IGNORECASE,
)
_WORDED = re.compile(r"(?P<words>.+)_(?P<n>\d{1,3})")


@dataclass(frozen=True, slots=True)
class NamedLabel:
    """What a file's name says: the gesture's word, or its number as in LibEMG's files; the repetition from 1."""

    gesture: str | None
    number: int | None
    repetition: int
    libemg: bool = False


def from_name(path: Path, hints: ImportHints = NOTHING_SAID) -> NamedLabel | None:
    """Return the label that a file's name says, beside those of `hints.together`; None where it says none."""
    if libemg := _LIBEMG.search(path.name):
        repetition, number = (libemg[1], libemg[2]) if libemg[1] else (libemg[4], libemg[3])
        return NamedLabel(None, int(number), int(repetition) + 1, libemg=True)
    if (own := _words(path.stem)) is None:
        return None
    words, repetition = own
    gesture = gesture_of(words, _all_words(hints.together), hints.gesture_names or ())
    if gesture is None or not gesture.isdigit():
        return None if gesture is None else NamedLabel(gesture, None, repetition)
    return NamedLabel(None, int(gesture), repetition) if int(gesture) < MOST else None


@lru_cache(maxsize=4)
def _all_words(stems: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    return frozenset(found[0] for stem in stems if (found := _words(stem)) is not None)


def _words(stem: str) -> tuple[tuple[str, ...], int] | None:
    """Return the words of a name before the number at its end, and that number; None where it is made otherwise."""
    found = _WORDED.fullmatch(stem)
    if found is None:
        return None
    words = tuple(found["words"].split("_"))
    return (words, int(found["n"])) if all(words) else None


def from_folder(path: Path) -> NamedLabel | None:
    """Return the label of a file in a folder of a gesture's name: `fist/3.csv` is fist, repetition 3."""
    number = re.findall(r"\d{1,3}", path.stem)
    gesture = path.parent.name
    repetition = int(number[-1]) if number else 1
    if match := re.fullmatch(r"(?:c|class|gesture|label)[ _-]?(\d{1,2})|(\d{1,2})", gesture, re.IGNORECASE):
        return NamedLabel(None, int(match[1] or match[2]), repetition)
    return NamedLabel(gesture, None, repetition) if gesture else None


def fixed_label(file: str, named: NamedLabel, hints: ImportHints) -> tuple[FixedLabel, tuple[str, ...]]:
    """Return the label of a whole file, and what was assumed of it."""
    what = f"class {named.number}" if named.gesture is None else named.gesture
    said = (
        f"the file's name says {what}, repetition {named.repetition}; --gestures names another, "
        "--label none takes none"
    )
    if named.gesture is not None:
        names = hints.gesture_names or (named.gesture,)
        if named.gesture not in names:
            names = (*names, named.gesture)
        fixed = FixedLabel(
            gesture_names=names,
            gesture=names.index(named.gesture),
            repetition=named.repetition,
            rest=rest_of(names),
        )
        return fixed, (said,)
    assert named.number is not None
    labels = of_numbers(file, [float(named.number)], hints)
    fixed = FixedLabel(
        gesture_names=labels.gesture_names,
        gesture=named.number,
        repetition=named.repetition,
        rest=labels.rest,
    )
    return fixed, (said, *labels.assumed)


def with_name(layout: Layout, path: Path, hints: ImportHints) -> Layout:
    """Return the layout with the label that the file's name says, where no column holds one."""
    if layout.label is not None or says_none(hints.label):
        return layout
    named = from_name(path, hints)
    if named is None:
        return layout
    fixed, assumed = fixed_label(path.name, named, hints)
    return replace(layout, fixed=fixed, assumed=(*layout.assumed, *assumed))
