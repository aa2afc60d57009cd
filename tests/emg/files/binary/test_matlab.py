"""MATLAB files: version 5 as scipy writes it, 7.3 as MATLAB lays out its HDF5, and what is proposed by looking."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import io

from tests.emg.files.imports import read, refusal, whole

RNG = np.random.default_rng(16)
RAW = RNG.normal(size=(3000, 4))
LABELS = np.repeat([1, 2, 1, 3, 1], 600)


def mat5(path: Path, *, compressed: bool = True, **arrays: Any) -> Path:
    io.savemat(path, arrays, do_compression=compressed)
    return path


def mat73(path: Path, **arrays: Any) -> Path:
    """HDF5 behind 512 bytes of MATLAB's own, with arrays turned and texts as letters."""
    h5py = pytest.importorskip("h5py", reason="h5py of requirements-files.txt is not there")
    with h5py.File(path, "w", userblock_size=512) as file:

        def put(group: Any, name: str, value: Any) -> None:
            if isinstance(value, dict):
                inside = group.create_group(name)
                for key, one in value.items():
                    put(inside, key, one)
                return
            if isinstance(value, list):
                cells = group.create_dataset(name, (len(value), 1), h5py.ref_dtype)
                for k, text in enumerate(value):
                    put(file, f"#refs#/{name}{k}", text)
                    cells[k, 0] = file[f"#refs#/{name}{k}"].ref
                cells.attrs["MATLAB_class"] = np.bytes_("cell")
                return
            if isinstance(value, str):
                made = group.create_dataset(name, data=np.array([[ord(c)] for c in value], np.uint16))
                made.attrs["MATLAB_class"] = np.bytes_("char")
                return
            made = group.create_dataset(name, data=np.atleast_2d(value).T, compression="gzip")
            made.attrs["MATLAB_class"] = np.bytes_("double")

        for name, value in arrays.items():
            put(file, name, value)
    content = bytearray(path.read_bytes())
    content[:128] = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    path.write_bytes(content)
    return path


WRITERS = pytest.mark.parametrize("write", [mat5, mat73], ids=["5", "7.3"])


@WRITERS
def test_a_file_that_says_all_is_read_without_a_word(tmp_path: Path, write: Any) -> None:
    path = write(
        tmp_path / "a.mat",
        emg=RAW,
        fs=1259.259,
        label=LABELS[:, None],
        repetition=LABELS[:, None] * 2,
        units="mV",
    )
    found = whole(path, rest="1")
    assert found.file.format == ("MATLAB 5" if write is mat5 else "MATLAB 7.3")
    np.testing.assert_array_equal(found.samples, RAW.astype(np.float32))
    assert (found.file.sampling_rate, found.file.rate_source) == (1259.259, "from fs")
    assert found.file.units == "mV"
    assert found.file.gesture_names == ("rest", "gesture_2", "gesture_3")
    assert found.file.rest == "rest"
    assert found.labels is not None
    np.testing.assert_array_equal(found.labels, LABELS - 1)
    (chunk,) = found.file.chunks()
    np.testing.assert_array_equal(chunk.repetitions, LABELS * 2)
    assert found.file.assumed == ()


@WRITERS
def test_a_mapping_is_taken_as_it_is_given(tmp_path: Path, write: Any) -> None:
    """`--emg raw --label relabel --rest 1 --rate 500`"""
    path = write(
        tmp_path / "a.mat", raw=RAW, filtered=RAW * 2, relabel=LABELS[:, None], other=LABELS[:, None]
    )
    found = whole(
        path, emg="raw", label="relabel", rest="1", rate_hz=500.0, gesture_names=("x", "still", "fist")
    )
    np.testing.assert_array_equal(found.samples, RAW.astype(np.float32))
    assert found.file.sampling_rate == 500.0
    assert found.file.gesture_names == ("still", "fist", "gesture_3")
    assert found.file.rest == "still"


@WRITERS
def test_a_matrix_with_channels_in_rows_is_turned(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path / "a.mat", emg=RAW.T, fs=1000.0)
    found = whole(path, emg="emg:4,1")
    np.testing.assert_array_equal(found.samples, RAW[:, [3, 0]].astype(np.float32))
    assert any("turned" in line for line in found.file.found)


@WRITERS
def test_structs_are_looked_into(tmp_path: Path, write: Any) -> None:
    names = np.empty((1, 4), object)
    names[0] = ["biceps", "triceps", "flexor", "extensor"]
    inside = {"emg": RAW, "acc": RAW[:, :3], "fs": 2000.0}
    inside["channel_names"] = names if write is mat5 else list(names[0])
    path = write(tmp_path / "a.mat", data=inside)
    found = whole(path)
    np.testing.assert_array_equal(found.samples, RAW.astype(np.float32))
    assert found.file.sampling_rate == 2000.0
    assert found.file.channel_names == ("biceps", "triceps", "flexor", "extensor")
    assert [stream.name for stream in found.file.aux] == ["accelerometer"]
    np.testing.assert_array_equal(found.aux[0][1], RAW[:, :3].astype(np.float32))


@WRITERS
def test_what_cannot_be_told_is_asked_with_what_there_is(tmp_path: Path, write: Any) -> None:
    two = write(tmp_path / "a.mat", left=RAW, right=RAW, fs=1000.0)
    said = refusal(lambda: read(two))
    assert "left (3000 x 4), right (3000 x 4); --emg names it" in said
    assert "there is" in refusal(lambda: read(two, emg="middle"))
    none = write(tmp_path / "b.mat", subject=3.0, fs=1000.0)
    assert "holds no array that is a signal" in refusal(lambda: read(none))
    assert "is not one label a sample" in refusal(lambda: read(two, emg="left", label="fs"))


