"""The text files of the shared folder give what its README says, figure for figure."""

from __future__ import annotations

import numpy as np
import pytest

from tests.emg.files.text.tables import ABSENT, SHARED, import_text, whole

pytestmark = [pytest.mark.data, pytest.mark.skipif(not SHARED.is_dir(), reason=ABSENT)]


def test_the_ganglion_file_has_one_hole_and_200_hz() -> None:
    file = import_text(SHARED / "openbci-ganglion" / "OpenBCI-RAW.txt")
    assert (file.format, file.sampling_rate, file.units, file.channels) == (
        "OpenBCI GUI text",
        200.0,
        "uV",
        4,
    )
    assert [(one.name, one.channels, one.sampling_rate) for one in file.aux] == [("accelerometer", 3, 200.0)]
    all_of_it = whole(file)
    assert len(all_of_it.samples) == 26612
    assert all_of_it.restarts == []
    [(row, lost)] = all_of_it.gaps
    assert lost / 200.0 == pytest.approx(29.2, abs=0.05)
    assert row == 1870
    np.testing.assert_allclose(all_of_it.samples[0], [-14.86, 6.60, 0, 0])
    assert any("wraps after 200" in line for line in file.found)
    assert any("29.2 s" in line for line in file.found)
    assert file.gesture_names == ()


def test_the_delsys_file_keeps_its_rates_apart() -> None:
    file = import_text(SHARED / "delsys-trigno" / "truncated_trigno_sample.csv")
    assert (file.sampling_rate, file.units, file.channels) == (1259.259, "V", 2)
    assert {(one.channels, one.sampling_rate) for one in file.aux} == {(3, 148.1481)}
    assert sum(one.channels for one in file.aux) == 12
    assert [one.name.split()[0] for one in file.aux] == ["accelerometer", "gyroscope"] * 2
    all_of_it = whole(file)
    assert (len(all_of_it.samples), all_of_it.gaps) == (2519, [])
    for pieces in all_of_it.aux.values():
        rows = np.concatenate([samples for _, samples in pieces])
        assert pieces[0][0] == 0.0
        assert len(rows) == 297  # 2.0 s, as the EMG: not 0.235 s
        assert np.isfinite(rows).all()
    assert all_of_it.samples[-1] == pytest.approx([0.0002955825, -1.762417e-05])
    assert any("81141" in line for line in file.found)


CLASSES = {0: (6000, [16, -121]), 1: (6600, None), 2: (5550, None), 3: (6150, [-121, 68])}


@pytest.mark.parametrize("number", CLASSES)
def test_an_opensignals_file_takes_the_middle_off_its_emg_and_its_class_from_its_name(number: int) -> None:
    file = import_text(SHARED / "opensignals" / f"classification_game_{number}_1.txt")
    rows, first = CLASSES[number]
    assert (file.sampling_rate, file.channel_names, file.units) == (1000.0, ("CH1", "CH2"), "counts")
    assert [(one.name, one.channels) for one in file.aux] == [("digital", 1), ("accelerometer", 1)]
    all_of_it = whole(file)
    assert (len(all_of_it.samples), all_of_it.gaps) == (rows, [])
    assert np.abs(all_of_it.samples.mean(axis=0)).max() < 200  # of 32768
    if first == [-121, 68]:
        np.testing.assert_array_equal(all_of_it.samples[0], first)
    assert all_of_it.labels is not None
    assert set(all_of_it.labels) == {number}
    assert all_of_it.repetitions is not None
    assert set(all_of_it.repetitions) == {1}


def test_opensignals_classes_can_be_named_by_hand() -> None:
    names = ("none", "paper", "stone", "scissors")
    file = import_text(SHARED / "opensignals" / "classification_game_2_1.txt", gesture_names=names)
    assert (file.gesture_names, file.rest) == (names, "none")
    assert file.gesture_names[whole(file).labels[0]] == "stone"  # type: ignore[index]  # it has labels


@pytest.mark.parametrize(("repetition", "number"), [(r, c) for r in range(4) for c in range(5)])
def test_a_libemg_file_has_its_class_in_its_name_and_rest_is_class_2(repetition: int, number: int) -> None:
    path = SHARED / "libemg" / f"R_{repetition}_C_{number}_EMG.csv"
    file = import_text(path)
    assert (file.channels, file.sampling_rate, file.rest) == (8, 200.0, "rest")
    assert file.gesture_names == ("fist", "open_hand", "rest", "extension", "flexion")
    assert any("Myo" in line for line in file.assumed)
    all_of_it = whole(file)
    np.testing.assert_array_equal(all_of_it.samples, np.loadtxt(path, np.float32, delimiter=","))
    assert set(all_of_it.labels) == {number}  # type: ignore[arg-type]  # it has labels
    assert set(all_of_it.repetitions) == {repetition + 1}  # type: ignore[arg-type]  # it has labels


def test_a_libemg_folder_is_one_recording_in_pieces() -> None:
    file = import_text(SHARED / "libemg")
    all_of_it = whole(file)
    assert len(all_of_it.samples) == 12000
    assert len(all_of_it.restarts) == 19
    assert file.rest == "rest"
    counts = np.bincount(all_of_it.labels)  # type: ignore[arg-type]  # it has labels
    assert counts.tolist() == [2404, 2396, 2400, 2400, 2400]
    assert sorted(set(all_of_it.repetitions)) == [1, 2, 3, 4]  # type: ignore[arg-type]  # it has labels
