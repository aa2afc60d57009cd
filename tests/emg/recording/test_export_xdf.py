"""A recording as XDF, opened by the library that people open it with."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from app.emg.recording import xdf_file
from app.emg.recording.export_xdf import write_xdf
from app.emg.recording.log_format import RecordedModel
from app.emg.recording.prompts.label_plan import LabelPlan, Step
from tests.emg.written import ACCELEROMETER, BATTERY, RATE, aux, chunk, written

pyxdf = pytest.importorskip("pyxdf", reason="pyxdf of requirements-files.txt is not there")

PLAN = LabelPlan(
    (Step("rest", 0.1, 1), Step("手 <&> 拳", 0.1, 1), Step("手 <&> 拳", 0.1, 2)), countdown_s=0.05
)
STEP = RATE / ACCELEROMETER.sampling_rate


def exported(folder: Path, entries: list[Any], **changes: Any) -> dict[str, dict[str, Any]]:
    """Return what pyxdf finds, by the stream's name."""
    written(folder / "r", entries, **changes)
    write_xdf(folder / "r", "one", folder / "one.xdf")
    streams, _ = pyxdf.load_xdf(folder / "one.xdf", dejitter_timestamps=False, synchronize_clocks=False)
    return {stream["info"]["name"][0]: stream for stream in streams}


def test_samples_rate_names_and_units_are_those_of_the_device(tmp_path: Path) -> None:
    entries = [chunk(100, 20), chunk(120, 30)]
    found = exported(tmp_path, entries, sampling_rate=1259.259, channel_names=("A", "B", "Ü <&>"))
    emg = found["live"]
    signal = np.concatenate([one.samples for one in entries])
    assert emg["time_series"].dtype == np.float32
    assert np.array_equal(emg["time_series"], signal)
    assert emg["time_stamps"] == pytest.approx(np.arange(50) / 1259.259, abs=1e-9)
    info = emg["info"]
    assert (info["type"], info["channel_format"], info["nominal_srate"]) == (
        ["EMG"],
        ["float32"],
        ["1259.259"],
    )
    channels = info["desc"][0]["channels"][0]["channel"]
    assert [one["label"][0] for one in channels] == ["A", "B", "Ü <&>"]
    assert {one["unit"][0] for one in channels} == {"microvolts"}
    assert info["desc"][0]["subject"] == ["S07"]
    footer = emg["footer"]["info"]
    assert footer["sample_count"] == ["50"]
    assert float(footer["last_timestamp"][0]) == pytest.approx(49 / 1259.259)


def test_a_gap_is_a_jump_of_the_time_stamps_and_a_marker(tmp_path: Path) -> None:
    found = exported(tmp_path, [chunk(100, 20), chunk(225, 20), chunk(245, 10, restart=True)])
    stamps = found["live"]["time_stamps"] * RATE
    assert stamps == pytest.approx([*range(20), *range(125, 155)])
    events = found["Events"]
    assert events["time_series"] == [["BAD_gap"], ["BAD_restart"]]
    assert events["time_stamps"] * RATE == pytest.approx([20, 145])
    assert (events["info"]["type"], events["info"]["channel_format"]) == (["Markers"], ["string"])
    assert float(events["info"]["nominal_srate"][0]) == 0


def test_another_model_is_a_marker(tmp_path: Path) -> None:
    models = [RecordedModel(110, "b", "c" * 64, ("rest",)), RecordedModel(228, None)]
    found = exported(tmp_path, [chunk(100, 20), chunk(225, 20), *models, RecordedModel(900, "late")])
    events = found["Events"]
    assert events["time_series"] == [["model: b"], ["BAD_gap"], ["model: none"]]
    assert events["time_stamps"] * RATE == pytest.approx([10, 20, 128])


def test_what_came_beside_the_emg_is_a_stream_of_its_own_at_its_own_time(tmp_path: Path) -> None:
    first, second, level = aux(0, 97.25, 2), aux(0, 97.25 + 2 * STEP, 3), aux(1, 101.0, 1)
    entries = [replace(chunk(100), aux=(first, level)), replace(chunk(110), aux=(second,))]
    found = exported(tmp_path, entries, aux=(ACCELEROMETER, BATTERY))
    motion = found["accelerometer"]
    assert np.array_equal(motion["time_series"], np.concatenate([first.samples, second.samples]))
    assert motion["time_stamps"] * RATE == pytest.approx(97.25 - 100 + STEP * np.arange(5))
    assert motion["info"]["type"] == ["ACC"]
    assert float(motion["info"]["nominal_srate"][0]) == pytest.approx(ACCELEROMETER.sampling_rate)
    assert found["battery"]["time_stamps"] * RATE == pytest.approx([1.0])


def test_prompts_and_the_sources_own_labels_are_texts_that_hold_from_then_on(tmp_path: Path) -> None:
    """A repetition of the same gesture is said again."""
    entries = [chunk(0, 30, label=0), chunk(30, 20, label=1), chunk(50, 30, label=None)]
    found = exported(tmp_path, entries, plan=PLAN)
    prompts = found["Prompts"]
    assert prompts["time_series"] == [["rest"], ["手 <&> 拳"], ["手 <&> 拳"], ["unlabelled"]]
    assert prompts["time_stamps"] * RATE == pytest.approx([10, 30, 50, 70])
    labels = found["Labels"]
    assert labels["time_series"] == [["rest"], ["fist"], ["unlabelled"]]
    assert labels["time_stamps"] * RATE == pytest.approx([0, 30, 50])


def test_without_labels_gaps_and_more_there_is_the_signal_alone(tmp_path: Path) -> None:
    found = exported(tmp_path, [chunk(0, label=None)], gesture_names=(), subject=None, source="")
    assert list(found) == ["EMG"]


def test_readers_that_go_by_the_specification_alone_find_every_chunk(tmp_path: Path) -> None:
    """Each chunk's length leads to the next, and all that is XML is sound: EEGLAB's reader is no more patient."""
    exported(tmp_path, [replace(chunk(0, 20), aux=(aux(0, 0.0, 1),)), chunk(25, 20)], aux=(ACCELEROMETER,))
    content = (tmp_path / "one.xdf").read_bytes()
    assert content[:4] == b"XDF:"
    at, tags, formats = 4, [], []
    while at < len(content):
        assert content[at] == 4
        (length,) = struct.unpack_from("<I", content, at + 1)
        (tag,) = struct.unpack_from("<H", content, at + 5)
        body = content[at + 7 : at + 5 + length]
        if tag in (xdf_file.FILE_HEADER, xdf_file.STREAM_HEADER, xdf_file.STREAM_FOOTER):
            root = ElementTree.fromstring(body if tag == xdf_file.FILE_HEADER else body[4:])
            formats += [one.text for one in root.iter("channel_format")]
        tags.append(tag)
        at += 5 + length
    assert at == len(content)
    assert tags == [1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 6, 6, 6, 6]
    assert formats == ["float32", "float32", "string", "string"]
