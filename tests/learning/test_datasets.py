"""Recordings as labelled windows: none is ambiguous, and none is of the wrong model."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from app.emg.files.recordings import load
from app.emg.signal.filters import SosFilter, design
from app.errors import DataError
from app.learning.datasets import content_hashes, load_people, read
from tests.emg.recording_makers import write_mat
from tests.learning import makers

BAND = ({"kind": "bandpass", "order": 2, "low_hz": 20, "high_hz": 90},)


def test_a_window_has_one_label_and_lies_in_one_piece(tmp_path: Path) -> None:
    (recording,) = makers.recordings(tmp_path, 1)

    data = read([recording], makers.manifest())

    for start, label in zip(data.start, data.label, strict=True):
        part = slice(start, start + makers.LENGTH)
        assert set(recording.label[part]) == {label}
        assert len(set(recording.recording[part])) == 1
        assert data.first[0] <= start


def test_windows_start_every_tenth_of_a_second_inside_a_stretch(tmp_path: Path) -> None:
    data = makers.dataset(tmp_path, 1)

    in_first = data.start[data.first == 0]

    assert in_first.tolist() == [0, 20, 40, 60]


def test_windows_carry_repetition_session_and_person(tmp_path: Path) -> None:
    data = makers.dataset(tmp_path, 2)

    assert data.people == ("S01", "S02")
    assert set(data.person) == {0, 1}
    assert set(data.session) == {1, 2}
    assert set(data.repetition) == {1, 2, 3, 4, 5, 6}


def test_the_signal_is_filtered_as_a_live_stream_is(tmp_path: Path) -> None:
    (recording,) = makers.recordings(tmp_path, 1)
    live = SosFilter(design(BAND, makers.RATE, None), makers.CHANNELS)
    piece = recording.pieces[1]

    data = read([recording], makers.manifest(filters=BAND), mains=None)

    np.testing.assert_array_equal(data.signal[piece], live(recording.emg[piece]))


def test_classes_are_matched_by_name_not_by_number(tmp_path: Path) -> None:
    turned = makers.manifest(classes=("point", "rest", "fist"), rest_class="rest")

    data = read(makers.recordings(tmp_path, 1), turned)

    loudest = np.abs(data.windows(np.flatnonzero(data.label == 2))).mean((0, 1)).argmax()
    assert data.rest == 1
    assert loudest == 0  # a fist's electrode


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"gesture_names": np.array(["rest", "fist", "wave"])},
            "holds wave, which tiny lacks; it knows rest",
        ),
        ({"fs": np.int32(1000)}, "4 channels at 1000 Hz; the model takes 4 channels at 200 Hz"),
        ({"emg": np.zeros((3840, 6), np.int8)}, "6 channels at 200 Hz; the model takes 4 channels"),
        ({"label": None}, "has no labels"),
    ],
    ids=["unknown-class", "other-rate", "other-channels", "no-labels"],
)
def test_a_recording_for_another_model_is_refused(tmp_path: Path, changes: dict, reason: str) -> None:
    path = makers.person(tmp_path / "S01.npz", **changes)

    with pytest.raises(DataError, match=reason):
        read([load(path)], makers.manifest())


def test_a_recording_shorter_than_a_window_is_refused(tmp_path: Path) -> None:
    columns = ("label", "repetition", "session", "recording")
    short = {"emg": np.zeros((3, 4), np.int8), **dict.fromkeys(columns, np.zeros(3, np.int8))}
    path = makers.person(tmp_path / "S01.npz", **short)

    with pytest.raises(DataError, match="no labelled stretch of 20 samples"):
        read([load(path)], makers.manifest())


def test_rest_without_a_number_belongs_to_the_gesture_that_follows(tmp_path: Path) -> None:
    """Ninapro numbers gestures only: all of its rest is repetition 0."""
    path = makers.person(tmp_path / "S01.npz")
    arrays = dict(np.load(path))
    arrays["repetition"] = np.where(arrays["label"] == 0, 0, arrays["repetition"])
    np.savez(path, **arrays)

    data = read([load(path)], makers.manifest())

    assert set(data.repetition[data.label == 0]) == {1, 2, 3, 4, 5, 6}


def test_the_same_samples_have_the_same_hash_in_another_file(tmp_path: Path) -> None:
    one = load(makers.person(tmp_path / "S01.npz"))
    arrays = dict(np.load(one.path))
    second = arrays["session"] == 2
    alone = {
        key: values[second] if values.shape[:1] == second.shape else values for key, values in arrays.items()
    }
    np.savez(tmp_path / "part.npz", **{**alone, "emg": alone["emg"].astype(np.float32)})

    assert set(content_hashes(load(tmp_path / "part.npz")).values()) == {content_hashes(one)[2]}


def test_a_persons_mat_file_is_left_out_beside_their_npz(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    makers.person(tmp_path / "S03.npz")
    write_mat(tmp_path / "S3_E1_A1.mat")

    with caplog.at_level(logging.WARNING):
        found = load_people(tmp_path)

    assert [recording.name for recording in found] == ["S03.npz"]
    assert "S3_E1_A1.mat is left out" in caplog.text
