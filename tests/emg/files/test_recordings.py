from __future__ import annotations

import contextlib
import logging
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import io

from app.emg.files import arrays as recording_files
from app.emg.files.loading import load_path
from app.emg.files.recordings import in_units, list_folder, load, load_folder
from app.errors import DataError
from tests.emg.recording_makers import SHARED, mat_arrays, npz_arrays, write_mat, write_npz

shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared recordings are not here")


def test_an_npz_gives_samples_labels_and_what_is_known_of_them(tmp_path: Path) -> None:
    r = load(write_npz(tmp_path / "S07.npz"))
    arrays = npz_arrays()
    np.testing.assert_array_equal(r.emg, arrays["emg"])
    for key in ("label", "repetition", "session", "recording"):
        np.testing.assert_array_equal(getattr(r, key), arrays[key])
        assert getattr(r, key).dtype == np.int16
    assert (r.emg.dtype, r.channels, r.fs, r.units) == (np.float32, 4, 200.0, "uV")
    assert (r.name, r.subject, r.exercise) == ("S07.npz", "S07", None)
    assert r.gesture_names == ("rest", "fist", "point")
    assert r.pieces == (slice(0, 40), slice(40, 80), slice(80, 100))


def test_int8_counts_do_not_overflow(tmp_path: Path) -> None:
    emg = np.full((100, 4), -128, np.int8)
    r = load(write_npz(tmp_path / "a.npz", emg=emg))
    assert (np.abs(r.emg) == 128).all()


def test_refined_labels_are_taken_with_their_own_repetitions(tmp_path: Path) -> None:
    refined, repetition = np.full(100, 2, np.int8), np.full(100, 5, np.int8)
    r = load(write_npz(tmp_path / "a.npz", label_refined=refined, repetition_refined=repetition))
    assert (set(r.label), set(r.repetition)) == ({2}, {5})
    np.testing.assert_array_equal(r.label_cue, npz_arrays()["label"])


def test_a_cue_label_does_not_take_the_refined_repetitions(tmp_path: Path) -> None:
    r = load(write_npz(tmp_path / "a.npz", repetition_refined=np.full(100, 5, np.int8)))
    np.testing.assert_array_equal(r.repetition, npz_arrays()["repetition"])


def test_a_mat_prefers_restimulus_and_rerepetition(tmp_path: Path) -> None:
    r = load(write_mat(tmp_path / "S3_E1_A1.mat"))
    arrays = mat_arrays()
    np.testing.assert_array_equal(r.label, arrays["restimulus"][:, 0])
    np.testing.assert_array_equal(r.label_cue, arrays["stimulus"][:, 0])
    np.testing.assert_array_equal(r.repetition, arrays["rerepetition"][:, 0])
    assert (r.fs, r.subject, r.exercise) == (2000.0, "S03", 1)
    assert r.pieces == (slice(0, 100),)
    assert set(r.session) == {1}


def test_a_mat_without_restimulus_uses_stimulus(tmp_path: Path) -> None:
    r = load(write_mat(tmp_path / "a.mat", restimulus=None, rerepetition=None))
    np.testing.assert_array_equal(r.label, mat_arrays()["stimulus"][:, 0])
    np.testing.assert_array_equal(r.repetition, mat_arrays()["repetition"][:, 0])


def test_gestures_without_names_are_numbered_or_named_by_the_caller(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "a.mat")
    assert load(path).gesture_names == ("rest", "gesture_1", "gesture_2")
    names = ("rest", "fist", "point", "pinch")
    assert load(path, gesture_names=names).gesture_names == names
    assert load(write_npz(tmp_path / "b.npz"), gesture_names=names).gesture_names == ("rest", "fist", "point")


def test_gesture_names_inside_a_mat_are_trimmed(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "a.mat", gesture_names=np.array(["rest", "fist", "pointing"]))
    assert load(path).gesture_names == ("rest", "fist", "pointing")


@pytest.mark.parametrize(
    ("name", "subject", "exercise"),
    [
        ("S1_E2_A3.mat", "S01", 2),
        ("S1_A3_E2.mat", "S01", 2),
        ("s12_e1.mat", "S12", 1),
        ("walk.mat", "walk", 1),
    ],
    ids=["DB2", "DB1", "lower case", "free: what the file says"],
)
def test_subject_and_exercise_are_read_by_letter(
    tmp_path: Path, name: str, subject: str, exercise: int | None
) -> None:
    r = load(write_mat(tmp_path / name, subject=None))
    assert (r.subject, r.exercise) == (subject, exercise)


