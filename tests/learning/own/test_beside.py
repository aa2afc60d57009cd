"""A model beside others on the same windows: what is said of each, and by how much it is ahead."""

from __future__ import annotations

import numpy as np
import pytest

from app.learning.jobs.order import CHANCE, IN_USE, LDA, NEW, PARENT
from app.learning.metrics import confusion
from app.learning.own.beside import UNKNOWN, Other, beside, extent_of
from app.learning.own.judging import Ids, Judgement, balanced, interval_of, tables_of

LABEL = np.repeat([0, 1, 2], [40, 20, 20])
REPETITION = np.tile(np.repeat([1, 2], 10), 4)
CLASSES = ("rest", "fist", "open", "point")  # of `point` nothing was tested


def judgement(predicted: Ids, baseline: Ids) -> Judgement:
    return Judgement(
        classes=CLASSES,
        confusion=confusion(LABEL, predicted, len(CLASSES)),
        balanced_accuracy=balanced(LABEL, predicted),
        interval=interval_of(tables_of(LABEL, predicted, REPETITION, len(CLASSES))),
        lda=balanced(LABEL, baseline),
        chance=0.3,
        repetitions=2,
        windows=len(LABEL),
        logits=np.eye(len(CLASSES))[predicted],
        label=LABEL,
        repetition=REPETITION,
        baseline=baseline,
    )


@pytest.fixture
def found() -> Judgement:
    """The new one misses a fifth of `fist`; the baseline takes all of `open` for it."""
    new, baseline = LABEL.copy(), LABEL.copy()
    new[[40, 41, 50, 51]] = 0
    baseline[LABEL == 2] = 1
    return judgement(new, baseline)


def test_each_has_its_accuracy_with_an_interval_and_the_recall_of_each_gesture(found: Judgement) -> None:
    rows = {row.who: row for row in beside("mine", found, [])}
    assert list(rows) == [NEW, LDA, CHANCE]
    assert (rows[NEW].model, rows[LDA].model) == ("mine", None)
    assert rows[NEW].accuracy == pytest.approx((1 + 0.8 + 1) / 3, abs=1e-4)
    assert rows[NEW].recall == {"rest": 1.0, "fist": 0.8, "open": 1.0, "point": None}
    assert rows[LDA].recall == {"rest": 1.0, "fist": 1.0, "open": 0.0, "point": None}
    assert rows[NEW].interval == pytest.approx(found.interval, abs=1e-4)
    assert (rows[CHANCE].accuracy, rows[CHANCE].interval, rows[CHANCE].recall) == (0.3, None, None)


def test_how_far_it_is_ahead_is_told_by_the_windows_of_which_one_alone_is_right(found: Judgement) -> None:
    """Two models that are right and wrong together differ by little, however wide the interval of each is."""
    uneven = LABEL.copy()
    uneven[40:50] = 0  # the first repetition of `fist` whole
    one = judgement(uneven, uneven)
    rows = {row.who: row for row in beside("mine", one, [Other(who=IN_USE, model="now", predicted=uneven)])}
    low, high = rows[NEW].interval or (0.0, 0.0)
    assert high - low > 0.2
    least, most = rows[IN_USE].ahead or (1.0, 1.0)
    assert least <= 0 <= most
    assert most - least < (high - low) / 2
    assert rows[NEW].ahead is None
    ahead = {row.who: row.ahead for row in beside("mine", found, [])}[LDA]
    assert ahead is not None
    assert ahead[0] <= round(0.8 / 3, 4) <= ahead[1]


def test_a_model_that_is_behind_is_ahead_by_less_than_nothing(found: Judgement) -> None:
    right = Other(who=PARENT, model="before", predicted=LABEL)
    low, high = {row.who: row.ahead for row in beside("mine", found, [right])}[PARENT] or (1.0, 1.0)
    assert low <= -0.2 / 3 <= high < 0.05
    assert (low + high) / 2 < 0


def test_a_gesture_that_another_model_does_not_know_counts_as_never_found(found: Judgement) -> None:
    lacks = np.where(LABEL == 2, UNKNOWN, LABEL)
    row = beside("mine", found, [Other(who=IN_USE, model="now", predicted=lacks)])[1]
    assert row.accuracy == pytest.approx(2 / 3, abs=1e-4)
    assert row.recall == {"rest": 1.0, "fist": 1.0, "open": 0.0, "point": None}


def test_what_cannot_be_told_says_why(found: Judgement) -> None:
    other = Other(who=IN_USE, model="now", predicted=None, why="now reads 8 channels")
    row = beside("mine", found, [other])[1]
    assert (row.model, row.accuracy, row.why) == ("now", None, "now reads 8 channels")


def test_by_how_much_they_were_judged_is_told_of_each_gesture(found: Judgement) -> None:
    assert extent_of(found).as_json() == {
        "windows": 80,
        "repetitions": 2,
        "gestures": {
            "rest": {"windows": 40, "repetitions": 2},
            "fist": {"windows": 20, "repetitions": 2},
            "open": {"windows": 20, "repetitions": 2},
            "point": {"windows": 0, "repetitions": 0},
        },
    }
