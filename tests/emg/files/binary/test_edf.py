"""EDF and BDF: the shared files, files of an independent writer, and files with holes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.recording import export_bids
from app.emg.recording.prompts.label_plan import LabelPlan, Step
from tests.emg.files.binary.edf_files import write_discontinuous
from tests.emg.files.imports import needs, read, refusal, shared, whole
from tests.emg.written import chunk, written

needs("edfio")
pyedflib = pytest.importorskip("pyedflib")

RNG = np.random.default_rng(16)
TYPING = "bids-emg/emg_TwoWristbands/sub-01/emg/sub-01_task-typing_emg.edf"
PULLSTAND = "bids-emg/emg_Multimodal/sub-01/emg/sub-01_task-pullstand_emg.edf"


def write_edf(
    path: Path,
    signals: list[tuple[str, str, float, np.ndarray]],  # label, units, rate, values
    notes: Sequence[tuple[float, float, str]] = (),
    *,
    bdf: bool = False,
) -> Path:
    kind = pyedflib.FILETYPE_BDFPLUS if bdf else pyedflib.FILETYPE_EDFPLUS
    full = 2**23 if bdf else 2**15
    with pyedflib.EdfWriter(str(path), len(signals), file_type=kind) as writer:
        for k, (label, units, rate, _) in enumerate(signals):
            head = {
                "label": label,
                "dimension": units,
                "sample_frequency": rate,
                "transducer": "",
                "prefilter": "",
            }
            head |= {
                "physical_max": 1000.0,
                "physical_min": -1000.0,
                "digital_max": full - 1,
                "digital_min": -full,
            }
            writer.setSignalHeader(k, head)
        writer.writeSamples([values for *_, values in signals])
        for onset, duration, text in notes:
            writer.writeAnnotation(onset, duration, text)
    return path


def noise(n: int) -> np.ndarray:
    return RNG.normal(size=n) * 100


def test_two_wristbands_are_32_channels_of_2000_hz_in_microvolts() -> None:
    """The header's duration is the eight bytes `0.500000`; with the `32` behind it the rate would be 1999.9987."""
    path = shared(TYPING)
    found = whole(path)
    assert found.file.sampling_rate == 2000.0
    assert found.samples.shape == (1000, 32)
    assert found.file.units == "uV"
    assert found.file.channel_names == tuple(f"EMG{k}" for k in range(32))
    assert found.file.subject == "01"
    assert found.gaps == []
    with pyedflib.EdfReader(str(path)) as beside:
        expected = np.stack([beside.readSignal(k) for k in range(32)], axis=1)
    assert np.abs(found.samples - expected).max() <= 1e-6 * np.abs(expected).max()


def test_where_side_file_and_header_differ_the_header_is_believed_and_that_is_said() -> None:
    found = read(shared(TYPING)).found
    assert (
        "channels.tsv says V where the file's header says uV, a factor of 1e+06: the header is believed"
        in found
    )
    assert any("RecordingDuration of the side file is 1 s, the file has 0.5 s" in line for line in found)


def test_the_malformed_file_is_refused_in_one_line() -> None:
    said = refusal(lambda: read(shared(PULLSTAND)))
    assert "malformed EDF" in said
    assert "1 byte too short" in said


@pytest.mark.parametrize("bdf", [False, True], ids=["EDF+", "BDF+"])
def test_slower_signals_come_beside_the_emg_aligned_by_time(tmp_path: Path, bdf: bool) -> None:
    """An IMU of the same 4 s on the rows of the EMG would end after 0.4 s."""
    ramp = np.arange(800, dtype=float)
    emg = noise(8000)
    path = write_edf(
        tmp_path / "a.edf",
        [
            ("EMG biceps", "mV", 2000, emg),
            ("ACC X", "g", 200, ramp),
            ("EMG triceps", "mV", 2000, noise(8000)),
        ],
        bdf=bdf,
    )
    found = whole(path)
    assert found.file.format == ("BDF+C" if bdf else "EDF+C")
    assert found.file.channel_names == ("EMG biceps", "EMG triceps")
    assert found.file.units == "mV"
    assert np.abs(found.samples[:, 0] - emg).max() < (1e-3 if bdf else 0.031)  # pyedflib cuts to whole counts
    (stream,) = found.file.aux
    assert (stream.name, stream.sampling_rate, stream.units) == ("accelerometer", 200.0, "g")
    place, values = found.aux[0]
    np.testing.assert_allclose(place, np.arange(800) * 10)
    np.testing.assert_allclose(values[:, 0], ramp, atol=0.031)