def test_rows_of_unequal_length_are_cut_to_the_shortest_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    long = {key: np.ones((1000, 1)) for key in ("stimulus", "repetition")}
    path = write_mat(
        tmp_path / "a.mat",
        emg=np.ones((1000, 2)),
        restimulus=np.zeros((997, 1)),
        rerepetition=np.zeros((1003, 1)),
        **long,
    )
    with caplog.at_level(logging.WARNING):
        r = load(path)
    assert {len(v) for v in (r.emg, r.label, r.label_cue, r.repetition, r.session, r.recording)} == {997}
    assert "cut to 997 rows" in caplog.text
    assert "a.mat" in caplog.text


@pytest.mark.parametrize("rows", [10, 80, 980, 1020, 8000])
def test_lengths_that_differ_by_more_than_a_hundredth_are_refused_and_both_named(
    tmp_path: Path, rows: int
) -> None:
    """80 labels for 8000 samples were 80 samples, played in a loop."""
    path = write_mat(tmp_path / "a.mat", emg=np.ones((1000, 2)), restimulus=np.zeros((rows, 1)))
    with pytest.raises(DataError, match=rf"emg 1000, .*label {rows}.* at most 1% of a longer one is lost"):
        load(path)


@pytest.mark.parametrize(("units", "level"), [("mV", 1000.0), ("uV", 1.0), ("unknown", 1.0), ("counts", 1.0)])
def test_a_recording_in_other_units_is_converted_where_that_can_be_known(
    tmp_path: Path, units: str, level: float
) -> None:
    recording = replace(load(write_mat(tmp_path / "a.mat", emg=np.ones((100, 2)))), units=units)
    np.testing.assert_allclose(in_units(recording, "uV").emg, level)


def test_equal_lengths_log_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load(write_mat(tmp_path / "a.mat"))
    assert caplog.text == ""


def test_a_missing_rate_can_be_given_and_never_overrides_the_files_own(tmp_path: Path) -> None:
    assert load(write_mat(tmp_path / "a.mat", frequency=None), fs=100).fs == 100
    assert load(write_mat(tmp_path / "b.mat"), fs=100).fs == 2000


def test_a_file_without_labels_can_be_taken_as_unlabelled(tmp_path: Path) -> None:
    r = load(write_npz(tmp_path / "a.npz", label=None), labelled=False)
    assert set(r.label) == {-1}
    assert r.gesture_names == ("rest", "fist", "point")


def test_a_scalar_session_holds_for_every_sample(tmp_path: Path) -> None:
    r = load(write_npz(tmp_path / "a.npz", session=np.int8(3), recording=None, repetition=None))
    assert (set(r.session), set(r.recording), set(r.repetition)) == ({3}, {0}, {0})
    assert len(r.session) == 100


def test_what_is_loaded_cannot_be_written(tmp_path: Path) -> None:
    r = load(write_npz(tmp_path / "a.npz"))
    for array in (r.emg, r.label, r.session):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def with_nan() -> np.ndarray:
    emg = np.zeros((100, 4), np.float32)
    emg[3, 2] = np.nan
    return emg


BAD = [
    pytest.param({"emg": None}, "has no key 'emg'", id="no emg"),
    pytest.param({"emg": np.zeros((0, 4))}, "emg is empty", id="no rows"),
    pytest.param({"emg": np.zeros((5, 100, 4))}, r"must be numbers \(samples, channels\)", id="3-D"),
    pytest.param({"emg": np.zeros((4, 1000))}, "rows and columns swapped", id="transposed"),
    pytest.param({"emg": np.zeros((100, 4), complex)}, "emg is complex128", id="complex"),
    pytest.param({"emg": np.full((100, 4), "x")}, "emg is", id="text"),
    pytest.param({"emg": with_nan()}, "emg holds 1 values that are NaN", id="nan"),
    pytest.param({"emg": np.full((100, 4), 1e300)}, "emg holds 400 values", id="beyond float32"),
]
BAD_LABELS = [
    pytest.param(np.zeros((100, 4)), "must be one whole number a sample", id="2-D"),
    pytest.param(np.full(100, 0.5), "must hold whole numbers", id="fractions"),
    pytest.param(np.full(100, np.nan), "must hold whole numbers", id="nan"),
    pytest.param(np.full(100, -2), "must hold whole numbers from -1", id="negative"),
    pytest.param(np.full(100, 40_000), "must hold whole numbers", id="huge"),
    pytest.param(np.full(100, "fist"), "must be one whole number a sample", id="text"),
]


