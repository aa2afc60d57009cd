"""Recordings of one person become one: names, rates and repetitions; what cannot be joined is refused in a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.emg.source import UNLABELLED
from app.errors import DataError
from app.learning.own.joined import join
from tests.learning.own.makers import NAMES, recording


def test_rest_is_the_quietest_where_none_is_called_so_and_that_is_said(tmp_path: Path) -> None:
    names = ("кулак", "ладонь", "покой")
    loud = recording(tmp_path / "a.npz", names=names, weak=(2,))
    # class 0 of the file is rest by its muscles; give it the muscles of a gesture
    emg = np.where((loud.label == 0)[:, np.newaxis], loud.emg * 9, loud.emg)
    object.__setattr__(loud, "emg", emg)

    joined = join([loud])

    assert joined.classes == ("покой", "кулак", "ладонь")
    assert joined.rest == 0
    assert "покой, is taken as rest" in joined.said[0]


def test_a_class_called_rest_is_rest_whatever_its_place(tmp_path: Path) -> None:
    joined = join([recording(tmp_path / "a.npz", names=("fist", "Rest", "point"))])

    assert joined.classes == ("Rest", "fist", "point")
    assert joined.said == ()


def test_rest_can_be_named(tmp_path: Path) -> None:
    assert join([recording(tmp_path / "a.npz")], rest="кулак").classes[0] == "кулак"
    with pytest.raises(DataError, match="no gesture is called thumb"):
        join([recording(tmp_path / "a.npz")], rest="thumb")


def test_files_with_other_gestures_are_joined_by_name(tmp_path: Path) -> None:
    one = recording(tmp_path / "a.npz", names=("rest", "fist"))
    other = recording(tmp_path / "b.npz", names=("rest", "point"), seed=1)

    joined = join([one, other])

    assert joined.classes == ("rest", "fist", "point")
    assert joined.seconds(1) == joined.seconds(2) == 6.0
    assert len(list(joined.pieces())) == 2


def test_repetitions_are_counted_on_from_file_to_file(tmp_path: Path) -> None:
    one = recording(tmp_path / "a.npz")
    other = recording(tmp_path / "b.npz", seed=1)

    joined = join([one, other])

    assert set(joined.repetition[joined.label == 2]) == {1, 2, 3, 4}


def test_stretches_without_numbers_are_repetitions(tmp_path: Path) -> None:
    joined = join([recording(tmp_path / "a.npz", repetition=None, repetitions=3)])

    assert set(joined.repetition[joined.label == 1]) == {1, 2, 3}


def test_another_rate_is_resampled_to_the_lower_and_said(tmp_path: Path) -> None:
    one = recording(tmp_path / "a.npz", rate=500.0)
    other = recording(tmp_path / "b.npz", rate=1000.0, seed=1)

    joined = join([one, other])

    assert joined.rate == 500.0
    assert abs(len(joined.emg) - 2 * len(one.emg)) <= 2
    assert "b.npz was resampled from 1000 to 500 Hz" in joined.said[0]
    assert joined.seconds(1) == pytest.approx(12.0, abs=0.05)


def test_units_are_converted(tmp_path: Path) -> None:
    one = recording(tmp_path / "a.npz")
    other = recording(tmp_path / "b.npz", units=np.array("mV"))

    joined = join([one, other])

    half = len(joined.emg) // 2
    np.testing.assert_allclose(joined.emg[half:], 1000 * joined.emg[:half], rtol=1e-5)


BAD = {
    "channels": ({"channels": 6}, "has 6 channels, a.npz has 5"),
    "units": ({"units": np.array("counts")}, "in counts, a.npz in uV"),
    "unlabelled": ({"label": None}, "has no labels"),
}


@pytest.mark.parametrize(("changes", "reason"), BAD.values(), ids=BAD)
def test_what_does_not_belong_together_is_refused(tmp_path: Path, changes: dict, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        join([recording(tmp_path / "a.npz"), recording(tmp_path / "b.npz", **changes)])


def test_nothing_and_one_class_teach_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no recording to learn from"):
        join([])
    with pytest.raises(DataError, match="nothing but покой"):
        join([recording(tmp_path / "a.npz", label=np.int8(0))])


def test_numbers_take_the_names_that_are_given(tmp_path: Path) -> None:
    bare = recording(tmp_path / "a.npz", gesture_names=None)

    assert join([bare], gestures=("rest", "fist", "point", "pinch")).classes[1] == "fist"
    with pytest.raises(DataError, match="labels 0 to 3, and --gestures names 2"):
        join([bare], gestures=("rest", "fist"))


def test_what_has_no_label_stays_without(tmp_path: Path) -> None:
    label = np.array(recording(tmp_path / "a.npz").label)
    label[:500] = UNLABELLED

    joined = join([recording(tmp_path / "a.npz", label=label)])

    assert (joined.label[:500] == UNLABELLED).all()
    assert joined.classes == NAMES
