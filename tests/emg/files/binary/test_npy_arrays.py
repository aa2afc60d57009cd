"""Any .npy and .npz, by a mapping."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from tests.emg.files.imports import read, refusal, whole

RNG = np.random.default_rng(16)
RAW = RNG.normal(size=(2000, 3))


def test_an_array_is_a_recording_where_its_rate_is_given(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", RAW.T)
    assert "give it with --rate" in refusal(lambda: read(tmp_path / "a.npy"))
    found = whole(tmp_path / "a.npy", rate_hz=148.148, units="mV")
    np.testing.assert_array_equal(found.samples, RAW.astype(np.float32))
    assert (found.file.sampling_rate, found.file.units) == (148.148, "mV")


def test_arrays_of_a_zip_are_mapped(tmp_path: Path) -> None:
    labels = np.repeat([0, 1], 1000)
    np.savez_compressed(
        tmp_path / "a.npz", signal=RAW, y=labels, fs=250.5, class_names=np.array(["rest", "fist"])
    )
    found = whole(tmp_path / "a.npz")
    assert found.file.gesture_names == ("rest", "fist")
    assert found.file.sampling_rate == 250.5
    assert found.spans() == [("rest", 0, 999), ("fist", 1000, 1999)]


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as file,
        file.open("emg.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(
            member, {"descr": "<f8", "fortran_order": False, "shape": (10 * 2**20, 4)}
        )
        for _ in range(320):
            member.write(bytes(2**20))
    assert "which no signal does" in refusal(lambda: read(tmp_path / "a.npz", rate_hz=1000.0))


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", emg=np.array([{"a": 1}] * 30, object), fs=100.0)
    assert "holds no array that is a signal" in refusal(lambda: read(tmp_path / "a.npz"))
