"""Recordings of several sets, such as two labs', whose people teach one model: one name for a gesture, nobody twice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.counted import counted
from app.emg.files.recordings import Recording
from app.emg.source import UNLABELLED
from app.errors import DataError
from app.learning.datasets import content_hashes
from app.learning.recipes import Recipe


@dataclass(frozen=True, slots=True)
class RecordingSet:
    """People whom one lab recorded in one way."""

    name: str
    recordings: tuple[Recording, ...]

    @property
    def gestures(self) -> tuple[str, ...]:
        """Return the names of the gestures that are made in it, in the order in which they are met."""
        return tuple(dict.fromkeys(name for one in self.recordings for name in _made(one)))


def called_alike(one: RecordingSet, classes: Sequence[str], rename: Mapping[str, str]) -> RecordingSet:
    """Return the set with a model's names for its gestures: those that `rename` says, and those spelt another way.

    `Radial Deviation` is `radial_deviation`; what means the same in other words only a person can say.
    """
    spelt = {_plain(name): name for name in classes}

    def name_of(name: str) -> str:
        return rename.get(name) or spelt.get(_plain(name), name)

    return replace(
        one,
        recordings=tuple(
            replace(recording, gesture_names=tuple(map(name_of, recording.gesture_names)))
            for recording in one.recordings
        ),
    )


def expect_renamed(sets: Sequence[RecordingSet], rename: Mapping[str, str]) -> None:
    """See that every name that is to be changed is some set's.

    Raises:
        DataError: one is nobody's.
    """
    there = [name for one in sets for recording in one.recordings for name in recording.gesture_names]
    for old, new in rename.items():
        if old not in there:
            raise DataError(f"--rename {old}={new}: no set has a gesture {old!r}; {_listed(sets)}")


def expect_nobody_twice(sets: Sequence[RecordingSet]) -> None:
    """See that no session is in two recordings: whoever it is of would be judged by what they taught.

    Raises:
        DataError: names both.
    """
    seen: dict[str, str] = {}
    for one in sets:
        for recording in one.recordings:
            here = f"{recording.name} of {one.name}"
            for number, sha in content_hashes(recording).items():
                if sha in seen:
                    raise DataError(f"session {number} of {here} is in {seen[sha]} too; leave one out")
            seen |= dict.fromkeys(content_hashes(recording).values(), here)


def united(recipe: Recipe, sets: Sequence[RecordingSet], name: str) -> Recipe:
    """Return the recipe of that name for all sets together: its classes are those that any of them makes.

    Those that all have come in the recipe's order, new ones behind them as they are met.

    Raises:
        DataError: a set has no rest, or none of the gestures of the others.
    """
    made = [one.gestures for one in sets]
    for one, gestures in zip(sets, made, strict=True):
        others = {name for other in sets if other is not one for name in other.gestures}
        if recipe.rest_class not in gestures:
            raise DataError(
                f"{one.name}: shows no {recipe.rest_class}, which every set needs; it has {', '.join(gestures)}"
            )
        if not set(gestures) & others - {recipe.rest_class}:
            raise DataError(
                f"{one.name}: has no gesture in common with the others; {_listed(sets)} (--rename OLD=NEW)"
            )
    known = [name for name in recipe.classes if any(name in gestures for gestures in made)]
    new = [
        name for name in dict.fromkeys(name for gestures in made for name in gestures) if name not in known
    ]
    return replace(
        recipe,
        name=name,
        classes=(*known, *new),
        dataset=", ".join(one.name for one in sets),
        licence=_licence(recipe, sets),
        sets=tuple(len(one.recordings) for one in sets),
    )


def told(recipe: Recipe, sets: Sequence[RecordingSet]) -> list[str]:
    """Return what becomes of the sets' gestures, as lines for people."""
    lines = []
    for one in sets:
        lacking = [name for name in recipe.classes if name not in one.gestures]
        lacks = f"; lacks {', '.join(lacking)}" if lacking else ""
        shown = ", ".join(name for name in recipe.classes if name in one.gestures)
        lines.append(f"{one.name}: {counted(len(one.recordings), 'person', 'people')}, {shown}{lacks}")
    common = [name for name in recipe.classes if all(name in one.gestures for one in sets)]
    lines.append(f"{counted(len(common), 'class', 'classes')} of {len(recipe.classes)} in every set")
    return lines


def described(recipe: Recipe, sets: Sequence[RecordingSet]) -> list[dict[str, object]]:
    """Return the same as an object for programs."""
    return [
        {
            "set": one.name,
            "people": len(one.recordings),
            "lacks": [name for name in recipe.classes if name not in one.gestures],
        }
        for one in sets
    ]


def _made(recording: Recording) -> list[str]:
    ids = np.unique(recording.label)
    return [recording.gesture_names[k] for k in ids.tolist() if k != UNLABELLED]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name.casefold()).strip()


def _listed(sets: Sequence[RecordingSet]) -> str:
    return "; ".join(f"{one.name} has {', '.join(one.gestures)}" for one in sets)


def _licence(recipe: Recipe, sets: Sequence[RecordingSet]) -> str:
    others = [one.name for one in sets if one.name != recipe.dataset]
    if len(others) == len(sets):
        return f"Learned from {', '.join(others)}: their terms hold."
    return (
        f"{recipe.licence} Learned from {', '.join(others)} too: their terms hold."
        if others
        else recipe.licence
    )