def test_a_rate_that_is_no_whole_number_is_kept(tmp_path: Path) -> None:
    records = [RNG.integers(-2000, 2000, (1700, 2)).astype(np.int16) for _ in range(3)]
    path = write_discontinuous(tmp_path / "a.edf", records, [0, 1.35, 2.7], 1.35, kind="EDF+C")
    assert read(path).sampling_rate == pytest.approx(1259.2592592, rel=1e-9)


@pytest.mark.parametrize("kind", ["EDF+D", "BDF+D"])
def test_holes_of_a_discontinuous_file_are_gaps(tmp_path: Path, kind: str) -> None:
    """edfio and MNE join over them."""
    records = [RNG.integers(-2000, 2000, (100, 3)).astype(np.int16) for _ in range(5)]
    notes = [(10.2, 0.4, "fist"), (13.05, 0.2, "rest")]
    path = write_discontinuous(tmp_path / "a.x", records, [10, 10.5, 13, 13.5, 20.0], 0.5, notes, kind=kind)
    found = whole(path)
    assert found.gaps == [(200, 400), (800, 1200)]
    np.testing.assert_array_equal(found.samples, np.concatenate(records).astype(np.float32))
    assert found.index[200] == 600  # 3 s behind the first sample, at 200 Hz
    assert found.index[400] == 2000
    assert found.spans()[1] == ("fist", 40, 119)
    assert ("rest", 610, 649) in found.spans()
    assert found.restarts == []
    assert "no samples for 2 s at 1 s: a gap of 400 samples" in found.file.found


def test_annotations_become_gestures_and_that_is_said(tmp_path: Path) -> None:
    notes = [(0.5, 1.0, "rest"), (1.5, 1.0, "Faust"), (3.0, 0.5, "rest"), (3.6, 0.1, "BAD_muscle")]
    path = write_edf(tmp_path / "a.edf", [("EMG", "uV", 1000, noise(4000))], notes)
    found = whole(path)
    assert found.file.gesture_names == ("rest", "Faust")
    assert found.file.rest == "rest"
    named = [span for span in found.spans() if span[0]]
    assert named == [("rest", 500, 1499), ("Faust", 1500, 2499), ("rest", 3000, 3499)]
    assert any("--label none leaves them out" in line for line in found.file.assumed)
    assert whole(path, label="none").labels is None


def test_annotations_that_do_not_look_like_gestures_are_left_out_and_told(tmp_path: Path) -> None:
    notes = [(0.5, -1.0, "Recording starts"), (1.5, -1.0, "lamp 3"), (2.5, -1.0, "lamp 4")]
    path = write_edf(tmp_path / "a.edf", [("EMG", "uV", 1000, noise(4000))], notes)
    found = read(path)
    assert found.gesture_names == ()
    assert any("do not look like gestures" in line and "lamp 3" in line for line in found.found)


def test_events_of_bids_become_gestures(tmp_path: Path) -> None:
    path = write_edf(
        tmp_path / "sub-07_task-x_emg.edf", [("A", "uV", 1000, noise(4000)), ("B", "g", 1000, noise(4000))]
    )
    (tmp_path / "sub-07_task-x_events.tsv").write_text(
        "onset\tduration\ttrial_type\n0.25\t0.5\tfist\n1\t1\trest\n2.5\tn/a\tn/a\n"
    )
    (tmp_path / "task-x_channels.tsv").write_text("name\ttype\tunits\nA\tEMG\tmV\nB\tACCEL\tg\n")
    (tmp_path / "sub-07_task-x_emg.json").write_text(json.dumps({"SamplingFrequency": 500}))
    found = whole(path)
    assert [span for span in found.spans() if span[0]] == [("fist", 250, 749), ("rest", 1000, 1999)]
    assert found.file.channel_names == ("A",)
    assert [stream.name for stream in found.file.aux] == ["accelerometer"]
    assert found.file.subject == "07"
    assert any("a factor of 1000: the header is believed" in line for line in found.file.found)
    assert any("SamplingFrequency of the side file is 500 Hz" in line for line in found.file.found)


