"""What a training found of the labels lies beside them: downloads have both, and what was recorded stays."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.files.imported import ImportHints
from app.emg.files.importing import import_files
from app.emg.files.recordings import load
from app.emg.recording import refined_edges
from app.emg.recording.contents import opened
from app.emg.recording.export_bids import write_zip
from app.emg.recording.export_npz import write_npz
from app.emg.recording.export_xdf import write_xdf
from app.emg.recording.from_file import write_recording
from app.emg.recording.prompts.label_plan import LabelPlan, Step
from app.emg.recording.refined_edges import RefinedEdges
from tests.emg.written import RATE, chunk, written

pyxdf = pytest.importorskip("pyxdf", reason="pyxdf of requirements-files.txt is not there")

# rest, fist, rest, with a gap of 7 samples in the fist: cues at the rows 40 and 70
ENTRIES = [chunk(100, 40, 0), chunk(140, 10, 1), chunk(157, 20, 1), chunk(177, 30, 0)]
FOUND = RefinedEdges(model="mine", sha256="b" * 64, edges=((40, 52), (70, 66)), left_out=((90, 100),))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "edges.json"}


def test_both_are_in_the_npz_and_what_was_recorded_stays(tmp_path: Path) -> None:
    folder = written(tmp_path, ENTRIES)
    before = bytes_of(folder)
    refined_edges.write(tmp_path, "one", FOUND)
    write_npz(tmp_path, "one", tmp_path / "one.npz")

    with np.load(tmp_path / "one.npz", allow_pickle=False) as file:
        cue, label = file["label"], file["label_refined"]
        np.testing.assert_array_equal(cue, [0] * 40 + [1] * 30 + [0] * 30)
        np.testing.assert_array_equal(label, [0] * 52 + [1] * 14 + [0] * 24 + [-1] * 10)
        index = file["sample_index"]
        np.testing.assert_array_equal(file["edges"], [[index[40], index[52]], [index[70], index[66]]])
        assert index[52] == 159  # behind the gap
        assert (str(file["edges_model"]), str(file["edges_model_sha256"])) == ("mine", "b" * 64)
    assert bytes_of(folder) == before
    assert (folder / "edges.json").stat().st_mode & 0o777 == 0o600

    found = load(tmp_path / "one.npz")
    np.testing.assert_array_equal(found.label, label)
    np.testing.assert_array_equal(found.label_cue, cue)


def test_a_training_begins_with_the_cues(tmp_path: Path) -> None:
    written(tmp_path, ENTRIES)
    refined_edges.write(tmp_path, "one", FOUND)
    write_npz(tmp_path, "one", tmp_path / "one.npz", refined=False)
    found = load(tmp_path / "one.npz")
    np.testing.assert_array_equal(found.label, found.label_cue)


def test_what_nobody_can_tell_is_minus_one_and_stays_with_its_cue(tmp_path: Path) -> None:
    written(tmp_path, ENTRIES)
    refined_edges.write(
        tmp_path, "one", RefinedEdges(model="mine", sha256="b" * 64, edges=((40, None),), left_out=())
    )
    write_npz(tmp_path, "one", tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["edges"], [[140, -1]])
        np.testing.assert_array_equal(file["label_refined"], file["label"])


def events(path: Path) -> tuple[list[dict[str, str]], dict[str, object]]:
    with zipfile.ZipFile(path) as file:
        name = next(name for name in file.namelist() if name.endswith("_events.tsv"))
        rows = list(csv.DictReader(io.StringIO(file.read(name).decode()), delimiter="\t"))
        return rows, json.loads(file.read(name.replace(".tsv", ".json")))


def test_bids_has_the_onset_of_the_cue_and_the_refined_one_beside_it(tmp_path: Path) -> None:
    written(tmp_path, ENTRIES)
    refined_edges.write(tmp_path, "one", FOUND)
    write_zip(tmp_path, "one", tmp_path / "one.zip")
    rows, about = events(tmp_path / "one.zip")

    fist = next(row for row in rows if row["trial_type"] == "fist")
    rest = next(row for row in reversed(rows) if row["trial_type"] == "rest")
    assert float(fist["onset"]) == pytest.approx(40 / RATE, abs=1e-5)
    assert float(fist["refined_onset"]) == pytest.approx(
        (52 + 7) / RATE, abs=1e-5
    )  # lost samples have a place
    assert float(rest["onset"]) == pytest.approx((70 + 7) / RATE, abs=1e-5)
    assert float(rest["refined_onset"]) == pytest.approx((66 + 7) / RATE, abs=1e-5)
    assert {row["refined_onset"] for row in rows if row["trial_type"] == "BAD_gap"} == {"n/a"}
    assert "mine" in str(about["refined_onset"])


def xdf_streams(path: Path) -> dict[str, Any]:
    streams, _ = pyxdf.load_xdf(path, dejitter_timestamps=False, synchronize_clocks=False)
    return {stream["info"]["name"][0]: stream for stream in streams}


def test_xdf_has_the_cues_and_a_stream_of_what_was_found(tmp_path: Path) -> None:
    written(tmp_path, ENTRIES)
    refined_edges.write(tmp_path, "one", FOUND)
    write_xdf(tmp_path, "one", tmp_path / "one.xdf")
    found = xdf_streams(tmp_path / "one.xdf")

    assert found["Labels"]["time_series"] == [["rest"], ["fist"], ["rest"]]
    assert found["Labels"]["time_stamps"] * RATE == pytest.approx([0, 40, 70 + 7])
    refined = found["Refined"]
    assert refined["time_series"] == [["rest"], ["fist"], ["rest"], ["unlabelled"]]
    assert refined["time_stamps"] * RATE == pytest.approx(
        [0, 52 + 7, 66 + 7, 90 + 7]
    )  # lost samples have a place
    desc = refined["info"]["desc"][0]
    assert (desc["model"], desc["model_sha256"]) == (["mine"], ["b" * 64])


def test_of_a_plan_each_repetition_begins_where_the_person_did(tmp_path: Path) -> None:
    plan = LabelPlan((Step("fist", 0.1, 1), Step("open", 0.1, 1), Step("open", 0.1, 2)), countdown_s=0.05)
    written(tmp_path, [chunk(0, 100, label=None)], plan=plan)  # cues at the rows 10, 30, 50 and 70
    found = RefinedEdges(model="mine", sha256="b" * 64, edges=((30, 34), (50, 57)), left_out=((10, 12),))
    refined_edges.write(tmp_path, "one", found)
    write_xdf(tmp_path, "one", tmp_path / "one.xdf")
    streams = xdf_streams(tmp_path / "one.xdf")
    assert streams["Prompts"]["time_stamps"] * RATE == pytest.approx([10, 30, 50, 70])
    refined = streams["Refined"]
    assert refined["time_series"] == [["fist"], ["open"], ["open"], ["unlabelled"]]
    assert refined["time_stamps"] * RATE == pytest.approx([12, 34, 57, 70])


@pytest.mark.parametrize(
    ("said", "fist"), [(None, (430, 690)), ("Labels", (400, 700))], ids=["refined-first", "the-cues-by-name"]
)
def test_an_import_of_xdf_takes_what_was_found_unless_the_cues_are_named(
    tmp_path: Path, said: str | None, fist: tuple[int, int]
) -> None:
    """The cues have as many markers, and came first."""
    entries = [
        chunk(100, 400, 0),
        chunk(500, 100, 1),
        chunk(700, 200, 1),
        chunk(900, 300, 0),
    ]  # a gap in the fist
    written(tmp_path, entries)
    refined_edges.write(tmp_path, "one", replace(FOUND, edges=((400, 430), (700, 690)), left_out=()))
    write_xdf(tmp_path, "one", tmp_path / "one.xdf")
    found, files = import_files([tmp_path / "one.xdf"], ImportHints(label=said))
    aside = tmp_path / "aside"
    aside.mkdir()
    write_recording(
        found, files, aside=aside, root=tmp_path, name="back", called="back", now=0.0, most_bytes=2**30
    )
    write_npz(tmp_path, "back", tmp_path / "back.npz")
    back = load(tmp_path / "back.npz")
    assert np.flatnonzero(back.label == back.gesture_names.index("fist")).tolist() == [*range(*fist)]


def test_without_a_training_nothing_is_refined(tmp_path: Path) -> None:
    written(tmp_path, ENTRIES)
    write_npz(tmp_path, "one", tmp_path / "one.npz")
    write_zip(tmp_path, "one", tmp_path / "one.zip")
    write_xdf(tmp_path, "one", tmp_path / "one.xdf")
    assert "Refined" not in xdf_streams(tmp_path / "one.xdf")
    with np.load(tmp_path / "one.npz", allow_pickle=False) as file:
        assert not {"label_refined", "repetition_refined", "edges", "edges_model"} & set(file.files)
    assert "refined_onset" not in events(tmp_path / "one.zip")[0][0]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"format": 2, "model": "a", "sha256": "b", "edges": [], "left_out": []}',
        b'{"format": 1, "model": "a", "sha256": "b", "edges": [[40, 101]], "left_out": []}',
        b'{"format": 1, "model": "a", "sha256": "b", "edges": [[0, 3]], "left_out": []}',
        b'{"format": 1, "model": "a", "sha256": "b", "edges": [[50, 3], [40, 3]], "left_out": []}',
        b'{"format": 1, "model": "a", "sha256": "b", "edges": [[true, 3]], "left_out": []}',
        b'{"format": 1, "model": "a", "sha256": "b", "edges": [], "left_out": [[3, null]]}',
        b'{"format": 1, "sha256": "b", "edges": [], "left_out": []}',
    ],
)
def test_what_is_damaged_or_of_another_recording_is_passed_over(tmp_path: Path, text: bytes) -> None:
    folder = written(tmp_path, ENTRIES)
    (folder / "edges.json").write_bytes(text)
    with opened(tmp_path, "one") as held:
        assert held.refined is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = written(tmp_path, ENTRIES)
    refined_edges.write(tmp_path, "one", FOUND)
    (folder / "edges.json").rename(tmp_path / "elsewhere.json")
    (folder / "edges.json").symlink_to(tmp_path / "elsewhere.json")
    with opened(tmp_path, "one") as held:
        assert held.refined is None
