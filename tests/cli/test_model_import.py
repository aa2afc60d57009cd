"""`flask model import`: somebody's own graph becomes a model, or one line says why it does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from flask.testing import FlaskCliRunner

from app import create_app
from app.inference import artefact
from tests.inference import value_models as values
from tests.inference.foreign_models import answers, draft, emg, golden, graph

FILES = ("--onnx", "f.onnx", "--manifest", "m.json", "--golden", "g.npz")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setattr("app.cli.model_folder.model_folders", lambda: (folder,))
    return folder


def run(folder: Path, *more: str, vectors: bytes | None = None) -> Result:
    for name, content in (
        ("f.onnx", graph().SerializeToString()),
        ("m.json", draft()),
        ("g.npz", golden() if vectors is None else vectors),
    ):
        (folder / name).write_bytes(content)
    paths = [str(folder / one) if "." in one else one for one in FILES]
    runner: FlaskCliRunner = create_app().test_cli_runner()
    return runner.invoke(args=["model", "import", *paths, *more])


def test_it_is_kept_under_its_own_name(models: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "--json")

    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    kept = artefact.load(models / "mine")
    assert (said["model"], said["sha256"], said["windows"]) == (str(models / "mine"), kept.sha256, 12)
    assert said["difference"] < 1e-5


def test_another_name_is_the_models_own_then(models: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "--out", "other")

    assert "serve it with: EMG_MODEL=other make serve" in done.stdout
    assert artefact.load(models / "other").manifest.name == "other"


def test_what_is_there_is_replaced_only_when_told_to(models: Path, tmp_path: Path) -> None:
    run(tmp_path)
    again = run(tmp_path)

    assert (again.exit_code, again.stderr.count("\n")) == (2, 1)
    assert "mine exists; choose another name, or replace it with --force" in again.stderr
    assert run(tmp_path, "--force").exit_code == 0


def test_of_one_that_answers_otherwise_nothing_is_left(models: Path, tmp_path: Path) -> None:
    done = run(tmp_path, vectors=golden(output=answers(emg()) * 1.01))

    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: its answers differ from the golden vectors of mine by 0.0099")
    assert not (models / "mine").exists()


def test_a_file_that_is_not_there_is_named(models: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "--golden", str(tmp_path / "none.npz"))

    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "none.npz is missing" in done.stderr


def test_a_regression_is_taken_and_told_with_its_ranges_and_nothing_here_judges_or_teaches_it(
    models: Path, tmp_path: Path
) -> None:
    runner: FlaskCliRunner = create_app().test_cli_runner()
    for name, content in (
        ("f.onnx", values.graph().SerializeToString()),
        ("m.json", values.draft()),
        ("g.npz", values.golden()),
    ):
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / one) if "." in one else one for one in FILES]

    done = runner.invoke(args=["model", "import", *paths])
    assert (done.exit_code, "wrote" in done.stdout) == (0, True), done.stderr
    listed = runner.invoke(args=["model", "list"]).stdout
    assert "wrist_flexion -90..90 deg, grip 0..1, elbow 10..150 deg" in listed
    for words in (
        ("evaluate", "--data", "simulator"),
        ("calibrate", "--recording", "none.npz", "--out", "child"),
        ("export",),
    ):
        refused = runner.invoke(args=["model", words[0], "--model", "mine", *words[1:]])
        assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1), words
        assert "mine gives values (wrist_flexion, grip, elbow), no gestures" in refused.stderr
    trained = runner.invoke(args=["model", "train", "--model", "mine"])
    assert (trained.exit_code, trained.stderr.count("\n")) == (1, 1)
    assert not (models / "child").exists()
