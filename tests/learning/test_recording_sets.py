"""Sets of recordings that teach one model together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import DataError
from app.learning.recording_sets import RecordingSet, called_alike, expect_nobody_twice, told, united
from tests.learning import makers
from tests.learning.test_shipping import TINY_RECIPE


def a_set(path: Path, *names: str, people: int = 2, seed: int = 0) -> RecordingSet:
    """People who make rest and two gestures of those names."""
    path.mkdir(parents=True, exist_ok=True)
    for k in range(people):
        makers.person(path / f"P{seed + k}.npz", seed=seed + k)
    found = tuple(replace(makers.load(file), gesture_names=names) for file in sorted(path.glob("*.npz")))
    return RecordingSet(path.name, found)


def test_classes_are_those_that_any_set_makes_and_each_set_says_what_it_lacks(tmp_path: Path) -> None:
    ours = a_set(tmp_path / "ours", "rest", "fist", "point")
    theirs = a_set(tmp_path / "theirs", "rest", "fist", "turn", people=3, seed=9)

    recipe = united(TINY_RECIPE, [ours, theirs], "both")

    assert recipe.classes == ("rest", "fist", "point", "turn")
    assert (recipe.name, recipe.sets, recipe.dataset) == ("both", (2, 3), "ours, theirs")
    assert "their terms hold" in recipe.licence
    assert told(recipe, [ours, theirs]) == [
        "ours: 2 people, rest, fist, point; lacks turn",
        "theirs: 3 people, rest, fist, turn; lacks point",
        "2 classes of 4 in every set",
    ]


def test_a_gesture_that_nobody_makes_is_no_class(tmp_path: Path) -> None:
    both = [
        a_set(tmp_path / name, "rest", "fist", "turn", seed=seed) for name, seed in (("one", 0), ("two", 9))
    ]

    assert united(TINY_RECIPE, both, "both").classes == ("rest", "fist", "turn")


def test_names_that_are_spelt_another_way_or_are_renamed_are_the_models(tmp_path: Path) -> None:
    theirs = a_set(tmp_path / "theirs", "REST", "Hand Close", "turn_wrist")

    found = called_alike(theirs, ("rest", "fist", "turn wrist"), {"Hand Close": "fist"})

    assert found.gestures == ("rest", "fist", "turn wrist")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (
            ("still", "fist", "point"),
            "theirs: shows no rest, which every set needs; it has still, fist, point",
        ),
        (
            ("rest", "a", "b"),
            "theirs: has no gesture in common with the others; theirs has rest, a, b; ours has rest",
        ),
    ],
    ids=["no rest", "nothing in common"],
)
def test_sets_that_have_nothing_to_say_to_one_another_are_refused(
    tmp_path: Path, names: tuple[str, ...], reason: str
) -> None:
    ours = a_set(tmp_path / "ours", "rest", "fist", "point")

    with pytest.raises(DataError, match=reason):
        united(TINY_RECIPE, [a_set(tmp_path / "theirs", *names), ours], "both")


def test_a_session_that_is_in_two_sets_is_refused(tmp_path: Path) -> None:
    ours = a_set(tmp_path / "ours", "rest", "fist", "point")
    again = a_set(tmp_path / "again", "rest", "fist", "point", people=1)

    with pytest.raises(DataError, match=r"session 1 of P0\.npz of again is in P0\.npz of ours too"):
        expect_nobody_twice([ours, again])
