"""`model new` from end to end: any format in, a model that is served out, and one line for all that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from flask import Flask

from app import cli
from app.emg.recording.prompts.trajectory import Trajectory
from app.inference import artefact
from tests.learning import makers
from tests.learning.own.makers import NAMES, own
from tests.learning.values.makers import followed

Run = Callable[..., Result]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("app.cli.model_folder.model_folders", lambda: (tmp_path / "models",))
    return tmp_path / "models"


@pytest.fixture
def run(models: Path) -> Run:
    app = Flask("commands")
    cli.register(app)

    def invoke(*words: object) -> Result:
        return app.test_cli_runner().invoke(args=["model", *map(str, words)])

    return invoke


def failed(result: Result, reason: str, models: Path, status: int = 1) -> None:
    """One line on stderr that says why, nothing else, and nothing written."""
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert reason in line
    assert not models.exists() or list(models.iterdir()) == []


def csv_of(path: Path, npz: Path) -> Path:
    """The same recording as a table with a column of names, as spreadsheets have it."""
    held = np.load(npz)
    rate, names = float(held["fs"]), held["gesture_names"]
    lines = ["time," + ",".join(f"emg{k}" for k in range(held["emg"].shape[1])) + ",label"]
    for k, (row, label) in enumerate(zip(held["emg"], held["label"], strict=True)):
        lines.append(f"{k / rate:.6f}," + ",".join(f"{value:.4f}" for value in row) + f",{names[label]}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_from_a_recording_to_a_model_and_how_to_serve_it(run: Run, models: Path, tmp_path: Path) -> None:
    result = run("new", "--recording", own(tmp_path / "me.npz"), "--out", "mine")

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"wrote {models / 'mine'}: balanced accuracy ")
    assert "on repetitions left out; LDA " in lines[0]
    assert lines[-1] == "serve it with: EMG_MODEL=mine make serve"
    assert artefact.load(models / "mine").manifest.classes == NAMES


def test_json_says_what_a_program_needs(run: Run, tmp_path: Path) -> None:
    report = json.loads(
        run("new", "--recording", own(tmp_path / "me.npz", repetitions=3), "--out", "mine", "--json").stdout
    )

    assert report["classes"] == list(NAMES)
    assert 0 <= report["interval"][0] <= report["balanced_accuracy"] <= report["interval"][1] <= 1
    assert {"lda_balanced_accuracy", "chance", "confusion", "advice", "labels", "seconds"} <= set(report)


def test_several_recordings_of_several_formats_make_one_model(run: Run, tmp_path: Path) -> None:
    one = own(tmp_path / "a.npz", repetitions=1)
    other = csv_of(tmp_path / "b.csv", own(tmp_path / "b.npz", repetitions=1))

    report = json.loads(
        run("new", "--recording", one, "--recording", other, "--out", "mine", "--json").stdout
    )

    assert set(report["classes"]) == set(NAMES)
    assert report["repetitions"] == 2


def test_evaluate_takes_a_table_too(run: Run, models: Path, tmp_path: Path) -> None:
    makers.artefact(models / "tiny")
    table = csv_of(tmp_path / "b.csv", makers.person(tmp_path / "b.npz"))

    result = run("evaluate", "--model", "tiny", "--data", table, "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["people"][0]["person"] == "b"


def test_calibrate_says_that_a_table_has_no_labels(run: Run, models: Path, tmp_path: Path) -> None:
    makers.artefact(models / "tiny")
    table = csv_of(tmp_path / "b.csv", makers.person(tmp_path / "b.npz"))
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")

    result = run("calibrate", "--model", "tiny", "--recording", table, "--out", "mine")

    assert result.exit_code == 1
    assert "has no labels" in result.stderr.splitlines()[-1]


BAD: dict[str, tuple[Callable[[Path], list[object]], str]] = {
    "no-recording": (lambda _: [], "no recording to learn from"),
    "no-such-file": (lambda _: ["--recording", "nowhere.npz"], "no file nowhere.npz"),
    "one-class": (lambda p: ["--recording", own(p / "a.npz", label=np.int8(0))], "nothing but покой"),
    "unlabelled": (lambda p: ["--recording", own(p / "a.npz", label=None)], "has no labels"),
    "too-short": (
        lambda p: ["--recording", own(p / "a.npz", held_s=0.3, repetitions=1)],
        "кулак lasts 0.3 s",
    ),
    "nan": (
        lambda p: ["--recording", own(p / "a.npz", emg=np.full((14000, 5), np.nan, np.float32))],
        "NaN or infinite",
    ),
    "other-channels": (
        lambda p: ["--recording", own(p / "a.npz"), "--recording", own(p / "b.npz", channels=4)],
        "b.npz: has 4 channels, a.npz has 5",
    ),
    "labels-that-do-not-fit": (
        lambda p: ["--recording", own(p / "a.npz", weak=[1, 2, 3])],
        "no better than guessing",
    ),
    "no-such-rest": (lambda p: ["--recording", own(p / "a.npz"), "--rest", "thumb"], "is called thumb"),
}


@pytest.mark.parametrize(("words", "reason"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_nothing_is_written(
    run: Run, models: Path, tmp_path: Path, words: Callable[[Path], list[object]], reason: str
) -> None:
    failed(run("new", *words(tmp_path), "--out", "mine"), reason, models)


def test_a_name_that_is_taken_is_refused_before_the_work(run: Run, tmp_path: Path) -> None:
    run("new", "--recording", own(tmp_path / "a.npz"), "--out", "mine")

    result = run("new", "--recording", tmp_path / "a.npz", "--out", "mine")

    assert result.exit_code == 2
    assert "or replace it with --force" in result.stderr


def test_cancelled_half_way_it_leaves_nothing(
    run: Run, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.inference.artefact.let_read", stopped)

    failed(run("new", "--recording", own(tmp_path / "a.npz"), "--out", "mine"), "cancelled", models)


def test_calibrate_takes_gestures_that_the_parent_lacks(run: Run, models: Path, tmp_path: Path) -> None:
    run("new", "--recording", own(tmp_path / "a.npz"), "--out", "mine")
    other = own(tmp_path / "b.npz", names=("покой", "grasp", "wave"), repetitions=3)

    words = [
        "calibrate",
        "--model",
        "mine",
        "--recording",
        other,
        "--out",
        "later",
        "--rename",
        "кулак=grasp",
    ]
    result = run(*words)

    assert result.exit_code == 0, result.output
    assert artefact.load(models / "later").manifest.classes == ("покой", "grasp", "wave")


@pytest.mark.parametrize("changes", [{"channels": 4}, {"rate": 1000.0}], ids=["channels", "rate"])
def test_calibrate_refuses_another_kind_of_recording(run: Run, tmp_path: Path, changes: dict) -> None:
    run("new", "--recording", own(tmp_path / "a.npz"), "--out", "mine")

    result = run(
        "calibrate", "--model", "mine", "--recording", own(tmp_path / "b.npz", **changes), "--out", "later"
    )

    assert result.exit_code == 1
    assert "the model takes 5 channels at 500 Hz" in result.stderr


def test_values_that_were_followed_become_a_model_of_values(run: Run, models: Path, tmp_path: Path) -> None:
    path, _ = followed(tmp_path / "followed.npz", trajectory=Trajectory(("wrist", "hand"), 60.0))

    said = run("new", "--recording", path, "--values", "--out", "wrist", "--json")

    assert said.exit_code == 0, said.output
    found = json.loads(said.stdout)
    assert [one["name"] for one in found["values"]] == ["wrist", "hand"]
    assert found["r2"] > found["beside"]["linear"]["r2"] > found["beside"]["mean"]["r2"]
    assert artefact.find("wrist", models).manifest.gives_values
    told = run("new", "--recording", path, "--values", "trajectory", "--out", "again")
    assert f"R2 {found['r2']:.2f}" in told.stdout
    assert "linear regression" in told.stdout
    assert "EMG_MODEL=again make serve" in told.stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--values", "goniometer"), "there is no goniometer beside the EMG, which has trajectory"),
        (("--values", "trajectory", "--rest", "rest"), "--values learns none"),
    ],
)
def test_values_that_cannot_be_learned_are_one_line(
    run: Run, models: Path, tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    path, _ = followed(tmp_path / "followed.npz", trajectory=Trajectory(("wrist",), 30.0))
    failed(run("new", "--recording", path, "--out", "mine", *words), reason, models)
