"""Exports: a recording as `.npz` that the rest of the project reads, and as a BIDS dataset."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.files import arrays
from app.emg.files.recordings import load
from app.emg.recording import export_bids as bids
from app.emg.recording.contents import opened
from app.emg.recording.export_npz import aux_keys, write_npz
from app.emg.recording.export_xdf import write_xdf
from app.emg.recording.header import MAX_CHANNELS
from app.emg.recording.log_format import RecordedPrediction
from app.emg.recording.prompts.label_plan import LabelPlan, Step
from app.emg.recording.writer import RecordingWriter
from app.emg.source import UNLABELLED, Chunk
from app.errors import DataError
from tests.emg.written import ACCELEROMETER, BATTERY, CHANNELS, HEADER, RATE, aux, chunk, written

PLAN = LabelPlan((Step("rest", 0.1, 1), Step("point", 0.2, 1), Step("rest", 0.1, 2)), countdown_s=0.05)
GAPPY = [
    chunk(100),
    chunk(110),
    RecordedPrediction(120, 1, 0.5, 0),
    chunk(125, 20),
    chunk(145, 10, restart=True),
]


def raw() -> np.ndarray[Any, Any]:
    return np.concatenate([one.samples for one in GAPPY if isinstance(one, Chunk)])


def test_the_npz_is_a_recording_like_any_other(tmp_path: Path) -> None:
    written(tmp_path / "r", GAPPY)
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    found = load(tmp_path / "one.npz")
    assert np.array_equal(found.emg, raw())
    assert (found.fs, found.units, found.subject, found.gesture_names) == (
        RATE,
        "uV",
        "S07",
        ("rest", "fist"),
    )
    assert found.label.tolist() == [0] * 50
    assert [(part.start, part.stop) for part in found.pieces] == [(0, 20), (20, 40), (40, 50)]


def test_the_npz_keeps_what_else_was_recorded(tmp_path: Path) -> None:
    written(tmp_path / "r", GAPPY)
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz", allow_pickle=False) as file:
        found = {key: file[key] for key in file.files}
    assert found["sample_index"].tolist() == [*range(100, 120), *range(125, 155)]
    assert found["gaps"].tolist() == [[120, 5]]
    assert found["restarts"].tolist() == [145]
    judged = [
        found[key].tolist() for key in ("prediction_sample_index", "prediction", "confidence", "decision")
    ]
    assert judged == [[120], [1], [0.5], [0]]
    assert (str(found["model"]), str(found["model_sha256"])) == ("tiny", "a" * 64)
    assert found["model_classes"].tolist() == ["rest", "fist"]
    assert float(found["started_at"]) == 1_760_000_000.25


def test_a_plan_gives_labels_and_repetitions_by_sample_index(tmp_path: Path) -> None:
    """The lost samples 120 to 124 count: the plan goes by the signal's time, not by what arrived."""
    written(tmp_path / "r", [*GAPPY, chunk(155, 50, label=None)], plan=PLAN)
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    found = load(tmp_path / "one.npz")
    expected = np.repeat([UNLABELLED, 0, 1, 0, UNLABELLED], [10, 20, 40, 20, 15])
    repetition = np.repeat([0, 1, 1, 2, 0], [10, 20, 40, 20, 15])
    there = np.r_[0:20, 25:105]
    assert found.label.tolist() == expected[there].tolist()
    assert found.repetition.tolist() == repetition[there].tolist()
    assert found.gesture_names == ("rest", "point")
    with np.load(tmp_path / "one.npz") as file:
        assert file["source_label"].tolist() == [0] * 50 + [UNLABELLED] * 50


def test_as_many_channels_as_a_recording_may_have_are_read_back(tmp_path: Path) -> None:
    """A recording took 1024, and its .npz was refused: rows and columns were swapped, it said."""
    samples = np.zeros((2000, MAX_CHANNELS), np.float32)
    written(tmp_path / "r", [Chunk(index=0, samples=samples)], channels=MAX_CHANNELS)
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    assert load(tmp_path / "one.npz", labelled=False).channels == MAX_CHANNELS


