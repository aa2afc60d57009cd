"""What is said of a model of one's own, held against what its person does later: on all 25 people of `myo-readings`.

A model from nothing has seen nobody else. What was not asked for in the lesson judges it: later repetitions of the same
session, by the edges of the data's authors, as long as a lesson would have asked for them, with the rest after each.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.learning.own.making import new
from tests.lessons import REST_S, accuracy_on, performed
from tests.prompted_person import Repertoire

GESTURES = (
    "flexion",
    "extension",
    "radial_deviation",
    "ulnar_deviation",
    "pronation",
    "supination",
    "fist",
)
HELD_S = 3.0

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.mark.parametrize(
    ("gestures", "repetitions"),
    [(GESTURES, 2), (GESTURES, 3), (("fist", "extension"), 3)],
    ids=["all-2", "all-3", "two-3"],
)
def test_later_repetitions_give_what_was_said_and_lie_in_the_interval(
    recordings: Path, tmp_path: Path, gestures: tuple[str, ...], repetitions: int
) -> None:
    """One lesson is off by 0.02 to 0.05 (its interval says so); over people nothing is left of it."""
    said, given, held = [], [], []
    for file in sorted(recordings.glob("S??.npz")):
        person = Repertoire.of(file)
        lesson = performed(person, gestures, repetitions, HELD_S)
        made = new([lesson], tmp_path / file.stem, mains=None, even_if_worse=True)
        judgement = made.learned.judgement
        assert judgement is not None
        later = person.left_over(gestures, HELD_S, REST_S)
        said.append(judgement.balanced_accuracy)
        given.append(accuracy_on(made.artefact, later))
        held.append(judgement.interval[0] <= given[-1] <= judgement.interval[1])
    assert len(said) == 25
    assert np.mean(said) == pytest.approx(np.mean(given), abs=0.03), (np.mean(said), np.mean(given))
    assert np.mean(held) > 0.85, (said, given)
