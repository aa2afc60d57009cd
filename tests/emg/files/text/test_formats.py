"""The formats of the field: what each has that others do not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.emg.brainflow.source import load_brainflow
from app.emg.files.text.labelled_names import NamedLabel, from_name
from app.errors import ConfigError, DataError
from tests.emg.files.text.tables import emg, import_text, whole, write

EPOCH = 1_617_202_549.412
CYTON = (
    "Sample Index, " + ", ".join(f"EXG Channel {k}" for k in range(8)) + ", "
    "Accel Channel 0, Accel Channel 1, Accel Channel 2, Other, Other, Other, Other, Other, Other, Other, "
    "Analog Channel 0, Analog Channel 1, Analog Channel 2, Timestamp, Other, Timestamp (Formatted)"
)


def openbci(path: Path, *, version: int, rows: int = 1000, delimiter: str = ", ", decimal: str = ".") -> Path:
    """Write what versions 3 (a clock), 4 (with ms since 1970), 5 (s, sample index with a point) and 6 write."""
    signal, rate = emg(rows, 8), 250.0
    seconds = np.round(np.arange(0, rows, 2).repeat(2) / rate, 3)  # two samples to a packet
    lines = ["%OpenBCI Raw EEG Data" if version < 5 else "%OpenBCI Raw EXG Data"]
    if version > 3:
        lines.append("%Number of channels = 8")
    lines.append("%Sample Rate = 250.0 Hz" if version < 5 else "%Sample Rate = 250 Hz")
    if version < 5:
        lines += ["%First Column = SampleIndex", "%Last Column = Timestamp"]
        lines.append(
            "%Other Columns = EEG data in microvolts followed by Accel Data (in G) interleaved with Aux Data"
        )
    else:
        lines += [
            "%Board = OpenBCI_GUI$BoardCytonSerial",
            CYTON if version == 5 else CYTON.replace("Other, Timestamp (F", "Marker Channel, Timestamp (F"),
        ]
    for k in range(rows):
        index = f"{k % 256}" if version < 5 else f"{k % 256}.0"
        values = [f"{v:.2f}".replace(".", decimal) for v in (*signal[k], 0.1, 0.2, 0.9)]
        clock = f"{11 + int(seconds[k] // 3600):02d}:01:{26 + seconds[k]:06.3f}"
        stamp = f"2021-03-31 14:{55 + int((49.412 + seconds[k]) // 60)}:{(49.412 + seconds[k]) % 60:06.3f}"
        if version == 3:
            fields = [index, *values, clock]
        elif version == 4:
            fields = [index, *values, clock, f"{round((EPOCH + seconds[k]) * 1000)}"]
        else:
            extra = [f"{v}.0" for v in range(10)]
            fields = [index, *values, *extra, f"{(EPOCH + seconds[k]) / 1e9:.12f}E9", "0.0", stamp]
        lines.append(delimiter.join(fields))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("version", [3, 4, 5, 6])
@pytest.mark.parametrize("delimiter", [", ", ","])
def test_openbci_text_of_every_version(tmp_path: Path, version: int, delimiter: str) -> None:
    file = import_text(
        openbci(tmp_path / "OpenBCI-RAW-2021-03-31_14-55-49.txt", version=version, delimiter=delimiter)
    )
    found = whole(file)
    assert (file.format, file.channels, file.units, file.sampling_rate) == (
        "OpenBCI GUI text",
        8,
        "uV",
        250.0,
    )
    np.testing.assert_allclose(found.samples, emg(1000, 8), atol=1e-4)
    assert (found.gaps, found.restarts, file.gesture_names) == ([], [], ())
    assert file.aux[0].name == "accelerometer"
    np.testing.assert_allclose(found.aux[0][0][1][0], [0.1, 0.2, 0.9], atol=1e-6)
    assert ("marker" in [one.name for one in file.aux]) == (version == 6)


def test_openbci_text_with_decimal_commas(tmp_path: Path) -> None:
    """As the old GUI wrote it where the system's language has them."""
    file = import_text(openbci(tmp_path / "a.txt", version=3, decimal=","))
    np.testing.assert_allclose(whole(file).samples, emg(1000, 8), atol=1e-4)


def test_a_ganglion_counts_in_its_own_way(tmp_path: Path) -> None:
    """0, 101, 101, 102, 102, .. 200, 200, and again: a jump that comes in every turn is no loss."""
    turn = [0, *np.arange(101, 201).repeat(2)]
    rows = 3 * len(turn)
    columns = [np.tile(turn, 3), *emg(rows, 4).T, *np.zeros((3, rows)), EPOCH + np.arange(rows) / 200]
    names = [f"EXG Channel {k}" for k in range(4)] + [f"Accel Channel {k}" for k in range(3)]
    above = ["%OpenBCI Raw EXG Data", "%Number of channels = 4", "%Sample Rate = 200 Hz"]
    header = "\n".join([*above, ", ".join(["Sample Index", *names, "Timestamp"])])
    file = import_text(
        write(tmp_path / "a.txt", columns, delimiter=", ", header=header, decimals={0: 1, 8: 6})
    )
    assert (file.sampling_rate, file.channels, whole(file).gaps) == (200.0, 4, [])


