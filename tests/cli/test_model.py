"""`flask --app wsgi model ...` from end to end, on small people; and one clear line for all that is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from scipy import io

from app.config import SHIPPED_MODELS
from app.emg.files.recordings import load
from app.emg.recording.prompts.label_plan import LabelPlan, Step
from app.emg.source import Chunk
from app.inference import artefact
from app.learning import recipes
from tests.emg.written import written
from tests.learning import makers
from tests.learning.conftest import one_thread  # noqa: F401  a fixture that holds wherever it is known
from tests.learning.test_shipping import TINY_RECIPE

Run = Callable[..., Result]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return makers.people(tmp_path / "people", 2)


def failed(result: Result, status: int, reason: str) -> None:
    """One line on stderr that says why, and nothing else."""
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert reason in lines[0]


def test_list_names_every_model(run: Run) -> None:
    text, (row,) = run("list").stdout, json.loads(run("list", "--json").stdout)["models"]

    assert text == f"tiny  1.0.0  {row['sha256'][:8]}  tcn  20 x 4 at 200 Hz  rest, fist, point\n"
    assert row["lineage"] == {"parent": None, "children": [], "person": None, "recordings": []}
    assert (row["name"], row["parent"], row["classes"]) == ("tiny", None, ["rest", "fist", "point"])


def test_list_shows_the_others_beside_a_damaged_model(run: Run, models: Path) -> None:
    broken = makers.artefact(models / "broken")
    (broken.path / "weights.safetensors").write_bytes(b"short")

    result = run("list", "--json")

    assert result.exit_code == 2
    report = json.loads(result.stdout)
    assert [row["name"] for row in report["models"]] == ["tiny"]
    assert "sha256 differs" in report["damaged"][0]


@pytest.mark.parametrize(
    "words",
    [[], ["--split", "repetition"], ["--split", "session"], ["--calibrate", 1], ["--calibrate", 2]],
    ids=["person", "repetition", "session", "calibrate-1", "calibrate-2"],
)
def test_evaluate_writes_one_object(run: Run, people: Path, words: list[object]) -> None:
    result = run("evaluate", "--model", "tiny", "--data", people, *words, "--json")

    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    for figures in (report, report["lda"]):
        assert 0 <= figures["balanced_accuracy"] <= 1
        assert len(figures["confusion"]) == len(figures["per_class_recall"]) == 3
        assert [one["person"] for one in figures["people"]] == ["S01", "S02"]
        assert set(figures["spread"]["accuracy"]) == {"sd", "min", "max"}


def test_evaluate_prints_a_table_with_the_baseline_beside_each_person(run: Run, people: Path) -> None:
    lines = run("evaluate", "--model", "tiny", "--data", people).stdout.splitlines()

    assert lines[0].startswith("tiny, person, ")
    assert [line.split()[0] for line in lines[2:5]] == ["S01", "S02", "mean"]
    assert "aligned by its own signal" in lines[6]


def test_evaluate_keeps_its_figures_in_the_manifest_if_asked(run: Run, people: Path, models: Path) -> None:
    before = artefact.load(models / "tiny")

    for words in (["--split", "session"], ["--calibrate", 1]):
        report = json.loads(
            run("evaluate", "--model", "tiny", "--data", people, *words, "--save", "--json").stdout
        )

    after = artefact.load(models / "tiny")
    assert list(after.manifest.metrics) == ["session", "calibrate 1"]
    entry = after.manifest.metrics["calibrate 1"]
    assert entry["balanced_accuracy"] == round(report["balanced_accuracy"], 4)
    assert (entry["dataset"], entry["people"]) == ("people", 2)
    assert entry["split"].startswith("adapted on the first repetitions")
    assert after.manifest.files == before.manifest.files


def test_evaluate_draws_the_confusion(run: Run, people: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="requirements-dev.txt is not installed")
    picture = tmp_path / "confusion.png"

    result = run("evaluate", "--model", "tiny", "--data", people, "--plot", picture)

    assert result.exit_code == 0, result.output
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_evaluate_stream_reports_every_combination(run: Run, people: Path) -> None:
    result = run("evaluate", "--model", "tiny", "--data", people, "--stream", "--json")

    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["decisions"]
    assert [(row["votes"], row["min_confidence"]) for row in rows] == [
        (votes, least) for votes in (1, 5, 9) for least in (0.0, 0.6, 0.8)
    ]
    assert rows[0].keys() >= {
        "gestures_found",
        "time_to_first_correct_s",
        "false_activations_per_rest_minute",
        "stability",
        "false_activations_per_rest_hour",
        "back_at_rest_s",
        "right",
        "right_balanced",
    }
    report = json.loads(result.stdout)
    assert report["split"] == "as it is"
    assert {(row["enter"], row["leave"]) for row in report["hysteresis"]} >= {(0.7, 0.1)}
    assert report["default"]["votes"] == 1


def test_evaluate_stream_replays_each_session_after_a_calibration(run: Run, people: Path) -> None:
    result = run("evaluate", "--model", "tiny", "--data", people, "--stream", "--calibrate", 1, "--json")

    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["split"] == "calibrate 1"
    assert report["default"]["rest_hours"] > 0


def test_evaluate_stream_prints_a_line_for_every_rule(run: Run, people: Path) -> None:
    result = run("evaluate", "--model", "tiny", "--data", people, "--stream")

    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    assert "false/h" in lines[1]
    assert any(line.split()[:3] == ["0.7", "0.1", "0.3"] for line in lines)
    assert "the model's own rule: votes 1, min_confidence 0" in result.stdout


def test_evaluate_takes_one_file_and_the_simulator(
    run: Run, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli.model_folder.EVALUATION_PEOPLE", 1)

    for source in (people / "S01.npz", "simulator"):
        result = run("evaluate", "--model", "tiny", "--data", source, "--json")
        assert result.exit_code == 0, result.output


@pytest.fixture
def nameless(tmp_path: Path) -> Callable[..., Path]:
    """Writes what `makers.person` made as a Ninapro `.mat`, whose labels are numbers: the folder of it."""

    def write(gestures: int = 2) -> Path:
        (folder := tmp_path / "nameless").mkdir()
        arrays = dict(np.load(makers.person(tmp_path / "S01.npz")))
        label, repetition = np.minimum(arrays["label"], gestures), arrays["repetition"]
        ninapro = {
            "stimulus": label,
            "restimulus": label,
            "repetition": repetition,
            "rerepetition": repetition,
        }
        kept = {key: arrays[key] for key in ("emg", "session", "recording", "fs")}
        io.savemat(folder / "S1_E1_A1.mat", {**kept, **ninapro})
        return folder

    return write


@pytest.mark.parametrize("words", [["--split", "repetition"], ["--stream"]], ids=["windows", "stream"])
def test_evaluate_takes_as_many_numbers_as_the_model_has_classes_and_says_so(
    run: Run, nameless: Callable[..., Path], words: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    result = run("evaluate", "--model", "tiny", "--data", nameless(), *words, "--json")

    assert result.exit_code == 0, result.output
    assert "names no gestures; 0, 1, ... are taken as the model's classes: rest, fist, point" in caplog.text
    if "--stream" in words:
        assert json.loads(result.stdout)["decisions"][0]["gestures_found"] is not None


@pytest.mark.parametrize("words", [["--split", "repetition"], ["--stream"]], ids=["windows", "stream"])
def test_evaluate_asks_for_the_names_of_another_number_of_gestures(
    run: Run, nameless: Callable[..., Path], words: list[str]
) -> None:
    result = run("evaluate", "--model", "tiny", "--data", nameless(1), *words, "--json")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "name them with --gestures, such as --gestures rest,fist" in result.stderr


def test_evaluate_and_calibrate_take_the_names_that_are_given(
    run: Run, nameless: Callable[..., Path], models: Path
) -> None:
    folder = nameless()
    turned = ("--gestures", "rest, point, fist")
    reports = [
        json.loads(run("evaluate", "--model", "tiny", "--data", folder, *words, "--json").stdout)
        for words in ((), turned)
    ]
    rows = [report["confusion"] for report in reports]
    assert rows[0] == [rows[1][0], rows[1][2], rows[1][1]], "the two gestures have changed places"

    words = ("--recording", folder / "S1_E1_A1.mat", "--out", "mine", "--no-graphs")
    assert run("calibrate", "--model", "tiny", *words, *turned, "--json").exit_code == 0


@pytest.mark.parametrize("names", ["", "rest,,fist", "rest,rest"])
def test_names_that_are_none_are_refused(run: Run, people: Path, names: str) -> None:
    result = run("evaluate", "--model", "tiny", "--data", people, "--gestures", names)
    assert (result.exit_code, "such as rest,fist,point" in result.stderr) == (2, True)


@pytest.mark.slow
def test_calibrate_writes_a_model_of_ones_own(run: Run, people: Path, models: Path) -> None:
    words = ["--recording", people / "S01.npz", "--session", 2, "--repetitions", 2, "--out", "mine"]

    report = json.loads(run("calibrate", "--model", "tiny", *words, "--json").stdout)

    made = artefact.load(models / "mine")
    assert report["balanced_accuracy"] == made.manifest.metrics["calibration"]["balanced_accuracy"] > 0.9
    assert report["seconds"] < 30
    assert made.manifest.parent.name == "tiny"
    assert {"model.onnx", "model.fp16.onnx", "model.int8.onnx"} <= made.manifest.files.keys()


def test_calibrate_says_what_it_was_worth_and_how_to_serve_it(run: Run, people: Path, models: Path) -> None:
    words = ["--recording", people / "S01.npz", "--out", "mine", "--no-graphs"]

    said, how = run("calibrate", "--model", "tiny", *words).stdout.splitlines()

    assert re.search(r"mine: balanced accuracy before 0\.\d\d -> after (0\.9\d|1\.00), chance 0\.333$", said)
    assert how == "serve it with: EMG_MODEL=mine make serve"


def test_calibrate_does_not_write_a_model_that_is_no_better(
    run: Run, people: Path, tmp_path: Path, models: Path
) -> None:
    recording = dict(np.load(people / "S01.npz"))
    later = (recording["label"] + 1) % len(makers.CLASSES)
    recording["label"] = np.where(recording["repetition"] == 1, recording["label"], later)
    np.savez(tmp_path / "garbage.npz", **recording)
    words = ["--recording", tmp_path / "garbage.npz", "--out", "mine", "--no-graphs"]

    failed(
        run("calibrate", "--model", "tiny", *words), 1, "nothing was written; do the labels fit the signal?"
    )

    assert [entry.name for entry in models.iterdir()] == ["tiny"]
    assert run("calibrate", "--model", "tiny", *words, "--even-if-worse").exit_code == 0


def test_calibrate_without_labels_turns_the_ring(run: Run, tmp_path: Path, models: Path) -> None:
    path = makers.person(tmp_path / "blind.npz", repetitions=8, label=None)

    result = run(
        "calibrate",
        "--model",
        "tiny",
        "--recording",
        path,
        "--unlabelled",
        "--out",
        "mine",
        "--no-graphs",
        "--json",
    )

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout).keys() == {"model", "seconds", "windows", "roll", "gain"}
    assert artefact.load(models / "mine").manifest.training["alignment"]["session"] == 1


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A recipe that takes a second."""
    known = replace(TINY_RECIPE, name="small", folds=0)
    monkeypatch.setitem(recipes.RECIPES, "small", known)
    return known


