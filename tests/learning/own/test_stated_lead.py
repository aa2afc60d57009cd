"""How far a model of one's own is said to be ahead of another one, held against what its person does later.

On all 25 people of `myo-readings`; the other is the shipped model, as it would be had it seen nobody of that person's
fold.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.config import ROOT
from app.inference import artefact
from app.learning.datasets import content_hashes
from app.learning.jobs.order import IN_USE
from app.learning.jobs.rival import compared
from app.learning.own.beside import Other, beside
from app.learning.own.judging import folds
from app.learning.own.making import new
from tests.learning.own.test_stated_accuracy import GESTURES, HELD_S
from tests.lessons import REST_S, accuracy_on, performed, without_fold
from tests.prompted_person import Repertoire

pytestmark = [pytest.mark.data, pytest.mark.slow]
SHIPPED = ROOT / "instance" / "models" / "myo-8ch-200hz"
FOLDS = 5


@pytest.mark.parametrize(
    ("gestures", "repetitions"), [(GESTURES, 2), (("fist", "extension"), 3)], ids=["all-2", "two-3"]
)
def test_how_far_it_is_ahead_later_lies_in_the_interval_that_was_said(
    recordings: Path, tmp_path: Path, gestures: tuple[str, ...], repetitions: int
) -> None:
    shipped = artefact.load(SHIPPED)
    unseen = {f"fold{k}": without_fold(shipped, f"fold{k}", tmp_path / f"fold{k}") for k in range(FOLDS)}
    held, width = [], []
    for file in sorted(recordings.glob("S??.npz")):
        person = Repertoire.of(file)
        hashes = set(content_hashes(person.recording).values())
        rival = next(one for one in unseen.values() if hashes.isdisjoint(one.manifest.training["hashes"]))
        lesson = performed(person, gestures, repetitions, HELD_S)
        made = new([lesson], tmp_path / file.stem, mains=None, even_if_worse=True)
        judgement, windows = made.learned.judgement, made.learned.windows
        assert judgement is not None
        other = compared(rival, windows, [test for _, test in folds(windows)], set(), None)
        [row] = [
            row
            for row in beside("mine", judgement, [Other(who=IN_USE, model="now", predicted=other.predicted)])
            if row.who == IN_USE
        ]
        assert row.ahead is not None
        later = person.left_over(gestures, HELD_S, REST_S)
        held.append(
            row.ahead[0] <= accuracy_on(made.artefact, later) - accuracy_on(rival, later) <= row.ahead[1]
        )
        width.append(row.ahead[1] - row.ahead[0])
    assert len(held) == 25
    assert np.mean(held) > 0.85, held
    assert np.mean(width) < 0.5  # it says something
