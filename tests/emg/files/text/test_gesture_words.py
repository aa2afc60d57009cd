"""Gestures in the names of files, of one word or several: alone, and among files that are imported together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.emg.files.imported import ImportHints
from app.emg.files.importing import import_files
from app.emg.files.text.gesture_words import gesture_of
from tests.emg.files.text.tables import emg, import_text, write


def gestures(*names: str) -> list[str | None]:
    """Return what files of these names, without their numbers, are of when they are imported together."""
    split = [tuple(name.split("_")) for name in names]
    return [gesture_of(words, frozenset(split)) for words in split]


TOGETHER = {
    "one person": (["anna_rest", "anna_pinch_grip", "anna_fist"], ["rest", "pinch_grip", "fist"]),
    "words of no gesture we know": (
        ["S01_rest", "S01_thumbs_up", "S01_live_long"],
        ["rest", "thumbs_up", "live_long"],
    ),
    "words that gestures share": (["anna_wrist_flexion", "anna_wrist_extension"], ["wrist_flexion", "wrist_extension"]),
    "one begins as another": (["anna_pinch", "anna_pinch_grip"], ["pinch", "pinch_grip"]),
    "two persons": (["anna_pinch_grip", "anna_rest", "bob_pinch_grip"], ["pinch_grip", "rest", "pinch_grip"]),
    "two persons, one gesture": (["anna_fist", "bob_fist"], ["fist", "fist"]),
    "persons of a study": (["emg_anna_fist", "emg_bob_fist", "emg_anna_ok_sign", "emg_bob_ok_sign"],
                           ["fist", "fist", "ok_sign", "ok_sign"]),
    "sessions": (["anna_session1_fist", "anna_session2_fist", "anna_session1_ok_sign"], ["fist", "fist", "ok_sign"]),
    "both arms": (["anna_left_fist", "anna_right_fist"], ["fist", "fist"]),
    "nobody": (["fist", "rest", "pinch_grip", "ok_sign"], ["fist", "rest", "pinch_grip", "ok_sign"]),
    "numbers": (["game_0", "game_1", "game_2"], ["0", "1", "2"]),
    "persons alone": (["anna", "bob"], [None, None]),
    "repetitions of one": (["anna_pinch_grip"], ["pinch_grip"]),
}  # fmt: skip


@pytest.mark.parametrize("case", TOGETHER)
def test_what_differs_in_names_is_the_gesture(case: str) -> None:
    names, expected = TOGETHER[case]
    assert gestures(*names) == expected


@pytest.mark.parametrize(
    ("name", "gesture"),
    [
        ("anna_pinch_grip", "pinch_grip"),
        ("anna_open_hand", "open_hand"),
        ("S01_wrist_flexion", "wrist_flexion"),
        ("anna_left_fist", "fist"),
        ("study_anna_fist", "fist"),
        ("anna_thumbs_up", "up"),  # nobody can know by this name alone
        ("anna_left_hand", None),
        ("emg_left", None),
        ("fist", None),
    ],
)
def test_alone_the_last_word_is_the_gesture_with_those_before_it_that_are_of_one(
    name: str, gesture: str | None
) -> None:
    assert gesture_of(tuple(name.split("_"))) == gesture


def test_gestures_that_a_person_names_are_found_first() -> None:
    named = ["rest", "thumbs up", "up"]
    assert gesture_of(("anna", "thumbs", "up"), (), named) == "thumbs up"
    assert gesture_of(("anna", "look", "up"), (), named) == "up"
    assert gesture_of(("anna", "Thumbs-Up"), (), named) == "thumbs up"


NAMES = ("anna_pinch_grip_1", "anna_pinch_grip_2", "anna_ok_sign_1", "anna_rest_1")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "all"
    folder.mkdir()
    columns = [np.arange(400) / 500, *emg(400, 3).T]
    return [write(folder / f"{name}.csv", columns, decimals={0: 3}) for name in NAMES]


def test_files_and_a_folder_of_them_give_whole_gestures(files: list[Path]) -> None:
    """Of `anna_pinch_grip_1.csv` only `grip` was taken, and of `anna_ok_sign_1.csv` `sign`."""
    expected = ("pinch_grip", "ok_sign", "rest")
    several, _ = import_files(files)
    assert several.gesture_names == expected
    folder, _ = import_files([files[0].parent])
    assert set(folder.gesture_names) == set(expected)
    for one in (several, folder, import_text(files[0].parent)):
        assert set(one.gesture_names) == set(expected)
        ids = np.concatenate([chunk.labels for chunk in one.chunks()])  # type: ignore[arg-type]  # it has labels
        counts = {name: int((ids == k).sum()) for k, name in enumerate(one.gesture_names)}
        assert counts == {"pinch_grip": 800, "ok_sign": 400, "rest": 400}


def test_a_name_that_cannot_be_told_alone_is_told_by_gestures(files: list[Path]) -> None:
    alone, _ = import_files(files[2:3])
    assert alone.gesture_names == ("sign",)
    assert any("says sign" in line and "--gestures" in line for line in alone.assumed)
    named, _ = import_files(files[2:3], ImportHints(gesture_names=("rest", "ok_sign")))
    assert named.gesture_names == ("rest", "ok_sign")