def opensignals(
    path: Path, sensors: list[str], columns: list[np.ndarray], bits: list[int], **more: object
) -> Path:
    names = ["nSeq", "DI", *(f"CH{k}" for k in range(1, len(sensors) + 1))]
    device = {
        "sensor": sensors,
        "column": names,
        "sampling rate": 1000,
        "resolution": bits,
        "label": names[2:],
        **more,
    }
    header = f"# OpenSignals Text File Format\n# {json.dumps({'00:07:80:4D': device})}\n# EndOfHeader"
    return write(
        path, columns, delimiter="\t", header=header, trailing=True, decimals=dict.fromkeys(range(9), 0)
    )


@pytest.mark.parametrize("begins", [0, 34, 25653])
def test_an_opensignals_counter_begins_anywhere_and_stays_at_its_end(tmp_path: Path, begins: int) -> None:
    rows = 70_000 - begins
    counter = np.minimum(begins + np.arange(rows), 65535)
    counts = 32768 + np.round(emg(rows, 2))
    file = import_text(
        opensignals(tmp_path / "a.txt", ["EMG", "XYZ"], [counter, np.zeros(rows), *counts.T], [16, 16])
    )
    found = whole(file)
    assert (len(found.samples), found.gaps) == (rows, [])
    np.testing.assert_array_equal(found.samples[:, 0], counts[:, 0] - 32768)


def test_a_bitalino_counts_to_15_and_its_emg_has_10_bits(tmp_path: Path) -> None:
    rows = 3200
    keep = np.setdiff1d(np.arange(rows), [700, 701, 1500])
    counts = 512 + np.round(emg(rows, 2) / 5)
    columns = [keep % 16, np.zeros(len(keep)), *counts[keep].T]
    path = opensignals(tmp_path / "a.txt", ["EMG", "RAW"], columns, [4, 1, 10, 6])
    file = import_text(path)
    found = whole(file)
    np.testing.assert_array_equal(found.samples[:, 0], counts[keep, 0] - 512)
    assert found.gaps == [(700, 2), (1498, 1)]


def test_an_opensignals_file_without_emg_says_what_it_has(tmp_path: Path) -> None:
    counts = 32768 + np.round(emg(300, 2))
    path = opensignals(
        tmp_path / "a.txt", ["ECG", "RAW"], [np.arange(300), np.zeros(300), *counts.T], [16, 16]
    )
    with pytest.raises(DataError, match=r"no sensor is an EMG \(ECG, RAW\); --emg"):
        import_text(path)
    assert import_text(path, emg="CH2").channel_names == ("CH2",)


def test_an_opensignals_column_without_bits_may_be_the_first_of_the_emg(tmp_path: Path) -> None:
    """`--emg DI,CH1` ended in a KeyError: a digital column has no resolution."""
    counts = 512 + np.round(emg(300, 2) / 5)
    columns = [np.arange(300) % 16, np.zeros(300), *counts.T]
    file = import_text(opensignals(tmp_path / "a.txt", ["EMG", "EMG"], columns, [10, 10]), emg="DI,CH1")
    assert file.channel_names == ("DI", "CH1")
    assert "counts of 10 bits around mid-scale: 512 is taken off" in file.found


@pytest.mark.parametrize("bits", [0, -3, 33, 5000])
def test_an_opensignals_resolution_that_no_device_has_is_one_line(tmp_path: Path, bits: int) -> None:
    """2 to the power of 4999 ended in an OverflowError."""
    columns = [np.arange(300) % 16, np.zeros(300), *emg(300, 2).T]
    path = opensignals(tmp_path / "a.txt", ["EMG", "RAW"], columns, [bits, 10])
    with pytest.raises(DataError, match=f"damaged .*a resolution of {bits} bits"):
        import_text(path)


@pytest.mark.parametrize("header", ["{not json}", '{"a": {"column": ["nSeq"]}}', '{"a": 3}', "[]"])
def test_a_damaged_opensignals_header_is_one_line(tmp_path: Path, header: str) -> None:
    path = write(
        tmp_path / "a.txt", [*emg(99, 3).T], delimiter="\t",
        header=f"# OpenSignals Text File Format\n# {header}\n# EndOfHeader",
    )  # fmt: skip
    with pytest.raises(DataError, match="header") as refused:
        import_text(path)
    assert "\n" not in str(refused.value)


