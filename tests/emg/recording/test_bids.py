"""A recording's BIDS dataset, judged by the standard's own validator and opened by the libraries of the field."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.recording import export_bids
from app.emg.recording.log_format import RecordedModel
from app.emg.recording.prompts.label_plan import LabelPlan, Step
from app.emg.source import Chunk
from tests.emg.recording.bdf_readers import READERS, Reader
from tests.emg.written import ACCELEROMETER, BATTERY, CHANNELS, aux, chunk, written

edfio = pytest.importorskip("edfio", reason="edfio of requirements-files.txt is not there")

PLAN = LabelPlan((Step("rest", 0.1, 1), Step("point", 0.2, 1), Step("rest", 0.1, 2)), countdown_s=0.05)
GAPPY = [chunk(100, 20), chunk(125, 20), chunk(145, 10, restart=True), chunk(155, 51)]
STRANGE = LabelPlan((Step('手 "握" 拳', 0.1, 1), Step("fist", 0.1, 1)), countdown_s=0.0)

# What a recorder cannot know: whose work it is, under which licence, in which house and with which hardware.
UNKNOWN = {"NO_AUTHORS", "TOO_FEW_AUTHORS", "JSON_KEY_RECOMMENDED", "SIDECAR_KEY_RECOMMENDED"}

RECORDINGS: dict[str, dict[str, Any]] = {
    "plan, gap, restart and padding": {"plan": PLAN, "sampling_rate": 249.98},
    "labels of the source": {"gesture_names": ("re\tst\n", "fist")},
    "no label, subject, model, mains": {
        **{"entries": [chunk(0, label=None)], "gesture_names": (), "model": None},
        **{"subject": None, "mains_hz": None},
    },
    "another model": {
        "entries": [
            chunk(100, 40),
            RecordedModel(110, "b", "c" * 64, ("rest",)),
            RecordedModel(120, None),
            RecordedModel(50, "a\tb\n手", "d" * 64),
        ]
    },
    "counts": {"units": "counts"},
    "units with a tab and a line": {"units": "of\tmy\nown"},
    "volts": {"units": "V"},
    "other scripts": {"source": "Armband Übung 手", "plan": STRANGE},
    "a source without a name": {"source": ""},
    "with more than EMG": {
        "entries": [replace(chunk(100, 20), aux=(aux(0, 101.0, 9), aux(1, 99.0, 1))), chunk(125, 20)],
        "aux": (ACCELEROMETER, BATTERY),
        "channel_names": ("biceps", "triceps", "deltoid"),
    },
    "with motion and a trigger": {
        "entries": [replace(chunk(100, 40), aux=(aux(0, 101.0, 9),))],
        "aux": (
            replace(ACCELEROMETER, name="gyroscope", units="\u00b0/s", sampling_rate=50.0),
            replace(BATTERY, name="Trigger in", units="unknown"),
        ),
    },
    "slow": {"sampling_rate": 0.3},
    "a clock that was never set": {"started_at": 12.345678},
    "far ahead": {"started_at": 253_402_214_400.0},
}


def dataset(tmp_path: Path, **changes: Any) -> Path:
    written(tmp_path / "r", changes.pop("entries", GAPPY), **changes)
    export_bids.write_zip(tmp_path / "r", "one", tmp_path / "one.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as file:
        file.extractall(tmp_path / "dataset")
    return tmp_path / "dataset"


def table(folder: Path, suffix: str) -> list[dict[str, str]]:
    (path,) = folder.rglob(f"*_{suffix}.tsv")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def bdf_of(folder: Path) -> Path:
    (path,) = folder.rglob("*_emg.bdf")
    return path


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the validator keeps what it compiled: a second in each of its runs."""
    return str(tmp_path_factory.mktemp("deno"))


@pytest.mark.parametrize("changes", RECORDINGS.values(), ids=RECORDINGS.keys())
def test_the_validator_of_bids_finds_no_error_and_misses_only_what_nobody_told(
    tmp_path: Path, compiled: str, changes: dict[str, Any]
) -> None:
    """`reference_electrode` in channels.tsv was an error, exit 16; `sample` in events.tsv was said nowhere."""
    folder = dataset(tmp_path, **changes)
    validator = Path(sys.executable).with_name("bids-validator-deno")  # its schema is in the package
    found = subprocess.run(
        [validator, folder, "--format", "json", "--max-rows", "-1"],
        check=False,
        env={**os.environ, "DENO_DIR": compiled},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    issues = json.loads(found.stdout)["issues"]["issues"]
    assert [one for one in issues if one["code"] not in UNKNOWN] == []


def test_every_event_is_explained(tmp_path: Path) -> None:
    entries = [*GAPPY, RecordedModel(150, "b")]
    folder = dataset(tmp_path, entries=entries, plan=PLAN, sampling_rate=249.98, units="counts")
    (path,) = folder.rglob("*_events.json")
    levels = json.loads(path.read_text())["trial_type"]["Levels"]
    told = {event["trial_type"] for event in table(folder, "events")}
    assert told == {
        *("rest", "point", "BAD_gap", "BAD_restart", "BAD_padding", "uncalibrated: counts", "model: b")
    }
    assert told <= levels.keys()


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.25, 0.5, 0.999])
def test_the_begin_is_the_same_second_in_every_reader_and_its_fraction_is_kept(
    tmp_path: Path, fraction: float, read: Reader
) -> None:
    """Readers take half a second in a BDF+ for .5, .05 and .0; up to a second was lost, and nothing said so."""
    folder = dataset(tmp_path, started_at=1_760_000_000 + fraction)
    assert read(bdf_of(folder)).began == datetime(2025, 10, 9, 8, 53, 20)
    (scan,) = table(folder, "scans")
    assert scan["acq_time"].endswith("Z")
    assert datetime.fromisoformat(scan["acq_time"]) == datetime(
        2025, 10, 9, 8, 53, 20, round(fraction * 1e6), tzinfo=timezone.utc
    )
    assert bdf_of(folder) == folder / "sub-S07" / scan["filename"]