def test_only_what_is_read_of_it_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One channel for 40 hours: 0.7 GiB of signal, and 6 GiB with all that is known of each sample."""
    written(tmp_path / "r", [chunk(10 * k) for k in range(200)])
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    monkeypatch.setattr(arrays, "MAX_BYTES", 25_000)
    assert (tmp_path / "one.npz").stat().st_size > 2 * arrays.MAX_BYTES
    assert len(load(tmp_path / "one.npz").emg) == 2000


def test_a_model_can_be_trained_on_it(tmp_path: Path) -> None:
    from app.learning.datasets import read
    from tests.inference.artefacts import make_artefact

    manifest = make_artefact(tmp_path / "tiny").manifest
    names = manifest.classes
    rate, channels = manifest.sampling_rate, manifest.channels
    steps = tuple(Step(name, 1.0, k) for k in (1, 2) for name in names)
    random = np.random.default_rng(0)
    chunks = [
        Chunk(index=at, samples=random.normal(size=(20, channels)).astype(np.float32))
        for at in range(0, round(rate * (len(steps) + 1)), 20)
    ]
    written(
        tmp_path / "r",
        chunks,
        plan=LabelPlan(steps, countdown_s=0.5),
        channels=channels,
        sampling_rate=rate,
        units=manifest.units,
    )
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    data = read([load(tmp_path / "one.npz")], manifest, None)
    assert set(data.label.tolist()) == set(range(len(names)))
    assert set(data.repetition.tolist()) == {1, 2}


def test_labels_that_the_source_has_no_name_for_are_unlabelled(tmp_path: Path) -> None:
    written(tmp_path / "r", [chunk(0, label=1), chunk(10, label=7), chunk(20, label=None)])
    with opened(tmp_path / "r", "one") as held:
        label = np.concatenate([rows.label for rows in held.rows()])
    assert label.tolist() == [1] * 10 + [UNLABELLED] * 20


def test_a_source_without_names_and_a_recording_without_model_still_export(tmp_path: Path) -> None:
    written(tmp_path / "r", [chunk(0, label=None)], gesture_names=(), model=None, subject=None)
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    found = load(tmp_path / "one.npz")
    assert found.label.tolist() == [UNLABELLED] * 10
    assert found.subject == "one"
    bids.write_zip(tmp_path / "r", "one", tmp_path / "one.zip")


def test_more_pieces_than_an_id_can_count_still_differ_from_their_neighbours(tmp_path: Path) -> None:
    written(tmp_path / "r", [chunk(2 * k, 1) for k in range(33_000)])
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    assert len(load(tmp_path / "one.npz").pieces) == 33_000


@pytest.mark.parametrize("write", [write_npz, bids.write_zip, write_xdf])
def test_an_export_needs_little_memory_however_long_the_recording(
    tmp_path: Path, write: Callable[[Path, str, Path], object]
) -> None:
    """A GiB took 1.4 GiB in 16 channels, and 4.5 GiB in one: the columns of all samples were built together."""
    writer = RecordingWriter(tmp_path / "r", replace(HEADER, channels=1))
    signal = np.random.default_rng(0).normal(size=(2**18, 1)).astype(np.float32)
    label = np.zeros(len(signal), np.int16)
    for k in range(8):
        at = k * (len(signal) + 5)
        judged = [RecordedPrediction(at + 10 * n, 1, 0.5, 0) for n in range(200)]
        writer.write([Chunk(index=at, samples=signal, labels=label), *judged])
    writer.finish("complete")
    del judged
    tracemalloc.start()
    try:
        write(tmp_path / "r", "one", tmp_path / "out")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert writer.bytes > 12 * 2**20
    assert most < 12 * 2**20  # 2 M samples, whose columns alone would be 32 MiB


def test_a_recording_without_samples_says_so(tmp_path: Path) -> None:
    written(tmp_path / "r", [RecordedPrediction(1, 0, 1.0, 0)])
    for write in (write_npz, bids.write_zip, write_xdf):
        with pytest.raises(DataError, match="the recording one holds no sample"):
            write(tmp_path / "r", "one", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def dataset(tmp_path: Path, **changes: Any) -> dict[str, bytes]:
    written(tmp_path / "r", changes.pop("entries", GAPPY), **changes)
    bids.write_zip(tmp_path / "r", "one", tmp_path / "one.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode()), delimiter="\t"))


def test_the_zip_holds_a_bids_dataset(tmp_path: Path) -> None:
    files = dataset(tmp_path)
    stem = "sub-S07/emg/sub-S07_task-one"
    assert files.keys() == {
        *("dataset_description.json", "README", "participants.tsv"),
        *(f"{stem}_emg.bdf", f"{stem}_emg.json", f"{stem}_channels.tsv", f"{stem}_events.tsv"),
        *(f"{stem}_events.json", "sub-S07/sub-S07_scans.tsv"),
    }
    about = json.loads(files[f"{stem}_emg.json"])
    required = [
        "EMGPlacementScheme",
        "EMGReference",
        "SamplingFrequency",
        "PowerLineFrequency",
        "SoftwareFilters",
    ]
    assert {*required, "TaskName"} <= about.keys()
    assert (about["SamplingFrequency"], about["PowerLineFrequency"], about["EMGChannelCount"]) == (
        RATE,
        50.0,
        3,
    )
    assert about["RecordingDuration"] == 55 / RATE
    assert json.loads(files["dataset_description.json"])["BIDSVersion"]
    channels = rows(files[f"{stem}_channels.tsv"])
    assert list(channels[0])[:3] == ["name", "type", "units"]
    assert [(c["name"], c["type"], c["units"]) for c in channels] == [
        (f"EMG{k}", "EMG", "uV") for k in (1, 2, 3)
    ]
    assert files["participants.tsv"].decode().split() == ["participant_id", "sub-S07"]


def test_the_bdf_gives_the_samples_back(tmp_path: Path) -> None:
    edfio = pytest.importorskip("edfio")

    files = dataset(tmp_path, entries=[*GAPPY, chunk(155, 50)], plan=PLAN)
    content = next(files[name] for name in files if name.endswith(".bdf"))
    assert content[:8] == b"\xffBIOSEMI"
    assert content[192:197] == b"BDF+C"
    file = edfio.read_bdf(content)
    assert [s.label for s in file.signals] == ["EMG1", "EMG2", "EMG3"]
    assert {s.sampling_frequency for s in file.signals} == {RATE}
    assert {s.physical_dimension for s in file.signals} == {"uV"}
    assert file.patient.code == "S07"
    assert (file.startdate.isoformat(), file.starttime.isoformat()) == ("2025-10-09", "08:53:20")
    signal = np.stack([s.data for s in file.signals], axis=1)
    held = np.concatenate(
        [raw()[:20], np.repeat(raw()[19:20], 5, axis=0), raw()[20:], chunk(155, 50).samples]
    )
    assert np.abs(signal[: len(held)] - held).max() < 2**-22 * np.abs(held).max()
    assert len(signal) == len(held)  # in data records that divide it: nothing is padded
    assert [
        (a.text, round(a.onset * RATE), a.duration and round(a.duration * RATE)) for a in file.annotations
    ] == [
        ("rest", 10, 20),
        ("BAD_gap", 20, 5),
        ("point", 30, 40),
        ("BAD_restart", 45, None),
        ("rest", 70, 20),
    ]


def test_the_events_are_those_of_the_plan_with_gaps_and_restarts(tmp_path: Path) -> None:
    files = dataset(tmp_path, entries=[*GAPPY, chunk(155, 50)], plan=PLAN)
    events = rows(next(files[name] for name in files if name.endswith("_events.tsv")))
    assert list(events[0])[:2] == ["onset", "duration"]
    assert [(e["onset"], e["duration"], e["trial_type"]) for e in events] == [
        ("0.050000", "0.100000", "rest"),
        ("0.100000", "0.025000", "BAD_gap"),
        ("0.150000", "0.200000", "point"),
        ("0.225000", "0.000000", "BAD_restart"),
        ("0.350000", "0.100000", "rest"),
    ]


def test_whole_numbers_of_a_converter_are_kept_bit_for_bit(tmp_path: Path) -> None:
    edfio = pytest.importorskip("edfio")

    counts = np.random.default_rng(0).integers(-(2**15), 2**15, (400, CHANNELS)).astype(np.float32)
    files = dataset(tmp_path, entries=[Chunk(index=0, samples=counts)], units="counts")
    file = edfio.read_bdf(next(files[name] for name in files if name.endswith(".bdf")))
    assert np.array_equal(np.stack([s.data for s in file.signals], axis=1), counts)
    channels = rows(next(files[name] for name in files if name.endswith("_channels.tsv")))
    assert {c["units"] for c in channels} == {"n/a"}  # BIDS knows units of voltage only


@pytest.mark.parametrize("values", [0.0, 5.0, 1e-3, 0.123456789, 123456.7, 9_999_998.5])
def test_any_sensible_amplitude_fits_the_header(tmp_path: Path, values: float) -> None:
    edfio = pytest.importorskip("edfio")

    signal = np.linspace(-values, values, 40 * CHANNELS, dtype=np.float32).reshape(40, CHANNELS)
    files = dataset(tmp_path, entries=[Chunk(index=0, samples=signal)])
    file = edfio.read_bdf(next(files[name] for name in files if name.endswith(".bdf")))
    found = np.stack([s.data for s in file.signals], axis=1)
    assert np.abs(found - signal).max() <= 2**-22 * values * 2


@pytest.mark.parametrize("values", [1e-9, 1e8, 3e38])
def test_an_amplitude_that_bdf_cannot_hold_names_the_other_format(tmp_path: Path, values: float) -> None:
    signal = np.full((40, CHANNELS), values, np.float32) * np.float32(0.9)
    with pytest.raises(DataError, match="take --format npz"):
        dataset(tmp_path, entries=[Chunk(index=0, samples=signal)])


def test_what_fills_the_last_data_record_is_marked(tmp_path: Path) -> None:
    """10 s at 249.98 Hz were a file of 50 s, and nothing said that 40 of them are filling."""
    edfio = pytest.importorskip("edfio")

    entries = [chunk(0, 2503)]
    files = dataset(tmp_path, entries=entries, sampling_rate=249.98)
    file = edfio.read_bdf(next(files[name] for name in files if name.endswith(".bdf")))
    events = rows(next(files[name] for name in files if name.endswith("_events.tsv")))
    padding = len(file.signals[0].data) - 2503
    assert 0 < padding < 250
    assert [(e["sample"], e["trial_type"]) for e in events] == [("0", "rest"), ("2503", "BAD_padding")]
    assert float(events[1]["duration"]) == pytest.approx(padding / 249.98, abs=1e-6)
    assert [(a.text, round(a.onset * 249.98)) for a in file.annotations] == [
        ("rest", 0),
        ("BAD_padding", 2503),
    ]


@pytest.mark.parametrize(
    ("units", "most", "told", "factor"),
    [("V", 8.001e-5, "uV", 1e6), ("nV", 80.01, "uV", 1e-3), ("mV", 0.08001, "mV", 1), ("µV", 80.01, "uV", 1)],
)
def test_voltages_are_in_units_that_every_reader_takes_alike(
    tmp_path: Path, units: str, most: float, told: str, factor: float
) -> None:
    """MNE takes every unit but uV and mV for volts; values below 1e-4 were written with an exponent, a 500."""
    edfio = pytest.importorskip("edfio")

    signal = np.linspace(-most, most, 40 * CHANNELS, dtype=np.float32).reshape(40, CHANNELS)
    files = dataset(tmp_path, entries=[Chunk(index=0, samples=signal)], units=units)
    file = edfio.read_bdf(next(files[name] for name in files if name.endswith(".bdf")))
    found = np.stack([s.data for s in file.signals], axis=1)
    assert {s.physical_dimension for s in file.signals} == {told}
    assert np.abs(found / factor - signal).max() < 2**-20 * most
    assert {c["units"] for c in rows(next(files[n] for n in files if n.endswith("_channels.tsv")))} == {told}


def test_a_channel_that_is_nearly_silent_refuses_no_export(tmp_path: Path) -> None:
    signal = np.random.default_rng(0).normal(size=(40, CHANNELS)).astype(np.float32)
    signal[:, 1] = 1e-9
    dataset(tmp_path, entries=[Chunk(index=0, samples=signal)])


def test_values_that_are_no_numbers_are_for_npz(tmp_path: Path) -> None:
    signal = np.ones((40, CHANNELS), np.float32)
    signal[3, 1] = np.nan
    with pytest.raises(DataError, match="take --format npz"):
        dataset(tmp_path, entries=[Chunk(index=0, samples=signal)])


def test_a_source_that_counts_anew_does_not_spoil_the_file(tmp_path: Path) -> None:
    edfio = pytest.importorskip("edfio")

    entries = [chunk(100), chunk(110), chunk(0, restart=True), chunk(10)]
    files = dataset(tmp_path, entries=entries)
    file = edfio.read_bdf(next(files[name] for name in files if name.endswith(".bdf")))
    signal = np.stack([s.data for s in file.signals], axis=1)
    held = np.concatenate([one.samples for one in entries])
    assert np.abs(signal[: len(held)] - held).max() < 2**-21 * np.abs(held).max()
    assert ("BAD_restart", 20) in [(a.text, round(a.onset * RATE)) for a in file.annotations]


def test_a_recording_that_is_mostly_gap_is_not_filled_with_gigabytes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lost 999999999980 of"):
        dataset(tmp_path, entries=[chunk(0), chunk(10), chunk(10**12)])
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz") as file:
        assert file["gaps"].tolist() == [[20, 10**12 - 20]]


def test_names_in_another_script_do_not_break_the_headers(tmp_path: Path) -> None:
    edfio = pytest.importorskip("edfio")

    plan = LabelPlan((Step("握拳", 0.1, 1),), countdown_s=0.0)
    files = dataset(tmp_path, source="Armband Übung 手", units="µV", plan=plan)
    file = edfio.read_bdf(next(files[name] for name in files if name.endswith(".bdf")))
    assert file.signals[0].physical_dimension == "uV"
    assert file.annotations[0].text == "握拳"


@pytest.mark.parametrize(
    ("write", "begins"), [(write_npz, b"PK"), (bids.write_zip, b"PK"), (write_xdf, b"XDF:")]
)
def test_an_export_writes_through_no_link_beside_its_target(
    write: Any, begins: bytes, tmp_path: Path
) -> None:
    """Its first name could be guessed, and what the link pointed to was written over."""
    written(tmp_path / "r", GAPPY)
    (tmp_path / "outside").write_text("mine")
    for suffix in ("part", "bdf"):
        (tmp_path / f".out.{os.getpid()}.{suffix}").symlink_to(tmp_path / "outside")
    write(tmp_path / "r", "one", tmp_path / "out")
    assert (tmp_path / "outside").read_text() == "mine"
    assert (tmp_path / "out").read_bytes().startswith(begins)
    assert zipfile.is_zipfile(tmp_path / "out") == (begins == b"PK")


def test_what_came_beside_the_emg_has_its_own_rate_and_its_place_on_the_emgs_axis(tmp_path: Path) -> None:
    step = RATE / ACCELEROMETER.sampling_rate
    first, battery = aux(0, 97.25, 2), aux(1, 101.0, 1)
    second = aux(0, 97.25 + 2 * step, 3)
    entries = [replace(chunk(100), aux=(first, battery)), replace(chunk(110), aux=(second,))]
    written(tmp_path / "r", entries, aux=(ACCELEROMETER, BATTERY), channel_names=("A", "B", "C"))
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz", allow_pickle=False) as file:
        found = {key: file[key] for key in file.files}
    assert np.array_equal(found["aux_accelerometer"], np.concatenate([first.samples, second.samples]))
    assert found["aux_accelerometer_at"] == pytest.approx(97.25 + step * np.arange(5))
    assert float(found["aux_accelerometer_fs"]) == ACCELEROMETER.sampling_rate
    assert found["aux_accelerometer_channels"].tolist() == ["X", "Y", "Z"]
    assert str(found["aux_accelerometer_units"]) == "g"
    assert np.array_equal(found["aux_battery"], battery.samples)
    assert found["aux_battery_at"].tolist() == [101.0]
    assert found["aux_names"].tolist() == ["accelerometer", "battery"]
    assert found["channel_names"].tolist() == ["A", "B", "C"]
    assert load(tmp_path / "one.npz").channels == CHANNELS


def test_a_chunk_of_a_stream_that_the_header_does_not_name_leaves_the_rest_whole(tmp_path: Path) -> None:
    entries = [replace(chunk(0), aux=(aux(1, 0.0, 1),)), chunk(10)]
    written(tmp_path / "r", entries, aux=(ACCELEROMETER,))
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz") as file:
        assert len(file["emg"]) == 20
        assert file["aux_accelerometer"].shape == (0, 3)


def test_streams_of_any_name_have_keys_of_their_own() -> None:
    names = ["names", "x", "x_at", "x", "加速度", "", "ACC X (g)"]
    keys = aux_keys([replace(BATTERY, name=name) for name in names])
    ends = ("", "_at", "_fs", "_channels", "_units")
    every = ["aux_names", *(f"{key}{end}" for key in keys for end in ends)]
    assert len(set(every)) == len(every)
    assert (keys[1], keys[-1]) == ("aux_x", "aux_ACC_X_g")


def test_repetitions_that_the_source_knows_are_kept_where_there_is_no_plan(tmp_path: Path) -> None:
    told = replace(chunk(10, label=1), repetitions=np.full(10, 4, np.int16))
    written(tmp_path / "r", [chunk(0), told, chunk(20, label=None)])
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    found = load(tmp_path / "one.npz")
    assert found.repetition.tolist() == [0] * 10 + [4] * 10 + [0] * 10
    assert found.label.tolist() == [0] * 10 + [1] * 10 + [UNLABELLED] * 10


@pytest.mark.parametrize("version", [1, 2])
def test_a_recording_of_a_version_before_is_read_as_it_was(tmp_path: Path, version: int) -> None:
    """Made by the code of then: 1 had neither names of channels nor auxiliary streams, 2 no changes of the model."""
    shutil.copytree(Path(__file__).parent / f"format_{version}", tmp_path / "r")
    write_npz(tmp_path / "r", "old", tmp_path / "old.npz")
    found = load(tmp_path / "old.npz")
    expected = np.concatenate([chunk(100, 20).samples, chunk(125, 20).samples, chunk(145, 10).samples])
    assert np.array_equal(found.emg, expected)
    assert found.gesture_names == ("rest", "point")
    assert [(part.start, part.stop) for part in found.pieces] == [(0, 20), (20, 40), (40, 50)]
    with np.load(tmp_path / "old.npz") as file:
        assert file["source_label"].tolist() == [0] * 20 + [1] * 20 + [UNLABELLED] * 10
        assert file["channel_names"].tolist() == ["ch1", "ch2", "ch3"]
        assert file["prediction"].tolist() == [1]
        assert file["model_classes"].tolist() == ["rest", "fist"]
        assert (file["prediction_model"].tolist(), file["model_changes"].tolist()) == ([0], [])
