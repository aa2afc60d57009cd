"""Ninapro's .mat and our own .npz, whatever their files are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.emg.files.recordings import load
from tests.emg.files.imports import format_of, read, refusal, whole
from tests.emg.recording_makers import SHARED, write_mat, write_npz


@pytest.mark.parametrize("suffix", [".npz", ".bin", ".mat"])
def test_our_own_recording_is_found_by_its_content(tmp_path: Path, suffix: str) -> None:
    path = write_npz(tmp_path / "one.npz").rename(tmp_path / f"one{suffix}")
    found = whole(path)
    form = format_of(path)
    assert form is not None
    assert form.NAME == "Ninapro files and our own recordings"
    assert found.file.gesture_names == ("rest", "fist", "point")
    assert found.file.rest == "rest"
    assert found.file.subject == "S07"
    assert found.restarts == [40, 80]
    assert found.gaps == []
    assert found.samples.shape == (100, 4)


@pytest.mark.parametrize("suffix", [".mat", ".dat"])
def test_a_ninapro_file_keeps_its_movements(tmp_path: Path, suffix: str) -> None:
    path = write_mat(tmp_path / "S3_E1_A1.mat").rename(tmp_path / f"S3_E1_A1{suffix}")
    found = whole(path, emg="2,1")
    assert found.file.channel_names == ("ch2", "ch1")
    assert found.file.sampling_rate == 2000.0
    assert found.labels is not None
    assert set(found.labels.tolist()) == {0, 1, 2}


def test_a_ninapro_file_is_what_load_makes_of_it(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "S3_E1_A1.mat")
    found, expected = whole(path), load(path)
    np.testing.assert_array_equal(found.samples, expected.emg)
    np.testing.assert_array_equal(found.labels, expected.label)  # type: ignore[arg-type]  # it has labels
    assert found.file.gesture_names == expected.gesture_names


def test_a_rate_that_is_not_there_is_given_or_asked_for(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz", fs=None)
    assert "has no sampling rate" in refusal(lambda: read(path))
    assert read(path, rate_hz=200.0).sampling_rate == 200.0


@pytest.mark.data
def test_a_recording_of_a_person_is_imported_as_it_is() -> None:
    path = SHARED / "S01.npz"
    if not path.exists():
        pytest.skip("the shared recordings are not there")
    found, expected = whole(path), load(path)
    np.testing.assert_array_equal(found.samples, expected.emg)
    np.testing.assert_array_equal(found.labels, expected.label)  # type: ignore[arg-type]  # it has labels
    assert len(found.restarts) == len(expected.pieces) - 1
