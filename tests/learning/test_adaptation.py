"""`calibrate` writes a whole child that remembers where it comes from, or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.files.recordings import load
from app.errors import ArtefactError, DataError
from app.inference import artefact
from app.learning import adaptation
from app.learning.datasets import content_hashes
from app.learning.memory import weights_for
from tests.learning import makers


def target(out: Path) -> adaptation.Target:
    """Graphs take seconds each."""
    return adaptation.Target(path=out, graphs=False)


def calibrated(tmp_path: Path, repetitions: int = 1, session: int = 1, **training: Any) -> Any:
    parent = makers.artefact(tmp_path / "tiny", training=training)
    recording = load(makers.person(tmp_path / "S01.npz"))
    out = tmp_path / "mine"
    made = adaptation.adapt(
        parent, recording, target(out), session=session, repetitions=repetitions, mains=None
    )
    return parent, recording, made


def test_the_child_names_its_parent_and_its_own_figures(tmp_path: Path) -> None:
    parent, recording, made = calibrated(tmp_path, repetitions=2, session=2)

    assert made.manifest.name == "mine"
    assert (made.manifest.parent.name, made.manifest.parent.sha256) == ("tiny", parent.sha256)
    assert made.manifest.metrics["calibration"]["balanced_accuracy"] > 0.9
    assert made.manifest.training["calibration"] == {
        "session_sha256": content_hashes(recording)[2],
        "session": 2,
        "repetitions": 2,
    }
    artefact.load(made.path)


def test_the_parent_is_not_touched(tmp_path: Path) -> None:
    parent, _, _ = calibrated(tmp_path)

    assert artefact.load(parent.path).sha256 == parent.sha256


def test_the_child_remembers_whom_its_weights_have_seen(tmp_path: Path) -> None:
    """A child that forgot was judged on the people who had trained its parent."""
    hashes = {"hashes": ["a", "b"], "runs": {"fold0": {"held_out": ["a"]}}}

    _, _, made = calibrated(tmp_path, **hashes)

    assert made.manifest.training["hashes"] == ["a", "b"]
    with pytest.raises(DataError, match="was trained on that recording"):
        weights_for(made, ["a"])


def test_a_person_of_the_training_gets_weights_that_have_not_seen_them(tmp_path: Path) -> None:
    recording = load(makers.person(tmp_path / "S01.npz"))
    own = list(content_hashes(recording).values())
    training = {"hashes": [*own, "b"], "runs": {"fold0": {"held_out": own}}}
    parent = makers.artefact(tmp_path / "tiny", training=training)

    made = adaptation.adapt(
        parent, recording, target(tmp_path / "mine"), session=1, repetitions=1, mains=None
    )

    assert made.manifest.training["hashes"] == ["b"]


def test_without_later_repetitions_there_is_no_figure(tmp_path: Path) -> None:
    _, _, made = calibrated(tmp_path, repetitions=6)

    assert "balanced_accuracy" not in made.manifest.metrics["calibration"]


@pytest.mark.parametrize(
    ("changes", "session", "reason"),
    [
        ({}, 3, "has no session 3; it has 1, 2"),
        ({"gestures": ()}, 1, "shows no fist, point; adapting needs a window of every class"),
        ({"gestures": (1,)}, 1, "shows no point"),
    ],
    ids=["no-such-session", "all-rest", "a-gesture-missing"],
)
def test_what_cannot_calibrate_leaves_nothing_behind(
    tmp_path: Path, changes: dict, session: int, reason: str
) -> None:
    parent = makers.artefact(tmp_path / "models" / "tiny")
    recording = load(makers.person(tmp_path / "S01.npz", **changes))

    with pytest.raises(DataError, match=reason):
        adaptation.adapt(
            parent,
            recording,
            target(tmp_path / "models" / "mine"),
            session=session,
            repetitions=1,
            mains=None,
        )

    assert [path.name for path in (tmp_path / "models").iterdir()] == ["tiny"]


def garbled(path: Path) -> Any:
    """A recording whose labels mean other gestures from its second repetition on."""
    recording = load(makers.person(path))
    later = (recording.label + 1) % len(makers.CLASSES)
    return replace(recording, label=np.where(recording.repetition == 1, recording.label, later))


def test_a_model_that_is_no_better_is_not_written_unless_told(tmp_path: Path) -> None:
    """Labels that were garbage gave "wrote ... balanced accuracy 0.091", and a model in use."""
    parent = makers.artefact(tmp_path / "models" / "tiny")
    recording = garbled(tmp_path / "S01.npz")
    out, how = target(tmp_path / "models" / "mine"), {"session": 1, "repetitions": 1, "mains": None}

    with pytest.raises(
        adaptation.NotBetterError, match=r"before 0\.\d\d -> after 0\.\d\d, chance 0\.333: no better"
    ):
        adaptation.adapt(parent, recording, out, **how)

    assert [path.name for path in (tmp_path / "models").iterdir()] == ["tiny"]
    made = adaptation.adapt(parent, recording, out, **how, even_if_worse=True)
    figures = made.manifest.metrics["calibration"]
    assert figures["balanced_accuracy"] <= max(figures["balanced_accuracy_before"], figures["chance"])


def test_another_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()

    with pytest.raises(ArtefactError, match="exists and is not a model's folder"):
        calibrated(tmp_path)


def test_alignment_looks_at_no_label(tmp_path: Path) -> None:
    parent = makers.artefact(tmp_path / "tiny")
    with_labels = load(makers.person(tmp_path / "S01.npz", repetitions=8))
    path = makers.person(tmp_path / "S02.npz", repetitions=8, label=None)
    without = load(path, labelled=False)

    one, other = (
        adaptation.align(parent, recording, target(tmp_path / f"mine{k}"), session=1, mains=None)
        for k, recording in enumerate((with_labels, without))
    )

    np.testing.assert_equal(one.weights(), other.weights())
    assert one.manifest.metrics["alignment"]["roll"] in range(-2, 3)
    assert one.manifest.parent.name == "tiny"


def test_a_few_seconds_are_too_little_to_align_on(tmp_path: Path) -> None:
    short = load(makers.person(tmp_path / "S01.npz", repetitions=1))

    with pytest.raises(DataError, match="must last 10 s"):
        adaptation.align(
            makers.artefact(tmp_path / "tiny"), short, target(tmp_path / "mine"), session=1, mains=None
        )
