from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.emg.files.ninapro import identify
from app.emg.files.ninapro_table import DATABASES, EXERCISES
from app.emg.files.recordings import Recording, load, load_folder
from app.emg.simulated.playback import Playback
from app.errors import DataError
from tests.emg.recording_makers import write_mat

BY_NAME = {database.name: database for database in DATABASES}


def ninapro(path: Path, channels: int, rate: float | None, labels: range, **changes) -> Path:
    """A `.mat` whose labels are 0 and then each of `labels` for 10 samples."""
    path.parent.mkdir(exist_ok=True)
    ids = np.repeat([0, *labels], 10).astype(np.int16)[:, None]
    arrays = {"stimulus": ids, "restimulus": ids, "repetition": ids * 0 + 1, "rerepetition": ids * 0 + 1}
    n = len(ids)
    return write_mat(path, n, channels, frequency=rate, **{**arrays, **changes})


def said(recording: Recording) -> list[str]:
    """The names of the labels in order, without the rest before them."""
    ids = recording.label[10::10]
    return [recording.gesture_names[k] for k in ids]


@pytest.mark.parametrize("rate", [None, "its own"])
@pytest.mark.parametrize(
    ("name", "channels", "own_rate", "labels", "database", "exercise"),
    [
        pytest.param("S1_A1_E1.mat", 10, 100, range(1, 13), "DB1", "A", id="DB1 E1"),
        pytest.param("S1_A1_E2.mat", 10, 100, range(1, 18), "DB1", "B", id="DB1 E2"),
        pytest.param("S1_A1_E3.mat", 10, 100, range(1, 24), "DB1", "C", id="DB1 E3"),
        pytest.param("S1_E1_A1.mat", 12, 2000, range(1, 18), "DB2/DB3/DB7", "B", id="DB2 E1"),
        pytest.param("S1_E2_A1.mat", 12, 2000, range(18, 41), "DB2/DB3/DB7", "C", id="DB2 E2"),
        pytest.param("S1_E3_A1.mat", 12, 2000, range(41, 50), "DB2/DB3", "D", id="DB2 E3"),
        pytest.param("S6_E1_A1.mat", 10, 2000, range(1, 18), "DB3", "B", id="DB3 with 10 electrodes"),
        pytest.param("S1_E1_A1.mat", 12, 2000, range(1, 13), "DB4", "A", id="DB4 E1"),
        pytest.param("S1_E2_A1.mat", 12, 2000, range(1, 18), "DB4", "B", id="DB4 E2"),
        pytest.param("S1_E3_A1.mat", 12, 2000, range(30, 53), "DB4", "C", id="DB4 E3, counted on"),
        pytest.param("S1_E1_A1.mat", 16, 200, range(1, 13), "DB5", "A", id="DB5 E1"),
        pytest.param("S1_E2_A1.mat", 16, 200, range(1, 18), "DB5", "B", id="DB5 E2"),
        pytest.param("S1_E1_A3.mat", 16, 2000, range(1, 10), "DB8", "DB8", id="DB8"),
    ],
)
def test_a_file_names_the_movements_of_the_database_it_is_from(
    tmp_path: Path,
    name: str,
    channels: int,
    own_rate: float,
    labels: range,
    database: str,
    exercise: str,
    rate: str | None,
) -> None:
    path = ninapro(tmp_path / name, channels, own_rate if rate else None, labels)
    found = load(path)
    assert (found.database, found.fs) == (database, own_rate)
    assert said(found) == list(EXERCISES[exercise])
    assert found.gesture_names[0] == "rest"


@pytest.mark.parametrize(
    ("name", "channels", "rate", "labels", "database"),
    [
        pytest.param("S1_D1_T1.mat", 16, 2000, range(1, 12), "DB6", id="DB6"),
        pytest.param("S010_ex1.mat", 12, 1925.98, range(1, 11), "DB10", id="DB10"),
    ],
)
def test_where_no_source_says_what_the_numbers_mean_they_stay_numbers(
    tmp_path: Path, name: str, channels: int, rate: float, labels: range, database: str
) -> None:
    found = load(ninapro(tmp_path / name, channels, rate, labels))
    assert found.database == database
    assert found.gesture_names[1] == "gesture_1"


def test_exercises_that_each_begin_at_one_are_counted_on_and_play_as_one(tmp_path: Path) -> None:
    for exercise, count in ((1, 12), (2, 17), (3, 23)):
        ninapro(tmp_path / f"S1_A1_E{exercise}.mat", 10, None, range(1, count + 1))
    recordings = load_folder(tmp_path)
    assert [(int(r.label[10]), int(r.label[-1])) for r in recordings] == [(1, 12), (13, 29), (30, 52)]
    source = Playback(recordings, speed=None, loop=False)
    assert len(source.gesture_names) == 53
    truths = [source.gesture_names[k] for chunk in iter(source.read, None) for k in chunk.labels]
    assert set(truths) == {"rest", *EXERCISES["A"], *EXERCISES["B"], *EXERCISES["C"]}