def test_a_brainflow_file_is_read_by_its_boards_rows(tmp_path: Path) -> None:
    try:
        load_brainflow()
    except ConfigError as error:
        pytest.skip(str(error))
    rows, seconds = 1000, np.arange(1000) / 250
    data = np.zeros((rows, 24))
    data[:, 0], data[:, 1:9], data[:, 9:12], data[:, 22] = (
        np.arange(rows) % 256,
        emg(rows, 8),
        0.5,
        EPOCH + seconds,
    )
    data = np.delete(data, [300, 301], axis=0)
    np.savetxt(tmp_path / "a.csv", data, fmt="%.6f", delimiter="\t")
    with pytest.raises(DataError, match=r"BrainFlow wrote .* --board"):
        import_text(tmp_path / "a.csv")
    file = import_text(tmp_path / "a.csv", board="cyton")
    assert (file.channels, file.sampling_rate, file.units) == (8, 250.0, "uV")
    assert [one.name for one in file.aux] == ["accelerometer", "analog", "marker"]
    found = whole(file)
    assert found.gaps == [(300, 2)]
    np.testing.assert_allclose(found.samples, np.delete(emg(rows, 8), [300, 301], axis=0), atol=1e-4)
    with pytest.raises(DataError, match=r"has 24 columns, and --board ganglion .* writes 15"):
        import_text(tmp_path / "a.csv", board="ganglion")
    with pytest.raises(DataError, match="knows no such board"):
        import_text(tmp_path / "a.csv", board="cytron")


def test_names_of_files_say_labels() -> None:
    assert from_name(Path("R_3_C_2_EMG.csv")) == NamedLabel(None, 2, 4, libemg=True)
    assert from_name(Path("S1_C_0_R_11_EMG.csv")) == NamedLabel(None, 0, 12, libemg=True)
    assert from_name(Path("anna_fist_3.csv")) == NamedLabel("fist", None, 3)
    assert from_name(Path("classification_game_3_1.txt")) == NamedLabel(None, 3, 1)
    for name in ("truncated_trigno_sample.csv", "OpenBCI-RAW-2021-03-31_14-55-49.txt", "1_raw_data_13-12_22.03.16.txt",
                 "rec_2021_03.csv", "S01_session_2.csv", "emg_left_1.csv", "emg.csv", "trial_7.csv"):  # fmt: skip
        assert from_name(Path(name)) is None, name


def test_a_name_labels_a_file_and_can_be_overridden(tmp_path: Path) -> None:
    path = write(tmp_path / "anna_fist_3.csv", [np.arange(500) / 500, *emg(500, 2).T], decimals={0: 3})
    file = import_text(path)
    assert (file.gesture_names, set(whole(file).labels)) == (("fist",), {0})  # type: ignore[arg-type]  # it has labels
    assert set(whole(file).repetitions) == {3}  # type: ignore[arg-type]  # it has labels
    assert any("the file's name says fist" in line for line in file.assumed)
    assert import_text(path, label="none").gesture_names == ()


def test_folders_of_gestures_are_labels(tmp_path: Path) -> None:
    for gesture in ("rest", "fist"):
        (tmp_path / "anna" / gesture).mkdir(parents=True)
        for k in (1, 2, 10):
            columns = [np.arange(400) / 500, *emg(400, 3, k).T]
            write(tmp_path / "anna" / gesture / f"{k}.csv", columns, header="time,a,b,c", decimals={0: 3})
    (tmp_path / "anna" / "README.txt").write_text("Recorded in May.\n")
    file = import_text(tmp_path / "anna")
    found = whole(file)
    assert (set(file.gesture_names), file.rest, file.sampling_rate) == ({"rest", "fist"}, "rest", 500.0)
    assert (len(found.samples), len(found.restarts)) == (2400, 5)
    names = [file.gesture_names[k] for k in found.labels[::400]]  # type: ignore[index]  # it has labels
    assert names == ["fist"] * 3 + ["rest"] * 3
    assert found.repetitions[::400].tolist() == [1, 2, 10] * 2  # type: ignore[index]  # it has labels


def test_of_a_folder_whose_files_names_say_gestures_that_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    for name in ("anna_fist_1", "anna_pinch_1"):
        write(folder / f"{name}.csv", [np.arange(400) / 500, *emg(400, 3).T], decimals={0: 3})
    file = import_text(folder)
    assert file.gesture_names == ("fist", "pinch")
    assert any("named by the files' names" in line and "--label none" in line for line in file.assumed)


def test_a_folder_of_unlike_files_is_refused_with_both_names(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", [np.arange(400) / 500, *emg(400, 3).T], decimals={0: 3})
    write(tmp_path / "b.csv", [np.arange(400) / 500, *emg(400, 4).T], decimals={0: 3})
    with pytest.raises(DataError, match=r"b\.csv has 4 channels, a\.csv has 3"):
        import_text(tmp_path)


def test_a_libemg_file_of_another_device_asks_for_its_rate(tmp_path: Path) -> None:
    path = write(tmp_path / "R_0_C_1_EMG.csv", [*emg(500, 6).T])
    with pytest.raises(DataError, match="--rate"):
        import_text(path)
    file = import_text(path, rate_hz=1000.0)
    assert (file.gesture_names[1], file.rest) == ("open_hand", "rest")


def test_libemg_classes_beyond_its_own_are_numbered_and_rest_stays_2(tmp_path: Path) -> None:
    file = import_text(write(tmp_path / "R_0_C_7_EMG.csv", [*emg(500, 6).T]), rate_hz=1000.0)
    assert (file.gesture_names[2], file.gesture_names[7], file.rest) == ("rest", "gesture_7", "rest")
    assert set(whole(file).labels) == {7}  # type: ignore[arg-type]  # it has labels