@pytest.mark.parametrize(("change", "complaint"), BAD)
@pytest.mark.parametrize("write", [write_npz, write_mat], ids=["npz", "mat"])
def test_emg_that_is_no_signal_is_refused(tmp_path: Path, write, change: dict, complaint: str) -> None:
    path = write(tmp_path / ("bad.mat" if write is write_mat else "bad.npz"), **change)
    with pytest.raises(DataError, match=complaint) as caught:
        load(path)
    assert str(caught.value).startswith(path.name + ": ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("labels", "complaint"), BAD_LABELS)
@pytest.mark.parametrize(
    ("write", "key"), [(write_npz, "label"), (write_mat, "restimulus")], ids=["npz", "mat"]
)
def test_labels_that_are_no_ids_are_refused(
    tmp_path: Path, write, key: str, labels: np.ndarray, complaint: str
) -> None:
    path = write(tmp_path / ("bad.mat" if write is write_mat else "bad.npz"), **{key: labels})
    with pytest.raises(DataError, match=complaint) as caught:
        load(path)
    assert f"bad{path.suffix}: {key} " in str(caught.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param(
            {"label": None}, "has no labels; it needs the key 'label_refined' or 'label'", id="no labels"
        ),
        pytest.param({"label": np.zeros(0, int)}, "label is int64", id="empty labels"),
        pytest.param({"emg": np.zeros(100)}, r"emg is float64 \(100,\); it must be numbers", id="1-D"),
        pytest.param({"fs": None}, "has no sampling rate", id="no rate"),
        pytest.param({"fs": np.int32(0)}, "fs must be one rate in Hz above 0, got 0", id="rate 0"),
        pytest.param({"fs": np.float64(np.nan)}, "fs must be one rate", id="rate nan"),
        pytest.param({"fs": np.array([200, 300])}, "fs must be one rate", id="two rates"),
        pytest.param({"fs": np.array("fast")}, "fs must be one rate", id="rate in words"),
        pytest.param({"gesture_names": np.array(["rest", "fist"])}, "labels go up to 2", id="too few names"),
        pytest.param({"gesture_names": np.array(["a", "b", "a"])}, "different names", id="a name twice"),
        pytest.param({"gesture_names": np.arange(3)}, "gesture_names is int64", id="names as numbers"),
        pytest.param({"emg": np.zeros((100, 4), object)}, "emg holds pickled objects", id="pickle"),
        pytest.param(
            {"gesture_names": np.array(["a", None])}, "gesture_names holds pickled", id="pickled names"
        ),
    ],
)
def test_a_wrong_npz_is_refused_in_one_line(tmp_path: Path, change: dict, complaint: str) -> None:
    path = write_npz(tmp_path / "bad.npz", **change)
    with pytest.raises(DataError, match=complaint) as caught:
        load(path)
    assert str(caught.value).startswith("bad.npz: ")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param(
            {"stimulus": None, "restimulus": None}, "needs the key 'restimulus' or 'stimulus'", id="labels"
        ),
        pytest.param({"frequency": None}, "has no sampling rate", id="rate"),
        pytest.param(
            {"emg": np.array([[1], "a"], dtype=object)},
            "emg is a MATLAB cell.* must be a plain array",
            id="cell",
        ),
        pytest.param({"emg": {"a": 1}}, "emg is a MATLAB .*struct", id="struct"),
        pytest.param({"emg": np.zeros(100)}, r"emg is \(samples, channels\) = \(1, 100\)", id="1-D"),
    ],
)
def test_a_wrong_mat_is_refused_in_one_line(tmp_path: Path, change: dict, complaint: str) -> None:
    path = write_mat(tmp_path / "bad.mat", **change)
    with pytest.raises(DataError, match=complaint) as caught:
        load(path)
    assert str(caught.value).startswith("bad.mat: ")


@pytest.mark.parametrize("name", ["a.mat", "a.npz"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04N.", b"MATLAB 5.0 MAT-file" + b"\0" * 200])
def test_a_file_of_something_else_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: "):
        load(path)


def test_a_matlab_7_3_file_is_told_how_to_be_saved(tmp_path: Path) -> None:
    path = tmp_path / "new.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF" + b"\0" * 64)
    with pytest.raises(DataError, match="save it again with -v7"):
        load(path)


def test_an_npy_that_calls_itself_npz_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match=r"a\.npz: is damaged"):
        load(tmp_path / "a.npz")


