"""`model train` and `model evaluate` on several sets of recordings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.inference import artefact
from app.learning import recipes
from tests.cli.test_model import failed
from tests.learning.conftest import one_thread  # noqa: F401  a fixture that holds wherever it is known
from tests.learning.covariance.test_guided_minute import CHANNELS, CLASSES, RATE, RECIPE, person

SEES = {"ours": ("rest", "fist", "point"), "theirs": ("rest", "fist", "turn")}


def write(folder: Path, seeds: range, gone: str, names: tuple[str, ...], loud: float, roll: int) -> Path:
    """People of a lab that does not ask for one of the gestures, calls them so, and puts the band on turned."""
    folder.mkdir()
    for seed in seeds:
        one = person(seed, np.roll(np.arange(CHANNELS), roll), loud, sessions=2)
        rows = one.label != CLASSES.index(gone)
        columns = {name: getattr(one, name)[rows] for name in ("emg", "label", "repetition", "session")}
        piece = np.cumsum(np.diff(one.label[rows], prepend=0) != 0)
        np.savez(
            folder / f"P{seed}.npz",
            **columns,
            recording=piece.astype(np.int16),
            fs=RATE,
            gesture_names=np.array(names),
            units=np.array("counts"),
            subject=np.array(f"P{seed}"),
        )
    return folder


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setitem(recipes.RECIPES, "ring", replace(RECIPE, folds=2, classes=CLASSES[:3]))
    ours = write(tmp_path / "ours", range(1, 5), "turn", CLASSES, 1.0, 0)
    spelt = ("Rest", "FIST", "unused", "turn")
    return ours, write(tmp_path / "theirs", range(11, 14), "point", spelt, 2.0, 1)


def words(command: str, name: str, labs: tuple[Path, Path], *more: str) -> list[Any]:
    sets = [word for folder in labs for word in ("--data", folder)]
    return [command, "--model", name, *sets, *more]


def test_two_labs_that_asked_for_other_gestures_teach_one_model_and_are_judged_apart(
    run: Any,
    labs: tuple[Path, Path],
    models: Path,
) -> None:
    trained = run(*words("train", "ring", labs, "--out", "both"))
    judged = run(*words("evaluate", "both", labs, "--json"))

    assert trained.exit_code == 0, trained.output
    assert trained.stdout.splitlines()[:3] == [
        "ours: 4 people, rest, fist, point; lacks turn",
        "theirs: 3 people, rest, fist, turn; lacks point",
        "2 classes of 4 in every set",
    ]
    manifest = artefact.load(models / "both").manifest
    assert (manifest.name, manifest.classes) == ("both", ("rest", "fist", "point", "turn"))
    held = [set(manifest.training["runs"][fold]["held_out"]) for fold in ("fold0", "fold1")]
    assert not held[0] & held[1]
    assert [len(one) for one in held] == [2 * (2 + 2), 2 * (2 + 1)]  # two sessions of some of each lab
    report = json.loads(judged.stdout)
    assert report["sets"].keys() == {"ours", "theirs"}
    assert [len(one["people"]) for one in report["sets"].values()] == [4, 3]
    for one in report["sets"].values():
        assert one["balanced_accuracy"] > 0.9  # of people whom the fold has not seen
        assert one["shuffled"]["balanced_accuracy"] < 0.6 < one["balanced_accuracy"]
        assert one["lda"]["balanced_accuracy"] > 0.3
    said = run(*words("evaluate", "both", labs)).stdout
    assert "theirs, 3 people: balanced 0.9" in said or "theirs, 3 people: balanced 1.0" in said


def test_people_who_are_in_both_sets_or_names_that_nobody_has_are_one_line(
    run: Any,
    labs: tuple[Path, Path],
    models: Path,
) -> None:
    failed(run(*words("train", "ring", (labs[0], labs[0]), "--out", "both")), 1, "leave one out")
    failed(
        run(*words("train", "ring", labs, "--out", "both", "--rename", "grasp=fist")),
        1,
        "--rename grasp=fist: no set has a gesture 'grasp'",
    )
    assert not (models / "both").exists()


def test_a_gesture_that_is_renamed_is_the_models(
    run: Any,
    labs: tuple[Path, Path],
    models: Path,
) -> None:
    trained = run(*words("train", "ring", labs, "--out", "both", "--rename", "turn=point", "--json"))

    assert trained.exit_code == 0, trained.output
    assert [one["lacks"] for one in json.loads(trained.stdout)["sets"]] == [[], []]
    assert artefact.load(models / "both").manifest.classes == ("rest", "fist", "point")


@pytest.mark.slow
@pytest.mark.data
def test_the_people_of_both_shared_sets_teach_one_model(
    run: Any,
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Myo armbands of two labs, the second high-passed and worn at three places: the same eight gestures."""
    monkeypatch.setitem(recipes.RECIPES, "myo", replace(recipes.MYO, folds=2))
    labs = tmp_path / "myo-readings", tmp_path / "wearable-longterm"
    for folder, people in zip(labs, (("S01", "S02", "S03", "S05"), ("U1", "U2")), strict=True):
        folder.mkdir()
        for who in people:
            (folder / f"{who}.npz").symlink_to(recordings.parent / folder.name / f"{who}.npz")

    trained = run(*words("train", "myo", labs, "--out", "both", "--json"))
    judged = json.loads(run(*words("evaluate", "both", labs, "--json")).stdout)
    shown = json.loads(run(*words("evaluate", "both", labs, "--calibrate", "1", "--json")).stdout)

    assert [one["lacks"] for one in json.loads(trained.stdout)["sets"]] == [[], []]
    for report in (judged, shown):
        for one in report["sets"].values():
            levels = [found["balanced_accuracy"] for found in (one, one["lda"], one["shuffled"])]
            assert levels[0] > levels[1] > levels[2]
    assert shown["sets"]["myo-readings"]["balanced_accuracy"] > 0.85
    assert shown["sets"]["wearable-longterm"]["balanced_accuracy"] > 0.95
