"""Which windows adapt and which test: the splits of the shared recordings' protocol.

Neighbouring windows overlap, so a split is never by window: it is by repetition, session or person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.errors import DataError
from app.inference.manifest import Manifest
from app.learning.datasets import Dataset, Ids
from app.learning.own.hint import Hint, LearningError

LEAST_S = 10.0  # of signal without labels; it should show every gesture, which takes longer
TEST_REPETITIONS = (2, 5)  # of the repetition split
CALIBRATION_TEST = (4, 5, 6)  # repetitions that test a calibration
MAX_CALIBRATION = CALIBRATION_TEST[0] - 1


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One adaptation of one person: rows of the dataset to adapt on (none: as it is) and to test on."""

    person: int
    name: str
    train: Ids
    test: Ids


def person(data: Dataset, who: int) -> list[Part]:
    """Return the model as it is, on everything of a person."""
    rows = data.rows_of([who])
    if (data.label[rows] == data.rest).all():
        raise DataError(f"{data.people[who]}: shows nothing but {data.classes[data.rest]}")
    return [_part(data, who, "person", np.zeros(0, np.int64), rows)]


def repetition(data: Dataset, who: int) -> list[Part]:
    """Adapt on repetitions 1, 3, 4, 6 (and 7) of all sessions, test on 2 and 5."""
    rows = data.rows_of([who])
    test = np.isin(data.repetition[rows], TEST_REPETITIONS)
    return [_part(data, who, "repetition", rows[~test], rows[test])]


def session(data: Dataset, who: int) -> list[Part]:
    """Adapt on all sessions but the last, test on that."""
    rows = data.rows_of([who])
    last = data.session[rows] == data.session[rows].max()
    return [_part(data, who, "session", rows[~last], rows[last])]


def day(data: Dataset, who: int) -> list[Part]:
    """Adapt on the first session, test on each later one."""
    rows = data.rows_of([who])
    first, *later = np.unique(data.session[rows]).tolist()
    if not later:
        raise DataError(f"{data.people[who]}: has one session only; days need two")
    train = rows[data.session[rows] == first]
    return [
        _part(data, who, f"session {number}", train, rows[data.session[rows] == number]) for number in later
    ]


def calibration(data: Dataset, who: int, repetitions: int) -> list[Part]:
    """For every session: adapt on its first repetitions, test on its repetitions 4 to 6."""
    if not 1 <= repetitions <= MAX_CALIBRATION:
        raise DataError(
            f"a calibration takes 1 to {MAX_CALIBRATION} repetitions (4 to 6 test it), got {repetitions}"
        )
    rows = data.rows_of([who])
    parts = []
    for number in np.unique(data.session[rows]).tolist():
        here = rows[data.session[rows] == number]
        train, test = (
            first_repetitions(data, here, repetitions),
            np.isin(data.repetition[here], CALIBRATION_TEST),
        )
        parts.append(_part(data, who, f"session {number}", train, here[test]))
    return parts


def first_repetitions(data: Dataset, rows: Ids, repetitions: int) -> Ids:
    """Those of `rows` that belong to repetitions 1..`repetitions`."""
    numbers = data.repetition[rows]
    return rows[(numbers >= 1) & (numbers <= repetitions)]


def expect_every_class(data: Dataset, rows: Ids, what: str) -> None:
    """See that `rows` show every gesture of the model and rest.

    Raises:
        DataError: names the recording and the classes that are missing.
    """
    missing = set(range(len(data.classes))) - set(data.label[rows].tolist())
    if missing:
        names = ", ".join(data.classes[k] for k in sorted(missing))
        raise DataError(f"{what}: shows no {names}; adapting needs a window of every class")


def least_seconds(data: Dataset, rows: Ids, manifest: Manifest, what: str) -> None:
    """See that there is signal enough to learn from without labels.

    Raises:
        DataError: there is not.
    """
    samples = int(data.start[rows].max()) + data.length - int(data.start[rows].min())
    seconds = samples / manifest.sampling_rate
    if seconds < LEAST_S:
        text = f"{what} must last {LEAST_S:g} s, got {seconds:.1f} s"
        raise LearningError(Hint("too_brief", text, {"seconds": round(seconds, 1), "least": LEAST_S}))


def rows_of_session(data: Dataset, session: int, name: str) -> Ids:
    """Return the windows of a session.

    Raises:
        DataError: there is none.
    """
    rows = np.flatnonzero(data.session == session)
    if not len(rows):
        there = ", ".join(str(number) for number in np.unique(data.session))
        raise DataError(f"{name}: has no session {session}; it has {there}")
    return rows


def _part(data: Dataset, who: int, name: str, train: Ids, test: Ids) -> Part:
    what = f"{data.people[who]}, {name}"
    if name != "person":
        expect_every_class(data, train, what)
    if not len(test):
        raise DataError(f"{what}: has no windows to test on; it needs more repetitions or sessions")
    return Part(who, name, train, test)