@pytest.mark.parametrize("write", [write_npz, write_mat], ids=["npz", "mat"])
def test_a_file_that_would_unpack_to_an_absurd_size_is_not_unpacked(
    tmp_path: Path, write, monkeypatch: pytest.MonkeyPatch
) -> None:
    emg = np.zeros((100_000, 4), np.float32)  # packs to nearly nothing
    path = write(tmp_path / ("big.mat" if write is write_mat else "big.npz"), emg=emg)
    monkeypatch.setattr(recording_files, "MAX_BYTES", path.stat().st_size + 1)
    with pytest.raises(DataError, match=r"emg would unpack to .* GiB"):
        load(path)


def test_a_header_that_promises_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz")
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (9000000000000, 8), }"
    lie = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as members:
        members.writestr("emg.npy", lie)
    with pytest.raises(DataError, match=r"a\.npz: is damaged"):
        load(path)


@settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from(["a.mat", "a.npz"]), st.integers(0, 5000), st.integers(0, 255), st.booleans())
def test_a_damaged_file_is_refused_or_read_but_never_crashes(
    tmp_path: Path, name: str, at: int, byte: int, truncate: bool
) -> None:
    """scipy's reader ended the process on one wrong byte; mat_structure.py now looks first."""
    path = tmp_path / name
    write_npz(path, n=30) if name.endswith("npz") else write_mat(path, n=30, compressed=False)
    content = bytearray(path.read_bytes())
    at %= len(content)
    content[at] = byte
    path.write_bytes(content[:at] if truncate else content)
    with contextlib.suppress(DataError):
        assert np.isfinite(load(path).emg).all()


def test_unknown_keys_are_not_even_looked_at(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz", glove=np.array([object()], dtype=object))
    assert load(path).channels == 4
    cell = np.array([[1], "a"], dtype=object)
    assert load(write_mat(tmp_path / "a.mat", glove=cell)).channels == 4


@pytest.mark.parametrize("name", ["missing.npz", "missing.mat"])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / name)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2,3")
    with pytest.raises(DataError, match=r"a\.csv: is not a recording; it must be a \.mat or \.npz file"):
        load(tmp_path / "a.csv")


def test_a_folder_is_its_recordings_in_natural_order(tmp_path: Path) -> None:
    for name in ("S10.npz", "S2.npz", "S1.npz"):
        write_npz(tmp_path / name)
    write_mat(tmp_path / "S2_E1.mat")
    (tmp_path / "LICENSE.txt").write_text("MIT")
    (tmp_path / "folder.npz").mkdir()
    names = [r.name for r in load_folder(tmp_path, gesture_names=("rest", "fist", "point"))]
    assert names == ["S1.npz", "S2.npz", "S2_E1.mat", "S10.npz"]
    assert [p.name for p in list_folder(tmp_path)] == names
    assert len(load_path(tmp_path)) == 4
    assert [r.name for r in load_path(tmp_path / "S2.npz")] == ["S2.npz"]


def test_a_folder_without_recordings_or_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no recording"):
        load_folder(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        load_folder(tmp_path / "nowhere")


@pytest.mark.data
@shared
def test_a_shared_person_is_read_as_its_readme_says() -> None:
    r = load(SHARED / "S08.npz")
    assert r.emg.shape == (289_469, 8)
    assert (r.fs, r.subject, len(r.pieces)) == (200.0, "S08", 24)
    assert set(r.session) == {1, 2, 3}
    assert r.gesture_names[:2] == ("rest", "flexion")
    assert np.abs(r.emg).max() == 128
    with np.load(SHARED / "S08.npz") as file:
        np.testing.assert_array_equal(r.label, file["label_refined"])
        np.testing.assert_array_equal(r.label_cue, file["label"])


@pytest.mark.data
@shared
def test_the_shared_mat_is_the_first_session_of_its_person() -> None:
    npz = load(SHARED / "S08.npz")
    mat = load(SHARED / "S8_E1_A1.mat", gesture_names=npz.gesture_names)
    n = len(mat.emg)
    np.testing.assert_array_equal(mat.emg, npz.emg[:n])
    np.testing.assert_array_equal(mat.label, npz.label[:n])
    assert (mat.subject, mat.exercise, mat.fs, mat.gesture_names) == ("S08", 1, 200.0, npz.gesture_names)
    assert io.whosmat(str(SHARED / "S8_E1_A1.mat"))
