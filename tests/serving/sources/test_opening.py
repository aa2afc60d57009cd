from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.config import EmgMode, Settings
from app.emg.description import SourceDescription
from app.emg.simulated.simulator import Simulator
from app.errors import DataError
from app.inference import artefact
from app.serving.engine.opening import open_artefact
from app.serving.sources.opening import open_path, open_reading, open_source
from tests.emg.recording_makers import write_mat, write_npz
from tests.inference.artefacts import make_artefact

NAMELESS = {"frequency": 200.0}  # a .mat has ids and no names


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """Two models: tiny, 4 channels at 200 Hz; wide, 6 channels at 2000 Hz."""
    make_artefact(tmp_path / "models" / "tiny")
    make_artefact(tmp_path / "models" / "wide", name="wide", channels=6, length=200, rate=2000)
    return tmp_path


def chosen(instance: Path, **changes: Any) -> Settings:
    if "recording" in changes:
        changes["emg_mode"] = EmgMode.NINAPRO
    return Settings(**{"instance": instance, "model": "tiny", **changes})


def names_of(instance: Path, recording: Path) -> tuple[str, ...]:
    settings = chosen(instance, recording=recording)
    return tuple(open_source(settings, open_artefact(settings).manifest).gesture_names)


def test_the_simulator_takes_the_models_shape(instance: Path) -> None:
    settings = chosen(instance, model="wide")
    source = open_source(settings, open_artefact(settings).manifest)
    assert isinstance(source, Simulator)
    assert (source.channels, source.sampling_rate) == (6, 2000)
    assert tuple(source.gesture_names) == ("rest", "a", "b")


def test_the_ring_keeps_two_and_a_half_seconds_and_a_window_and_fills_ten_milliseconds(
    instance: Path,
) -> None:
    settings = chosen(instance, model="wide")
    ring = open_path(settings, open_artefact(settings).manifest).ring
    assert (ring.capacity, ring.channels, ring.max_fill) == (5_200, 6, 40)


# --- recordings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channels", "rate", "advice"),
    [
        pytest.param(6, 2000, "EMG_MODEL=wide would fit (as it is)", id="another model's"),
        pytest.param(6, 200, "no model here fits", id="nobody's channels"),
    ],
)
def test_a_recording_that_does_not_fit_says_which_model_would(
    instance: Path, channels: int, rate: int, advice: str
) -> None:
    recording = write_npz(instance / "S01.npz", channels=channels, fs=np.int32(rate))
    settings = chosen(instance, recording=recording)
    with pytest.raises(DataError) as caught:
        open_source(settings, open_artefact(settings).manifest)
    assert str(caught.value) == (
        f"S01.npz: the source has {channels} channels and the model tiny reads 4: choose channels with "
        f"EMG_CHANNELS=1-4; {advice}"
    )


def test_a_damaged_neighbour_is_no_advice(instance: Path) -> None:
    (instance / "models" / "wide" / "weights.safetensors").write_bytes(b"damaged")
    settings = chosen(instance, recording=write_npz(instance / "a.npz", channels=6, fs=np.int32(2000)))
    with pytest.raises(DataError, match="no model here fits"):
        open_source(settings, open_artefact(settings).manifest)


def test_a_recording_that_names_its_gestures_keeps_them(instance: Path) -> None:
    assert names_of(instance, write_npz(instance / "a.npz")) == ("rest", "fist", "point")


def test_numbered_gestures_are_taken_as_the_models_classes_where_they_fit(instance: Path) -> None:
    assert names_of(instance, write_mat(instance / "S3_E1_A1.mat", **NAMELESS)) == ("rest", "a", "b")