def test_our_own_export_comes_back_as_it_was(tmp_path: Path) -> None:
    plan = LabelPlan((Step("rest", 0.1, 1), Step("point", 0.2, 1)), countdown_s=0.05)
    chunks = [chunk(100, 20), chunk(125, 20), chunk(145, 10, restart=True), chunk(155, 51)]
    written(tmp_path / "r", chunks, plan=plan)
    export_bids.write_zip(tmp_path / "r", "one", tmp_path / "one.zip")
    import zipfile

    with zipfile.ZipFile(tmp_path / "one.zip") as file:
        file.extractall(tmp_path / "d")
    (path,) = (tmp_path / "d").rglob("*_emg.bdf")
    found = whole(path)
    assert found.gaps == [(20, 5)]
    assert found.restarts == [45]
    assert len(found.samples) == 101
    np.testing.assert_allclose(found.samples, np.concatenate([c.samples for c in chunks]), atol=1e-5)
    assert found.file.units == "uV"
    assert found.file.subject == "S07"
    assert found.file.gesture_names == ("rest", "point")


@pytest.mark.parametrize(
    ("hints", "names"),
    [
        ({"emg": "2,1"}, ("b", "a")),
        ({"emg": "c"}, ("c",)),
        ({"emg": "1-2"}, ("a", "b")),
        ({}, ("a", "b", "c")),
    ],
)
def test_channels_are_chosen_by_name_or_number(
    tmp_path: Path, hints: dict[str, Any], names: tuple[str, ...]
) -> None:
    path = write_edf(tmp_path / "a.edf", [(name, "uV", 500, noise(1000)) for name in "abc"])
    assert read(path, **hints).channel_names == names


def test_a_channel_that_is_not_there_is_refused_with_what_there_is(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "a.edf", [("a", "uV", 500, noise(1000)), ("b", "uV", 100, noise(200))])
    assert "there is 1 'a', 2 'b'" in refusal(lambda: read(path, emg="d"))
    assert "names channels of 500 and 100 Hz" in refusal(lambda: read(path, emg="1-2")).replace(
        "100 and 500", "500 and 100"
    )


def test_units_of_two_sizes_are_made_one_and_that_is_said(tmp_path: Path) -> None:
    values = noise(1000)
    path = write_edf(
        tmp_path / "a.edf",
        [("EMG1", "uV", 500, values), ("EMG2", "uV", 500, values), ("EMG3", "mV", 500, values)],
    )
    found = whole(path)
    assert found.file.units == "uV"
    np.testing.assert_allclose(found.samples[:, 2], found.samples[:, 0] * 1000, rtol=1e-4)
    assert any("mV and uV" in line for line in found.file.assumed)


def test_more_than_256_channels_are_refused_with_a_hint(tmp_path: Path) -> None:
    records = [RNG.integers(-9, 9, (10, 300)).astype(np.int16)]
    path = write_discontinuous(tmp_path / "a.edf", records, [0.0], 0.1, kind="EDF+C")
    said = refusal(lambda: read(path))
    assert "300 EMG channels" in said
    assert "--emg 1-256" in said
    assert read(path, emg="1-256").channels == 256


def test_a_file_that_ends_early_is_refused(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "a.edf", [("EMG", "uV", 500, noise(1000))])
    content = path.read_bytes()
    for cut in (1, 300, 256, 255, len(content) - 9, len(content) // 2):
        path.write_bytes(content[:-cut])
        assert "cut off" in refusal(lambda: read(path))


def test_a_signal_that_never_changes_is_refused(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "a.edf", [("EMG", "uV", 500, np.zeros(1000))])
    assert "no channel has two different values" in refusal(lambda: read(path))


def test_a_long_file_takes_little_memory(tmp_path: Path) -> None:
    import tracemalloc

    records = [RNG.integers(-2000, 2000, (1000, 16)).astype(np.int16)] * 600  # 19 MB, 38 MB as float32
    path = write_discontinuous(tmp_path / "a.bdf", records, np.arange(600.0).tolist(), 1.0, kind="BDF+C")
    tracemalloc.start()
    try:
        total = sum(len(chunk.samples) for chunk in read(path).chunks())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 600_000
    assert peak < 24e6