@pytest.mark.slow
def test_train_writes_a_model_with_its_graphs_and_resumes(
    run: Run, recipe: Any, people: Path, models: Path
) -> None:
    first = run("train", "--model", "small", "--data", people, "--json")
    weights = artefact.load(models / "small").weights()
    again = run("train", "--model", "small", "--data", people, "--force")

    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["runs"]["main"]["best_epoch"] == 1
    assert again.exit_code == 0, again.output
    assert Path("runs/small/main.pt").is_file()
    assert {"model.onnx", "model.fp16.onnx", "model.int8.onnx"} <= artefact.load(
        models / "small"
    ).manifest.files.keys()
    np.testing.assert_equal(artefact.load(models / "small").weights(), weights)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["tcn", "spiking"])
def test_train_takes_another_network_and_leaves_an_augmentation_out(
    run: Run, recipe: Any, people: Path, models: Path, network: str
) -> None:
    words = ["--network", network, "--without", "noise", "--epochs", 1, "--folds", 0, "--out", "other"]

    result = run("train", "--model", "small", "--data", people, *words, "--json")

    assert result.exit_code == 0, result.output
    expected = {"tcn": "tcn", "spiking": "spiking_tcn"}[network]
    assert artefact.load(models / "other").manifest.architecture == expected


def test_export_to_triton_writes_a_repository_and_says_how_to_serve_it(run: Run, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    words = ("export", "--model", SHIPPED_MODELS / "myo-8ch-200hz", "--to", "triton", "--out", repository)
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found == {
        "model": str(repository / "myo-8ch-200hz"),
        "files": ["1/model.onnx", "config.pbtxt", "labels.txt"],
    }
    again = run(*words)
    assert (again.exit_code, "replace it with --force" in again.stderr) == (1, True)
    assert f"tritonserver --model-repository={repository}" in run(*words, "--force").stdout


def test_export_says_that_a_repository_is_for_triton(run: Run, tmp_path: Path) -> None:
    result = run("export", "--model", "myo-8ch-200hz", "--out", tmp_path)
    assert (result.exit_code, "go with --to triton" in result.stderr) == (1, True)


def test_export_writes_the_graphs_of_a_calibrated_model(run: Run, people: Path, models: Path) -> None:
    (models / "tiny" / "README.md").write_text("about it")

    result = run("export", "--model", "tiny", "--data", people, "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["files"] == ["model.fp16.onnx", "model.int8.onnx", "model.onnx"]
    assert "model.onnx" in artefact.load(models / "tiny").manifest.files
    assert (models / "tiny" / "README.md").read_text() == "about it"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--unlabelled"], "--unlabelled judges covariance models"),
        (["--split", "day", "--calibrate", "9"], "a calibration takes 1 to 3 repetitions"),
    ],
    ids=["a network", "nine repetitions"],
)
def test_judging_what_a_model_cannot_do_is_one_line(
    run: Run, people: Path, options: list[str], named: str
) -> None:
    result = run("evaluate", "--model", "tiny", "--data", people, *options)

    assert result.exit_code != 0
    assert named in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("error")]) == 1