def test_rest_and_unlabelled_samples_are_not_counted_on(tmp_path: Path) -> None:
    path = ninapro(tmp_path / "S1_A1_E2.mat", 10, None, range(1, 18))
    found = load(path)
    assert set(found.label[:10]) == {0}
    nothing = load(
        write_mat(tmp_path / "S2_A1_E2.mat", 50, 10, stimulus=None, restimulus=None), fs=100, labelled=False
    )
    assert set(nothing.label) == {-1}


@pytest.mark.parametrize(
    ("path", "channels", "rate", "labels", "complaint"),
    [
        pytest.param(
            "DB5_S1_E1_A1.mat",
            10,
            200.0,
            range(1, 13),
            "it has 10 EMG channels, DB5 has 16",
            id="channels, by the file's name",
        ),
        pytest.param(
            "DB5/S1_E1_A1.mat", 10, 200.0, range(1, 13), "it has 10 EMG channels", id="by the folder's name"
        ),
        pytest.param(
            "ninapro_db2/S1_E1_A1.mat",
            12,
            200.0,
            range(1, 18),
            "it is sampled at 200 Hz, DB2 at 2000 Hz",
            id="rate",
        ),
        pytest.param(
            "DB7_s1/S1_E3_A1.mat",
            12,
            2000.0,
            range(41, 50),
            "it is exercise 3, DB7 has 2; it looks like DB2 or DB3",
            id="exercise",
        ),
        pytest.param(
            "DB1/S1_E1_A1.mat",
            10,
            100.0,
            range(1, 13),
            "it is called like S_E_A, DB1's like S_A_E",
            id="letters",
        ),
        pytest.param(
            "DB9/S1_E1_A1.mat", 12, 2000.0, range(1, 18), "it has 12 EMG channels, DB9 has no", id="no EMG"
        ),
    ],
)
def test_a_file_that_contradicts_its_name_is_refused(
    tmp_path: Path, path: str, channels: int, rate: float, labels: range, complaint: str
) -> None:
    with pytest.raises(DataError) as caught:
        load(ninapro(tmp_path / path, channels, rate, labels))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_decides_between_databases_that_fit_alike(tmp_path: Path) -> None:
    part = range(1, 6)  # of DB4's A, or of DB2's B
    assert load(ninapro(tmp_path / "S1_E1_A1.mat", 12, 2000.0, part)).gesture_names[1] == "gesture_1"
    for folder, first in (("DB4_s1", "index_flexion"), ("DB7_s1", "thumb_up")):
        found = load(ninapro(tmp_path / folder / "S1_E1_A1.mat", 12, 2000.0, part))
        assert (found.database, said(found)[0]) == (folder[:3], first)


def test_numbers_that_fit_no_exercise_stay_numbers(tmp_path: Path) -> None:
    found = load(ninapro(tmp_path / "DB5" / "S1_E1_A1.mat", 16, 200.0, range(1, 20)))
    assert (found.database, found.gesture_names[1]) == ("DB5", "gesture_1")


def test_labels_that_both_ways_of_counting_fit_stay_numbers(tmp_path: Path) -> None:
    found = load(ninapro(tmp_path / "DB5" / "S1_E2_A1.mat", 16, 200.0, range(13, 18)))
    assert found.gesture_names[13] == "gesture_13"


@pytest.mark.parametrize(
    ("name", "channels", "rate"),
    [
        pytest.param("S8_E1_A1.mat", 8, 200.0, id="an armband of 8"),
        pytest.param("walk.mat", 12, 2000.0, id="a name of its own"),
        pytest.param("S1_E1_A1.mat", 12, 1000.0, id="a rate of its own"),
    ],
)
def test_a_file_of_no_database_is_left_as_it_is(
    tmp_path: Path, name: str, channels: int, rate: float
) -> None:
    found = load(ninapro(tmp_path / name, channels, rate, range(1, 4)))
    assert (found.database, found.gesture_names) == (None, ("rest", "gesture_1", "gesture_2", "gesture_3"))


def test_a_file_without_a_rate_that_no_database_fits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no sampling rate"):
        load(ninapro(tmp_path / "S1_E1_A1.mat", 8, None, range(1, 4)))


def test_an_npz_is_never_taken_for_ninapros() -> None:
    path = Path("DB5/S1_E1_A1.npz")
    assert identify(path, channels=10, rate_hz=200.0, exercise=1, labels=[1]) is None


def test_names_given_win_over_the_table(tmp_path: Path) -> None:
    names = ("rest", *(f"mine_{k}" for k in range(1, 13)))
    assert (
        load(ninapro(tmp_path / "S1_A1_E1.mat", 10, None, range(1, 13)), gesture_names=names).gesture_names
        == names
    )


@pytest.mark.parametrize(
    ("name", "movements"),
    [("DB1", 52), ("DB2", 49), ("DB3", 49), ("DB4", 52), ("DB5", 52), ("DB7", 40), ("DB8", 9)],
)
def test_the_table_has_as_many_movements_as_the_papers_say(name: str, movements: int) -> None:
    assert len(set(BY_NAME[name].movements)) == len(BY_NAME[name].movements) == movements


def test_every_database_names_its_source() -> None:
    assert list(BY_NAME) == [f"DB{k}" for k in range(1, 11)]
    for database in DATABASES:
        assert f"instructions/{database.name}.html" in database.source