@pytest.mark.parametrize(
    ("started_at", "told"),
    [(12.345678, "1970-01-01T00:00:12.345678Z"), (4_102_444_800.5, "2100-01-01T00:00:00.500000Z")],
)
def test_a_date_that_the_header_cannot_hold_is_kept_beside_it(
    tmp_path: Path, started_at: float, told: str
) -> None:
    folder = dataset(tmp_path, started_at=started_at)
    assert [scan["acq_time"] for scan in table(folder, "scans")] == [told]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("units", ["microvolts", "UV", " µV", "uv", "millivolts", "MV", "mV", "Volts", "nV"])
def test_units_of_voltage_are_read_alike_however_they_are_spelt(
    tmp_path: Path, units: str, read: Reader
) -> None:
    """`microvolts` was cut to `microvol`, and `UV` was left: MNE took both for volts, without a word."""
    folder = dataset(tmp_path, units=units)
    found = read(bdf_of(folder))
    in_volts = {"uV": 1e-6, "mV": 1e-3}
    meant = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-6 if "micro" in units else 1e-3, "v": 1.0}
    told = {one["units"] for one in table(folder, "channels")}
    assert set(found.units) == told
    assert told <= in_volts.keys()
    volts = found.signal[:20, 0] * in_volts[told.pop()]
    expected = chunk(100, 20).samples[:, 0] * meant[units.strip().lower()[0]]
    assert np.abs(volts - expected).max() < 2**-20 * np.abs(expected).max()


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("units", ["counts", "unknown", "", "furlongs", "uA"])
def test_units_that_are_no_voltage_are_left_empty_and_named_in_the_file(
    tmp_path: Path, units: str, read: Reader
) -> None:
    """MNE takes any other unit for volts; so none is written, and an annotation says what the values are in."""
    counts = np.arange(40 * CHANNELS, dtype=np.float32).reshape(40, CHANNELS)
    folder = dataset(tmp_path, entries=[Chunk(index=0, samples=counts)], units=units)
    found = read(bdf_of(folder))
    assert found.units == [""] * CHANNELS
    assert np.array_equal(np.rint(found.signal), counts)
    word = f"uncalibrated: {units or 'n/a'}"
    assert found.notes == [(0.0, 0.0, word)]
    assert {one["units"] for one in table(folder, "channels")} == {"n/a"}
    assert [one["trial_type"] for one in table(folder, "events")] == [word]


def test_what_came_beside_the_emg_has_its_own_rate_where_a_record_has_whole_samples_of_it(
    tmp_path: Path,
) -> None:
    """A value lies at its time; before the first, and in a hole, there is the one that is nearest before or first."""
    motion = replace(ACCELEROMETER, sampling_rate=50.0)  # EMG: 200 Hz
    first, second = aux(0, 108.0, 3), aux(0, 140.0, 2)
    entries = [replace(chunk(100, 30), aux=(first,)), replace(chunk(130, 30), aux=(second,))]
    folder = dataset(tmp_path, entries=entries, aux=(motion,), channel_names=("biceps", "triceps", "x y"))
    (motion_rows,) = [[row for row in table(folder, "channels") if row["type"] == "ACCEL"]]
    assert [row["name"] for row in motion_rows] == ["accelerometer_X", "accelerometer_Y", "accelerometer_Z"]
    assert {row["sampling_frequency"] for row in motion_rows} == {"50"}
    assert [row["name"] for row in table(folder, "channels")[:3]] == ["biceps", "triceps", "x_y"]
    signals = edfio.read_bdf(bdf_of(folder)).signals
    assert [signal.sampling_frequency for signal in signals] == [200.0] * 3 + [50.0] * 3
    assert [signal.physical_dimension for signal in signals] == ["uV"] * 3 + ["g"] * 3
    found = np.stack([signal.data for signal in signals[3:]], axis=1)
    at = [0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 3, 4]  # slots of 4 EMG samples: values at 2, 3, 4, 10 and 11
    values = np.concatenate([first.samples, second.samples])[at]
    assert np.abs(found[: len(at)] - values).max() < 1e-6
    assert (found[len(at) :] == found[len(at) - 1]).all()


def test_what_has_no_whole_samples_in_a_record_is_held_at_the_rate_of_the_emg_and_that_is_said(
    tmp_path: Path,
) -> None:
    beside = replace(BATTERY, sampling_rate=31.7)
    level = replace(aux(1, 90.0, 20), stream=0)
    folder = dataset(tmp_path, entries=[replace(chunk(100, 60), aux=(level,))], aux=(beside,))
    row = table(folder, "channels")[-1]
    assert (row["name"], row["type"], row["units"]) == ("level", "MISC", "%")
    assert (row["sampling_frequency"], row["description"]) == ("200", "battery, 31.7 Hz held")
    signal = edfio.read_bdf(bdf_of(folder)).signals[-1]
    places = np.rint(90 + 200 / 31.7 * np.arange(20)).astype(int) - 100
    newest = [np.flatnonzero(places <= k)[-1] for k in range(60)]
    assert np.abs(signal.data[:60] - level.samples[newest, 0]).max() < 1e-6


def test_a_stream_without_samples_is_zero(tmp_path: Path) -> None:
    folder = dataset(tmp_path, entries=[chunk(0, 60)], aux=(BATTERY,))
    assert set(edfio.read_bdf(bdf_of(folder)).signals[-1].data.tolist()) == {0.0}