def test_fewer_gestures_than_the_model_has_stay_numbered(instance: Path) -> None:
    label = (np.arange(100) // 25 % 2).astype(np.int8)[:, None]
    recording = write_mat(instance / "S3_E1_A1.mat", stimulus=label, restimulus=label, **NAMELESS)
    assert names_of(instance, recording) == ("rest", "gesture_1")


def test_more_gestures_than_the_model_has_stay_numbered(instance: Path) -> None:
    label = (np.arange(100) // 20).astype(np.int8)[:, None]  # 0 to 4
    recording = write_mat(instance / "S3_E1_A1.mat", stimulus=label, restimulus=label, **NAMELESS)
    assert names_of(instance, recording) == ("rest", "gesture_1", "gesture_2", "gesture_3", "gesture_4")


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        pytest.param((1, 2), ("rest", "a", "b"), id="fits"),
        pytest.param((1, 3), ("rest", "gesture_1", "gesture_2", "gesture_3"), id="too many"),
    ],
)
def test_files_with_different_highest_ids_play_as_one(
    instance: Path, highest: tuple[int, int], expected: tuple[str, ...]
) -> None:
    folder = instance / "session"
    folder.mkdir()
    for number, top in enumerate(highest, 1):
        label = (np.arange(100) // 20 % (top + 1)).astype(np.int8)[:, None]
        write_mat(folder / f"S3_E{number}_A1.mat", stimulus=label, restimulus=label, **NAMELESS)
    assert names_of(instance, folder) == expected


def test_a_ninapro_file_names_its_movements_whatever_the_models_classes_are(tmp_path: Path) -> None:
    make_artefact(tmp_path / "models" / "ten", name="ten", channels=10, length=20, rate=100)
    ids = np.repeat(np.arange(13), 10).astype(np.int8)[:, None]
    recording = write_mat(
        tmp_path / "S1_A1_E1.mat", 130, 10, stimulus=ids, restimulus=ids, repetition=ids, frequency=None
    )
    settings = chosen(tmp_path, model="ten", recording=recording)
    source = open_source(settings, open_artefact(settings).manifest)
    assert source.sampling_rate == 100
    assert tuple(source.gesture_names)[:3] == ("rest", "index_flexion", "index_extension")


@pytest.mark.parametrize("speed", [1.0, 4.0, None])
def test_a_recording_plays_at_the_operators_speed(instance: Path, speed: float | None) -> None:
    settings = chosen(instance, recording=write_npz(instance / "a.npz"), speed=speed)
    assert open_source(settings, open_artefact(settings).manifest).speed == speed


@pytest.mark.parametrize("loop", [True, False])
def test_a_recording_begins_again_or_ends_as_the_operator_says(instance: Path, loop: bool) -> None:
    settings = chosen(instance, recording=write_npz(instance / "a.npz"), speed=None, loop=loop)
    source = open_source(settings, open_artefact(settings).manifest)
    chunks = [source.read() for _ in range(60)]  # the recording has 50
    assert (chunks[-1] is None) != loop


# --- devices ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "settings", "units"),
    [
        pytest.param("unknown", {}, "uV", id="it says none: the named model's"),
        pytest.param("V", {}, "V", id="its own"),
        pytest.param("furlongs", {"scale": 0.5}, "uV", id="EMG_SCALE makes them the model's"),
        pytest.param("unknown", {"model": None}, "unknown", id="no model reads it"),
    ],
)
def test_a_device_is_in_its_own_units_or_in_those_of_the_model_that_reads_it(
    instance: Path, said: str, settings: dict[str, Any], units: str
) -> None:
    pytest.importorskip("pylsl")
    chosen_ = chosen(instance, emg_mode=EmgMode.LSL, lsl="name=x", **settings)
    expected = artefact.find("tiny", instance / "models").manifest
    channels = 4 if chosen_.model else 3
    description = SourceDescription(channels=channels, sampling_rate=200.0, units=said)
    source = open_source(chosen_, expected, describe=lambda _: description)
    assert source is not None
    assert source.units == units


def test_emg_scale_brings_a_device_to_a_model_of_other_units(instance: Path) -> None:
    """It says by what to multiply, so there is nothing left to convert, and nothing to refuse."""
    pytest.importorskip("pylsl")
    settings = chosen(instance, emg_mode=EmgMode.LSL, lsl="name=x", scale=0.5)
    expected = artefact.find("tiny", instance / "models").manifest
    description = SourceDescription(channels=4, sampling_rate=200.0, units="counts")
    opened = open_reading(settings, expected, describe=lambda _: description)
    assert opened is not None
    assert opened.manifest is expected
    assert opened.path.montage is None
