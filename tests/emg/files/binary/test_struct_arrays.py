"""Trials in a struct array or cells of a `.mat`, with labels in words, numbers, or under names of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import io

from tests.emg.files.binary.test_matlab import RAW
from tests.emg.files.imports import refusal, whole

PARTS = [RAW[:1000], RAW[1000:1500], RAW[1500:]]
ENDS = [(0, 999), (1000, 1499), (1500, 2999)]


def mat5(path: Path, fields: dict[str, list[Any]], **more: Any) -> Path:
    """Write a struct array `trial` of three trials."""
    trials = np.empty((1, 3), [(name, object) for name in fields])
    for k in range(3):
        trials[0, k] = tuple(values[k] for values in fields.values())
    io.savemat(path, {"trial": trials, "fs": 500.0, **more})
    return path


def mat73(path: Path, fields: dict[str, list[Any]], **more: Any) -> Path:
    """Write the same as MATLAB 7.3 does: references to the fields' values, which lie turned."""
    h5py = pytest.importorskip("h5py", reason="h5py of requirements-files.txt is not there")
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in {"fs": 500.0, **more}.items():
            put(file, name, value)
        group = file.create_group("trial")
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for name, values in fields.items():
            made = group.create_dataset(name, (3, 1), h5py.ref_dtype)
            for k, value in enumerate(values):
                made[k, 0] = put(file, f"#refs#/{name}{k}", value).ref
    return path


def put(file: Any, name: str, value: Any) -> Any:
    text = isinstance(value, str)
    data = np.array([[ord(c)] for c in value], np.uint16) if text else np.atleast_2d(value).T
    made = file.create_dataset(name, data=data)
    made.attrs["MATLAB_class"] = np.bytes_("char" if text else "double")
    return made


WRITERS = pytest.mark.parametrize("write", [mat5, mat73], ids=["5", "7.3"])


def spans(*names: str) -> list[tuple[str, int, int]]:
    return [(name, *ends) for name, ends in zip(names, ENDS, strict=True)]


@WRITERS
@pytest.mark.parametrize("name", ["gesture", "label", "className", "gesture_name", "movement", "task"])
def test_words_of_trials_are_their_labels(tmp_path: Path, write: Any, name: str) -> None:
    """Texts in a struct array were not looked at: the file had no labels, and nothing said so."""
    path = write(tmp_path / "a.mat", {"emg": PARTS, name: ["fist", "rest", "point"]})
    found = whole(path)
    np.testing.assert_array_equal(found.samples, RAW.astype(np.float32))
    assert (found.file.gesture_names, found.file.rest) == (("rest", "fist", "point"), "rest")
    assert found.spans() == spans("fist", "rest", "point")
    assert any(f"the labels are trial.{name}" in line for line in found.file.found)
    assert whole(path, label="none").labels is None


@WRITERS
def test_numbers_of_trials_are_their_labels(tmp_path: Path, write: Any) -> None:
    found = whole(write(tmp_path / "a.mat", {"emg": PARTS, "label": [2.0, 0.0, 1.0]}))
    assert found.restarts == [1000, 1500]
    assert found.spans() == spans("gesture_2", "rest", "gesture_1")


@WRITERS
def test_words_go_before_numbers_and_that_is_said(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path / "a.mat", {"emg": PARTS, "label": [1.0, 0.0, 2.0], "gesture": ["a", "b", "c"]})
    found = whole(path)
    assert found.spans() == spans("a", "b", "c")
    assert any("before trial.label; --label names another" in line for line in found.file.assumed)
    assert any("which class is rest is not known" in line for line in found.file.assumed)
    assert whole(path, rest="b").file.gesture_names == ("b", "a", "c")
    assert whole(path, label="trial.label").spans() == spans("gesture_1", "rest", "gesture_2")


@WRITERS
@pytest.mark.parametrize(
    ("name", "values", "shown"),
    [
        ("stim", [0.0, 1.0, 2.0], "0, 1, 2"),
        ("code", [np.zeros((1000, 1)), np.ones((500, 1)), np.full((1500, 1), 2.0)], "0, 1, 2"),
        ("what", ["rest", "fist", "point"], "rest, fist, point"),
    ],
    ids=["a number each", "a number a sample", "a word each"],
)
def test_what_may_be_labels_is_proposed_and_taken_when_it_is_named(
    tmp_path: Path, write: Any, name: str, values: list[Any], shown: str
) -> None:
    path = write(tmp_path / "a.mat", {"emg": PARTS, name: values})
    found = whole(path)
    assert found.labels is None
    assert (
        f"trial.{name} may be the labels ({shown}); --label trial.{name} takes them"
        in found.file.found
    )  # fmt: skip
    named = whole(path, label=f"trial.{name}")
    assert [span[1:] for span in named.spans()] == ENDS
    assert not any("may be the labels" in line for line in named.file.found)


def test_a_column_of_few_numbers_is_proposed_and_a_signal_or_a_clock_is_not(tmp_path: Path) -> None:
    cue = np.repeat([0, 1, 2], 1000)
    beside = {"cue": cue[:, None], "t": np.arange(3000) / 500, "noise": RAW[:, 0] * 10, "rep": cue[:, None]}
    io.savemat(tmp_path / "a.mat", {"emg": RAW, "fs": 500.0, **beside})
    lines = [line for line in whole(tmp_path / "a.mat").file.found if "may be the labels" in line]
    assert lines == ["cue may be the labels (0, 1, 2); --label cue takes them"]


def test_words_of_samples_are_labels_as_well(tmp_path: Path) -> None:
    words = np.array(["rest", "fist", "rest"])[np.repeat([0, 1, 2], 1000)]
    np.savez(tmp_path / "a.npz", emg_data=RAW, gesture=words, fs=500.0)
    found = whole(tmp_path / "a.npz")
    assert found.spans() == [("rest", 0, 999), ("fist", 1000, 1999), ("rest", 2000, 2999)]


def test_words_that_are_too_few_are_no_labels(tmp_path: Path) -> None:
    path = mat5(tmp_path / "a.mat", {"emg": PARTS}, gesture=np.array(["rest", "fist"], object))
    assert whole(path).labels is None
    assert "is not one label a sample or trial" in refusal(lambda: whole(path, label="gesture"))
