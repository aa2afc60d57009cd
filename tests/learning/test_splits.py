"""Splits are by repetition, session and person, never by window."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import DataError
from app.learning import splits
from app.learning.datasets import Dataset
from tests.learning import makers


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return makers.dataset(tmp_path, 2)


def test_the_person_split_adapts_on_nothing_and_tests_all_of_a_person(data: Dataset) -> None:
    (part,) = splits.person(data, 1)

    assert len(part.train) == 0
    assert part.test.tolist() == data.rows_of([1]).tolist()


def test_the_repetition_split_tests_two_and_five_of_every_session(data: Dataset) -> None:
    (part,) = splits.repetition(data, 0)

    assert set(data.repetition[part.train]) == {1, 3, 4, 6}
    assert set(data.repetition[part.test]) == {2, 5}
    assert set(data.session[part.test]) == {1, 2}
    assert set(data.person[part.train]) == {0}


def test_the_session_split_tests_the_last(data: Dataset) -> None:
    (part,) = splits.session(data, 0)

    assert set(data.session[part.train]) == {1}
    assert set(data.session[part.test]) == {2}


@pytest.mark.parametrize("repetitions", [1, 2, 3])
def test_calibration_adapts_on_the_first_repetitions_and_tests_four_to_six(
    data: Dataset, repetitions: int
) -> None:
    parts = splits.calibration(data, 0, repetitions)

    assert [part.name for part in parts] == ["session 1", "session 2"]
    for number, part in enumerate(parts, 1):
        assert set(data.repetition[part.train]) == set(range(1, repetitions + 1))
        assert set(data.repetition[part.test]) == {4, 5, 6}
        assert set(data.session[part.train]) == set(data.session[part.test]) == {number}


@pytest.mark.parametrize("repetitions", [0, 4, -1])
def test_calibration_never_adapts_on_what_it_tests(data: Dataset, repetitions: int) -> None:
    with pytest.raises(DataError, match="takes 1 to 3 repetitions"):
        splits.calibration(data, 0, repetitions)


@pytest.mark.parametrize(
    ("changes", "split", "reason"),
    [
        ({"gestures": ()}, splits.person, "S01: shows nothing but rest"),
        ({"gestures": ()}, splits.repetition, "S01, repetition: shows no fist, point"),
        ({"repetitions": 1}, splits.repetition, "has no windows to test on"),
        ({"sessions": 1}, splits.session, "shows no rest, fist, point"),
    ],
    ids=["all-rest", "all-rest-adapting", "one-repetition", "one-session"],
)
def test_what_a_recording_does_not_have_is_said(tmp_path: Path, changes: dict, split, reason: str) -> None:
    data = makers.dataset(tmp_path, 1, **changes)

    with pytest.raises(DataError, match=reason):
        split(data, 0)