WRITERS = {
    "calibrate": ["calibrate", "--model", "tiny", "--recording", "PERSON", "--out", "tiny"],
    "calibrate-unlabelled": ["calibrate", "--model", "tiny", "--recording", "PERSON", "--unlabelled", "--out", "tiny"],
    "calibrate-to-a-path": ["calibrate", "--model", "tiny", "--recording", "PERSON", "--out", "../models/tiny"],
    "train": ["train", "--model", "small", "--data", "PEOPLE", "--out", "tiny"],
    "train-by-default": ["train", "--model", "tiny", "--data", "PEOPLE"],
    "export": ["export", "--model", "tiny", "--data", "PEOPLE"],
    "evaluate-plot": ["evaluate", "--model", "tiny", "--data", "PEOPLE", "--plot", "../models/tiny/model.onnx"],
}  # fmt: skip


@pytest.mark.parametrize("words", WRITERS.values(), ids=WRITERS)
def test_no_command_writes_over_what_is_there_unless_told(
    run: Run, models: Path, people: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`model calibrate --out myo-8ch-200hz` took the shipped model's card, folds and graphs, and exited 0."""
    for name in ("small", "tiny"):
        monkeypatch.setitem(recipes.RECIPES, name, replace(TINY_RECIPE, name=name, folds=0))
    tiny = artefact.load(models / "tiny")
    artefact.save(
        models / "tiny",
        tiny.manifest,
        {"weights.safetensors": tiny.file("weights.safetensors"), "model.onnx": b"graph"},
        replacing=True,
        card=b"about it",
    )
    before = {path: path.read_bytes() for path in models.rglob("*") if path.is_file()}
    places = {"PEOPLE": people, "PERSON": people / "S01.npz"}

    result = run(*(places.get(word, word) for word in words))

    failed(result, 1 if "--plot" in words else 2, "--force")
    assert {path: path.read_bytes() for path in models.rglob("*") if path.is_file()} == before
    assert not Path("runs").exists(), "it was refused before the work"


def test_calibrate_replaces_a_model_of_ones_own_when_told(run: Run, people: Path, models: Path) -> None:
    words = [
        "calibrate",
        "--model",
        "tiny",
        "--recording",
        people / "S01.npz",
        "--out",
        "mine",
        "--no-graphs",
    ]
    assert run(*words).exit_code == 0
    first = artefact.load(models / "mine")

    assert run(*words, "--session", 2, "--force").exit_code == 0

    assert artefact.load(models / "mine").sha256 != first.sha256


def nan(arrays: dict[str, Any]) -> None:
    arrays["emg"] = np.where(np.arange(len(arrays["emg"]))[:, None] == 5, np.nan, arrays["emg"])


def three_samples(arrays: dict[str, Any]) -> None:
    for key, values in arrays.items():
        if values.ndim and len(values) > 1000:
            arrays[key] = values[:3]


BAD_RECORDINGS = {
    "no-labels": (lambda arrays: arrays.pop("label"), "has no labels"),
    "unknown-class": (
        lambda arrays: arrays.update(gesture_names=np.array(["rest", "fist", "wave"])),
        "holds wave, which tiny lacks",
    ),
    "other-rate": (lambda arrays: arrays.update(fs=np.int32(1000)), "4 channels at 1000 Hz"),
    "other-channels": (lambda arrays: arrays.update(emg=arrays["emg"][:, :3]), "3 channels at 200 Hz"),
    "nan": (nan, "NaN or infinite"),
    "three-samples": (three_samples, "no labelled stretch of 20 samples"),
    "all-rest": (lambda arrays: arrays.update(label=0 * arrays["label"]), "S01"),
    "one-repetition": (lambda arrays: arrays.update(repetition=0 * arrays["repetition"] + 2), "S01"),
}


@pytest.fixture(params=BAD_RECORDINGS)
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    change, reason = BAD_RECORDINGS[request.param]
    path = makers.person(tmp_path / "bad" / "S01.npz") if (tmp_path / "bad").mkdir() is None else tmp_path
    arrays = dict(np.load(path))
    change(arrays)
    np.savez(path, **arrays)
    return path, reason


def test_evaluate_says_in_one_line_what_is_wrong_with_a_recording(run: Run, bad: tuple[Path, str]) -> None:
    path, reason = bad

    failed(
        run("evaluate", "--model", "tiny", "--data", path.parent, "--split", "repetition", "--json"),
        1,
        reason,
    )


def test_calibrate_leaves_nothing_behind_when_a_recording_is_bad(
    run: Run, bad: tuple[Path, str], models: Path
) -> None:
    path, reason = bad

    failed(run("calibrate", "--model", "tiny", "--recording", path, "--out", "mine"), 1, reason)

    assert [entry.name for entry in models.iterdir()] == ["tiny"]


def test_all_rest_is_no_measure_of_gestures_but_of_false_activations(run: Run, tmp_path: Path) -> None:
    folder = makers.people(tmp_path / "resting", 1, gestures=())

    failed(run("evaluate", "--model", "tiny", "--data", folder), 1, "nothing but rest")
    (row, *_) = json.loads(run("evaluate", "--model", "tiny", "--data", folder, "--stream", "--json").stdout)[
        "decisions"
    ]

    assert row["gestures_found"] is None
    assert row["false_activations_per_rest_minute"] >= 0


@pytest.mark.parametrize(
    ("data", "reason"), [("nowhere", "nowhere"), ("empty", "holds no recording")], ids=["absent", "empty"]
)
def test_a_folder_without_recordings_is_the_datas_fault(run: Run, data: str, reason: str) -> None:
    Path("empty").mkdir()

    failed(run("evaluate", "--model", "tiny", "--data", data), 1, reason)


def edit(model: artefact.Artefact, **changes: Any) -> None:
    path = model.path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


BAD_MODELS: dict[str, tuple[Callable[[artefact.Artefact], Any], str]] = {
    "truncated-weights": (
        lambda model: (model.path / "weights.safetensors").write_bytes(
            (model.path / "weights.safetensors").read_bytes()[:200]
        ),
        "sha256 differs",
    ),
    "no-json": (lambda model: (model.path / "manifest.json").write_text("{"), "it is not JSON"),
    "other-width": (
        lambda model: edit(model, hyper_parameters={**model.manifest.hyper_parameters, "width": 16}),
        "must be float32",
    ),
    "other-architecture": (lambda model: edit(model, architecture="mlp"), "architecture must be one of"),
    "huge-network": (lambda model: edit(model, hyper_parameters={"width": 10**9}), "width must be"),
    "edited-training": (lambda model: edit(model, training={"hashes": 5}), "training.hashes"),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_a_damaged_or_edited_model_is_one_line_and_status_2(
    run: Run, models: Path, people: Path, case: str
) -> None:
    damage, reason = BAD_MODELS[case]
    damage(artefact.load(models / "tiny"))
    words = ["--recording", people / "S01.npz", "--out", "mine"]

    failed(run("evaluate", "--model", "tiny", "--data", people), 2, reason)
    failed(run("calibrate", "--model", "tiny", *words), 2, reason)

    assert [entry.name for entry in models.iterdir()] == ["tiny"]


def test_a_recording_of_another_kind_names_the_model_here_that_takes_it(
    run: Run, models: Path, tmp_path: Path
) -> None:
    """The README's own two commands ended with "no model here fits", beside the model that did."""
    makers.artefact(
        models / "wide", channels=3, mean=np.zeros(3, np.float32), std=np.ones(3, np.float32), name="wide"
    )
    (tmp_path / "bad").mkdir()
    arrays = dict(np.load(makers.person(tmp_path / "bad" / "S01.npz")))
    np.savez(tmp_path / "bad" / "S01.npz", **{**arrays, "emg": arrays["emg"][:, :3]})
    recording = tmp_path / "bad" / "S01.npz"

    for words in (
        ["calibrate", "--model", "tiny", "--recording", recording, "--out", "mine"],
        ["calibrate", "--model", "tiny", "--recording", recording, "--unlabelled", "--out", "mine"],
        ["evaluate", "--model", "tiny", "--data", recording],
        ["export", "--model", "tiny", "--data", recording],
    ):
        failed(run(*words), 1, "the model takes 4 channels at 200 Hz; wide would fit")


def test_a_recording_is_named_by_path_or_by_its_name(
    run: Run, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own recordings lie in folders, which no command took."""
    recording = load(makers.person(tmp_path / "S01.npz", sessions=1))
    seconds = makers.STRETCH / makers.RATE
    steps = [
        Step(label, seconds, k) for name in ("fist", "point") for k in range(1, 7) for label in ("rest", name)
    ]
    written(
        tmp_path / "recordings",
        [Chunk(index=0, samples=recording.emg, labels=None)],
        name="anna-1",
        channels=makers.CHANNELS,
        gesture_names=makers.CLASSES,
        plan=LabelPlan(tuple(steps), 0.0),
    )
    monkeypatch.setattr("app.cli.named_recordings._root", lambda: tmp_path / "recordings")
    words = ["--model", "tiny", "--out", "mine", "--no-graphs"]

    result = run("calibrate", *words, "--recording", "anna-1")

    assert result.exit_code == 0, result.output
    assert artefact.load(models / "mine").manifest.parent.name == "tiny"
    failed(run("calibrate", *words, "--force", "--recording", "bert"), 1, "which has anna-1")


def test_a_folder_is_not_called_a_file_that_is_not_there(run: Run, tmp_path: Path, models: Path) -> None:
    words = ["calibrate", "--model", "tiny", "--out", "mine", "--recording"]

    failed(run(*words, tmp_path), 1, "is a folder, not a recording")
    failed(run(*words, "nowhere.npz"), 1, "there is no file nowhere.npz, and no recording of that name")
    failed(run("evaluate", "--model", tmp_path, "--data", tmp_path), 2, "holds no manifest.json")


def test_an_unknown_model_lists_those_there(run: Run, people: Path) -> None:
    failed(run("evaluate", "--model", "other", "--data", people), 2, "has tiny")


def test_a_target_outside_the_models_folder_needs_a_good_name(run: Run, people: Path, models: Path) -> None:
    words = ["--recording", people / "S01.npz", "--out", "../odd name"]

    failed(run("calibrate", "--model", "tiny", *words), 2, "is named with letters, digits")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--model", "other"], "no recipe 'other'; there are myo-8ch-200hz"),
        (["--model", "small"], "name their folder with --data"),
        (["--model", "small", "--network", "rnn"], "no network 'rnn'; there are tcn, spiking"),
        (["--model", "small", "--data", "PEOPLE", "--folds", 9], "2 people are too few for 9 folds"),
    ],
    ids=["recipe", "data", "network", "folds"],
)
def test_train_says_what_it_needs(
    run: Run, recipe: Any, people: Path, models: Path, words: list[object], reason: str
) -> None:
    failed(run("train", *(people if word == "PEOPLE" else word for word in words)), 1, reason)

    assert [entry.name for entry in models.iterdir()] == ["tiny"]
