"""What a training found of the labels lies beside them: downloads have both, and what was recorded stays."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from app.emg.files.recordings import load
from app.emg.recording import refined_edges
from app.emg.recording.contents import opened
from app.emg.recording.export_bids import write_zip
from app.emg.recording.export_npz import write_npz
from app.emg.recording.refined_edges import RefinedEdges
from tests.emg.written import RATE, chunk, written

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


def test_without_a_training_nothing_is_refined(tmp_path: Path) -> None:
    written(tmp_path, ENTRIES)
    write_npz(tmp_path, "one", tmp_path / "one.npz")
    write_zip(tmp_path, "one", tmp_path / "one.zip")
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
