"""The edges that a training found, told of each recording in its own rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.config import ROOT
from app.emg.files.recordings import load
from app.emg.recording import refined_edges
from app.emg.recording.export_npz import write_npz
from app.emg.recording.refined_edges import RefinedEdges
from app.learning.jobs.training import train
from tests.learning.jobs.test_training import order
from tests.serving.jobs.taught import record

MYO = ROOT / "instance" / "models" / "myo-8ch-200hz"
DELAY_S = 0.4


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there = tmp_path_factory.mktemp("instance")
    for name in ("anna", "again"):
        record(there, name, there, channels=8, delay_s=DELAY_S)
    record(there, "missed", there, channels=8, missed=[(2, 2)])
    return there


@pytest.mark.parametrize("base", [None, str(MYO)])
def test_each_cue_of_each_recording_has_its_edge(instance: Path, tmp_path: Path, base: Any) -> None:
    found = train(order(instance, tmp_path, "anna", "again", base=base), lambda _: None)["edges"]
    assert set(found) == {"anna", "again"}
    for name, told in found.items():
        write_npz(instance / "recordings", name, tmp_path / f"{name}.npz", refined=False)
        given = load(tmp_path / f"{name}.npz")
        cues = (np.flatnonzero(np.diff(given.label)) + 1).tolist()
        assert [cue for cue, _ in told["edges"]] == cues
        late = [(at - cue) / given.fs for cue, at in told["edges"]]
        np.testing.assert_allclose(late, DELAY_S, atol=0.06)


def test_labels_made_of_the_file_are_those_that_were_learned_from(instance: Path, tmp_path: Path) -> None:
    from app.learning.own.making import learn

    told = train(order(instance, tmp_path, "missed"), lambda _: None)["edges"]["missed"]
    write_npz(instance / "recordings", "missed", tmp_path / "cues.npz", refined=False)
    kept = RefinedEdges(
        model="mine",
        sha256="a" * 64,
        edges=tuple((cue, at) for cue, at in told["edges"]),
        left_out=tuple((begin, end) for begin, end in told["left_out"]),
    )
    refined_edges.write(instance / "recordings", "missed", kept)
    write_npz(instance / "recordings", "missed", tmp_path / "both.npz")

    learned = learn([load(tmp_path / "cues.npz")], mains=None)
    both = load(tmp_path / "both.npz")
    assert (both.label == -1).any()
    np.testing.assert_array_equal(both.label, learned.joined.label)
    told_of = both.label >= 0
    np.testing.assert_array_equal(both.repetition[told_of], learned.joined.repetition[told_of])