@WRITERS
def test_a_rate_that_is_not_there_is_asked_for(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path / "a.mat", emg=RAW)
    assert "give it with --rate" in refusal(lambda: read(path))
    assert read(path, rate_hz=148.148).sampling_rate == 148.148


@pytest.mark.parametrize(("scale", "name"), [(1.0, "s"), (1e3, "ms"), (1e6, "us")])
def test_times_give_the_rate_and_the_gaps(tmp_path: Path, scale: float, name: str) -> None:
    times = np.arange(3000) / 500.0
    times[1000:] += 2.0
    found = whole(mat5(tmp_path / "a.mat", emg=RAW, time=(times * scale)[:, None]))
    assert found.file.sampling_rate == pytest.approx(500, rel=1e-4)
    assert found.gaps == [(1000, 1000)]
    assert any(f"time is taken as times in {name};" in line for line in found.file.assumed)


def test_more_than_256_channels_are_refused_with_a_hint(tmp_path: Path) -> None:
    path = mat5(tmp_path / "a.mat", emg=np.tile(RAW, 75), fs=1000.0)
    assert "--emg emg:1-256" in refusal(lambda: read(path))
    assert read(path, emg="emg:1-256").channels == 256


def test_labels_that_are_no_gestures_are_refused(tmp_path: Path) -> None:
    path = mat5(tmp_path / "a.mat", emg=RAW, fs=1000.0, label=RNG.normal(size=(3000, 1)))
    assert "--label none takes none" in refusal(lambda: read(path))
    assert read(path, label="none").gesture_names == ()
    assert "is not one of the classes 1, 2, 3" in refusal(
        lambda: read(mat5(tmp_path / "b.mat", emg=RAW, fs=1000.0, label=LABELS[:, None]), rest="7")
    )


def test_class_0_is_taken_as_rest_and_that_is_said(tmp_path: Path) -> None:
    found = read(mat5(tmp_path / "a.mat", emg=RAW, fs=1000.0, label=LABELS[:, None] - 1))
    assert found.rest == "rest"
    assert any("class 0 is taken as rest; --rest" in line for line in found.assumed)


def test_objects_are_left_out_and_told(tmp_path: Path) -> None:
    from scipy.sparse import csc_array

    found = whole(mat5(tmp_path / "a.mat", emg=RAW, fs=1000.0, table=csc_array(np.eye(30))))
    assert "of a kind that is not read: table" in found.file.found


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    """300 MB of zeros in 300 kB; a header that says so would do."""
    path = mat5(tmp_path / "a.mat", emg=RAW, fs=1000.0)
    size = 3 * 2**28
    head = b"\x0e\0\0\0" + size.to_bytes(4, "little") + b"\x06\0\0\0\x08\0\0\0\x06\0\0\0\0\0\0\0"
    packed = zlib.compress(head + bytes(10**6))
    path.write_bytes(path.read_bytes() + b"\x0f\0\0\0" + len(packed).to_bytes(4, "little") + packed)
    assert "would unpack" in refusal(lambda: read(path))


def test_a_struct_that_is_damaged_is_refused_before_scipy_reads_it(tmp_path: Path) -> None:
    """A type code that does not exist, in a field of a struct: it ended the process."""
    path = mat5(tmp_path / "a.mat", compressed=False, s={"emg": RAW, "fs": 1000.0})
    content = bytearray(path.read_bytes())
    at = content.index(RAW.T.tobytes()[:64]) - 8
    assert content[at] == 9
    content[at] = 99
    path.write_bytes(content)
    assert "damaged" in refusal(lambda: read(path))


def test_any_hdf5_is_mapped_as_well(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py of requirements-files.txt is not there")
    with h5py.File(tmp_path / "a.bin", "w") as file:
        file["session/emg"] = RAW
        file["session"].attrs["sampling_rate"] = 2000
        file["session/labels"] = LABELS
    found = whole(tmp_path / "a.bin")
    assert found.file.format == "HDF5"
    assert found.file.sampling_rate == 2000.0
    np.testing.assert_array_equal(found.samples, RAW.astype(np.float32))


def test_trials_in_cells_are_recordings_one_after_the_other(tmp_path: Path) -> None:
    cells = np.empty((1, 3), object)
    cells[0] = [RAW[:1000], RAW[1000:1500], RAW[1500:]]
    path = mat5(tmp_path / "a.mat", emg=cells, label=np.array([[2, 0, 1]]), fs=500.0)
    found = whole(path)
    np.testing.assert_array_equal(found.samples, RAW.astype(np.float32))
    assert found.restarts == [1000, 1500]
    assert found.spans() == [("gesture_2", 0, 999), ("rest", 1000, 1499), ("gesture_1", 1500, 2999)]
    assert any("3 trials of emg" in line and "--emg 'emg(1)'" in line for line in found.file.assumed)
    np.testing.assert_array_equal(whole(path, emg="emg(2)").samples, RAW[1000:1500].astype(np.float32))


def test_trials_in_a_struct_array_keep_their_labels(tmp_path: Path) -> None:
    trials = np.empty((1, 2), [("emg", object), ("gesture", object)])
    trials[0, 0] = (RAW[:1000].T, 1.0)
    trials[0, 1] = (RAW[1000:].T, 0.0)
    found = whole(mat5(tmp_path / "a.mat", trial=trials, fs=500.0))
    np.testing.assert_array_equal(found.samples, RAW.astype(np.float32))
    assert found.restarts == [1000]
    assert found.spans() == [("gesture_1", 0, 999), ("rest", 1000, 2999)]
