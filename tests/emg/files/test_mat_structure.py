from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from scipy import io

from app.emg.files.mat_structure import check
from app.emg.files.recordings import load
from app.errors import DataError
from tests.emg.recording_makers import write_mat

KEYS = {"emg", "stimulus", "units"}
LIMIT = 10**6


@pytest.fixture(params=[True, False], ids=["compressed", "plain"])
def sound(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return write_mat(tmp_path / "a.mat", compressed=request.param, units="µV", glove={"any": "thing"})


def test_a_sound_file_passes_and_reads(sound: Path) -> None:
    check(sound, KEYS, LIMIT)
    assert load(sound).units == "µV"


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.float32, np.float64]
)
def test_every_numeric_class_passes(tmp_path: Path, dtype: type) -> None:
    path = write_mat(tmp_path / "a.mat", emg=np.ones((3, 2), dtype), stimulus=np.ones((3, 1), dtype))
    check(path, KEYS, LIMIT)


def test_a_complex_array_is_sound_but_not_a_signal(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "a.mat", emg=np.ones((3, 2), complex))
    check(path, KEYS, LIMIT)
    with pytest.raises(DataError, match="emg is complex128"):
        load(path)


def test_a_version_4_file_is_left_to_scipy(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    io.savemat(path, {"emg": np.ones((50, 2)), "stimulus": np.zeros((50, 1)), "frequency": 200.0}, format="4")
    check(path, KEYS, LIMIT)
    assert load(path).channels == 2


@pytest.mark.parametrize("cut", [1, 7, 30, 61])
def test_a_file_that_ends_early_is_refused(sound: Path, cut: int) -> None:
    sound.write_bytes(sound.read_bytes()[:-cut])
    with pytest.raises(DataError, match=r"a\.mat: "):
        load(sound)


def test_a_type_code_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """The byte that ended the process: scipy looks the code up in a table without a check."""
    path = write_mat(tmp_path / "a.mat", compressed=False)
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<II", 7, 1600))  # single, 100 x 4 samples
    content[at] = 200
    path.write_bytes(content)
    with pytest.raises(DataError, match="emg is damaged"):
        check(path, KEYS, LIMIT)


def test_a_shape_that_the_values_do_not_fill_is_refused(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "a.mat", compressed=False)
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<ii", 100, 4))
    content[at : at + 8] = struct.pack("<ii", 100, 5)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"emg is damaged \(shape \(100, 5\) with 1600 bytes\)"):
        check(path, KEYS, LIMIT)


def test_a_large_variable_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "a.mat", emg=np.zeros((200_000, 4)))
    assert path.stat().st_size < 20_000
    with pytest.raises(DataError, match="emg would unpack"):
        check(path, KEYS, LIMIT)


def test_other_variables_may_be_anything(sound: Path) -> None:
    check(sound, KEYS, LIMIT)
    with pytest.raises(DataError, match="glove is a MATLAB cell, struct or object"):
        check(sound, {"glove"}, LIMIT)
