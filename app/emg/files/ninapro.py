"""Which Ninapro database a file is from, and so what its numbers mean."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from app.emg.files.ninapro_table import DATABASES, EXERCISES, SAE, SDT, SEA, SEX, Database
from app.errors import DataError

log = logging.getLogger(__name__)

RATE_TOLERANCE = 0.01  # DB10's clock gives 1925.98 Hz

_LAYOUTS = {
    SAE: re.compile(r"S\d+_A\d+_E\d+", re.IGNORECASE),
    SEA: re.compile(r"S\d+_E\d+_A\d+", re.IGNORECASE),
    SDT: re.compile(r"S\d+_D\d+_T\d+", re.IGNORECASE),
    SEX: re.compile(r"S\d+_ex\d+", re.IGNORECASE),
}
_CLAIM = re.compile(r"(?<![A-Za-z])DB[ _-]?(\d+)(?!\d)|ninapro[ _-]?(?:DB)?[ _-]?(\d+)(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a file is known to be. `shift` is added to its labels above 0 to make them ids into the names."""

    database: str  # such as DB5, or DB2/DB3 where they mean the same
    rate_hz: float | None
    gesture_names: tuple[str, ...] | None
    shift: int = 0


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    layout: str | None
    channels: int
    rate_hz: float | None
    exercise: int | None
    labels: frozenset[int]


def identify(
    path: Path, *, channels: int, rate_hz: float | None, exercise: int | None, labels: Collection[int]
) -> Profile | None:
    """Return the profile of a `.mat`, from its name or its folder's (such as DB5), columns, rate, exercise and labels.

    None where the file does not look like Ninapro's, or like none of its databases. Databases of which all
    that is asked here is the same (DB2 and DB3) need not be told apart; where names differ, there are none.

    Raises:
        DataError: the file or its folder is called after one database, and its content is not of that.
    """
    if path.suffix.lower() != ".mat":
        return None
    layout = next((layout for layout, form in _LAYOUTS.items() if form.search(path.stem)), None)
    file = _File(path, layout, channels, rate_hz, exercise, frozenset(k for k in labels if k > 0))
    claimed = _claimed(file)
    if claimed is not None:
        _expect(file, claimed)
        return _profile(file, [claimed])
    if layout is None:
        return None
    return _profile(file, [database for database in DATABASES if not _contradictions(file, database)])


def _claimed(file: _File) -> Database | None:
    """Return the database in the file's name, or else in its folder's where the file is called as Ninapro's are."""
    texts = [file.path.stem, *([file.path.absolute().parent.name] if file.layout else [])]
    found = next((match for match in map(_CLAIM.search, texts) if match), None)
    number = int(found[1] or found[2]) if found else None
    return next((database for database in DATABASES if database.name == f"DB{number}"), None)


def _contradictions(file: _File, database: Database) -> list[str]:
    """Return what the file has and what the database would have, for all in which they differ."""
    found = []
    if file.channels not in database.channels:
        allowed = " or ".join(str(count) for count in database.channels) or "no"
        found.append(f"it has {file.channels} EMG channels, {database.name} has {allowed}")
    rate = database.rate_hz
    if file.rate_hz and rate and not math.isclose(file.rate_hz, rate, rel_tol=RATE_TOLERANCE):
        found.append(f"it is sampled at {file.rate_hz:g} Hz, {database.name} at {rate:g} Hz")
    count = len(database.exercises)
    if count and file.exercise is not None and not 1 <= file.exercise <= count:
        found.append(f"it is exercise {file.exercise}, {database.name} has {count}")
    if file.layout and database.layouts and file.layout not in database.layouts:
        found.append(f"it is called like {file.layout}, {database.name}'s like {database.layouts[0]}")
    return found


def _expect(file: _File, claimed: Database) -> None:
    found = _contradictions(file, claimed)
    if found:
        fitting = [database.name for database in DATABASES if not _contradictions(file, database)]
        advice = f"it looks like {' or '.join(fitting)}" if fitting else "it looks like none of DB1 to DB10"
        raise DataError(
            f"{file.path.name}: is called Ninapro {claimed.name} (by its name or its folder's), but "
            f"{' and '.join(found)}; {advice}. Rename it, or take the right file"
        )


def _profile(file: _File, databases: list[Database]) -> Profile | None:
    shifts = {database.name: _shift(file, database) for database in databases}
    fitting = [d for d in databases if not d.exercises or shifts[d.name] is not None] or databases
    # DB4's E1 has 12 movements, DB2's has 17: twelve are all of the one, and a part of the other
    fitting = [d for d in fitting if _is_complete(file, d, shifts[d.name])] or fitting
    if not fitting:
        return None
    database = "/".join(d.name for d in fitting)
    rates = {d.rate_hz for d in fitting}
    meanings = {_meaning(file, d, shifts[d.name]) for d in fitting}
    names, shift = meanings.pop() if len(meanings) == 1 else (None, 0)
    if names is None:
        log.info("%s is taken for Ninapro %s; its gestures stay numbers", file.path.name, database)
    else:
        log.info("%s is taken for Ninapro %s, exercise %s", file.path.name, database, file.exercise)
        names = max((("rest", *d.movements) for d in fitting), key=len)
    return Profile(database, rates.pop() if len(rates) == 1 else None, names, shift)


def _meaning(file: _File, database: Database, shift: int | None) -> tuple[tuple[str, ...] | None, int]:
    """Return the names of all exercises up to the file's own, which is what its labels can mean, and their shift."""
    if shift is None or file.exercise is None:
        return None, 0
    exercises = database.exercises[: file.exercise]
    return ("rest", *(name for exercise in exercises for name in EXERCISES[exercise])), shift


def _shift(file: _File, database: Database) -> int | None:
    """Return what to add to labels above 0; None where they fit neither way of numbering.

    Some databases begin at 1 in every exercise, others count on from the exercise before.
    """
    if file.exercise is None or not 1 <= file.exercise <= len(database.exercises):
        return None
    before = sum(len(EXERCISES[name]) for name in database.exercises[: file.exercise - 1])
    count = len(EXERCISES[database.exercises[file.exercise - 1]])
    low, high = min(file.labels, default=1), max(file.labels, default=1)
    from_one, counted_on = high <= count, before < low and high <= before + count
    if before and from_one and counted_on:
        return None  # it could be either
    return before if from_one else 0 if counted_on else None


def _is_complete(file: _File, database: Database, shift: int | None) -> bool:
    """Whether every movement of the file's exercise is there."""
    if shift is None or file.exercise is None:
        return False
    return len(file.labels) == len(EXERCISES[database.exercises[file.exercise - 1]])
