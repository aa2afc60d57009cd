"""The models in instance/models: small, equal in every form, honest about whom they have seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.emg.files.recordings import load
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.onnx.backend import OnnxBackend
from app.inference.pytorch.backend import TorchBackend
from app.learning import recipes
from app.learning.batches import Windows
from app.learning.datasets import Dataset, Ids, content_hashes, load_people, read
from app.learning.evaluation import Baseline
from app.learning.memory import weights_for
from app.learning.metrics import Scores, confusion
from app.learning.own.adapting import Choice, adapt
from app.learning.shipping import network_of
from app.learning.splits import Part, repetition, session
from app.learning.target import Target

MODELS = Path(__file__).parents[2] / "instance" / "models"
MYO, SYNTHETIC = "myo-8ch-200hz", "synthetic-16ch-2khz"
ONNX_FILES = {"fp32": "model.onnx", "fp16": "model.fp16.onnx", "int8": "model.int8.onnx"}
EACH = pytest.mark.parametrize("name", [MYO, SYNTHETIC])


def shipped(name: str) -> Artefact:
    return artefact.load(MODELS / name)


@EACH
def test_every_file_is_small_and_there_is_a_card_with_the_licence(name: str) -> None:
    folder = MODELS / name

    assert all(path.stat().st_size < 2**20 for path in folder.rglob("*") if path.is_file())
    card = " ".join((folder / "README.md").read_text().replace("\n> ", " ").split())
    assert " ".join(shipped(name).manifest.training["licence"].split()) in card


@pytest.mark.parametrize(
    ("name", "parameters", "operations"), [(SYNTHETIC, 150_000, 15_000_000), (MYO, 100_104, 2_956_544)]
)
def test_a_model_costs_little(name: str, parameters: int, operations: int) -> None:
    """At most 150k parameters and 15 million operations, and less for the armband's than the simulator's."""
    model = shipped(name)
    network = network_of(model)

    assert network.parameter_count() < parameters
    assert network.operations(model.manifest.length) < operations


@EACH
def test_the_manifest_names_the_split_of_each_figure(name: str) -> None:
    metrics = shipped(name).manifest.metrics

    assert metrics
    for split, figures in metrics.items():
        assert figures["split"], split
        assert 0 < figures["balanced_accuracy"] <= 1


def test_the_weights_are_those_of_the_recipe() -> None:
    for name, recipe in recipes.RECIPES.items():
        manifest = shipped(name).manifest
        assert (manifest.architecture, dict(manifest.hyper_parameters)) == (
            recipe.architecture,
            dict(recipe.hyper_parameters),
        )
        assert manifest.training["seed"] == recipe.schedule.seed


def simulated_windows() -> tuple[Artefact, Any, Ids]:
    model = shipped(SYNTHETIC)
    data = read(recipes.simulate(model.manifest, range(7000, 7004), 30.0), model.manifest)
    return model, with_history(data, model, np.arange(len(data.label))), data.label


def with_history(data: Dataset, model: Artefact, rows: Ids) -> Any:
    """Return normalised windows and what the model reads before them."""
    windows = Windows(data, model.manifest.mean, model.manifest.std)
    return windows.take(torch.from_numpy(rows)).numpy()


def real_windows(recordings: Path) -> tuple[Artefact, Any, Ids]:
    model = shipped(MYO)
    data = read([load(recordings / f"S{k:02d}.npz") for k in (1, 9, 19)], model.manifest)
    rows = np.arange(0, len(data.label), 10)
    return model, with_history(data, model, rows), data.label[rows]


def expect_equal_forms(model: Artefact, windows: Any, label: Ids) -> None:
    expected = TorchBackend.open(model, device="cpu").infer(windows).logits
    held = [p for p in ("fp32", "fp16", "int8") if ONNX_FILES[p] in model.manifest.files]
    found = {p: OnnxBackend.open(model, precision=p).infer(windows).logits for p in held}
    classes = len(model.manifest.classes)

    def balanced(logits: Any) -> float:
        return Scores(confusion(label, logits.argmax(1), classes), 0).balanced_accuracy

    np.testing.assert_allclose(found["fp32"], expected, rtol=1e-3, atol=1e-3)
    assert all(balanced(logits) >= balanced(expected) - 0.005 for logits in found.values())


def test_the_simulators_graphs_equal_pytorch() -> None:
    expect_equal_forms(*simulated_windows())


@pytest.mark.data
def test_the_armbands_graphs_equal_pytorch_on_real_windows(recordings: Path) -> None:
    expect_equal_forms(*real_windows(recordings))


@pytest.mark.data
def test_whoever_trained_it_is_judged_by_a_fold_that_has_not_seen_them(recordings: Path) -> None:
    model = shipped(MYO)

    for name in ("S01.npz", "S17.npz", "S8_E1_A1.mat"):
        file = weights_for(model, content_hashes(load(recordings / name)).values())
        assert file.startswith("folds/")


@pytest.mark.slow
@pytest.mark.data
def test_one_repetition_of_a_person_never_seen_beats_the_baseline_within_seconds(
    recordings: Path, tmp_path: Path
) -> None:
    model, recording = shipped(MYO), load(recordings / "S13.npz")

    made = adapt(model, recording, Target(path=tmp_path / "mine"), Choice(), mains=None)

    assert made.manifest.metrics["calibration"]["balanced_accuracy"] > 0.88
    assert made.manifest.metrics["calibration"]["seconds"] < 10


@pytest.fixture(scope="module")
def everyone() -> Dataset:
    from tests.conftest import RECORDINGS

    if not RECORDINGS.is_dir():
        pytest.skip(f"the shared recordings are not at {RECORDINGS}")
    return read(load_people(RECORDINGS), recipes.MYO.draft())


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("split", "accuracy", "balanced"),
    [(repetition, 0.842, 0.843), (session, 0.747, 0.672)],
    ids=["repetition", "session"],
)
def test_the_baseline_gives_the_figures_that_the_recordings_readme_gives(
    everyone: Dataset, split: Callable[[Dataset, int], list[Part]], accuracy: float, balanced: float
) -> None:
    baseline = Baseline(everyone)
    scores = []
    for who in range(len(everyone.people)):
        (part,) = split(everyone, who)
        predicted = baseline.predict(part)
        assert predicted is not None
        scores.append(Scores(confusion(everyone.label[part.test], predicted, 8), 0))

    assert np.mean([one.accuracy for one in scores]) == pytest.approx(accuracy, abs=0.005)
    assert np.mean([one.balanced_accuracy for one in scores]) == pytest.approx(balanced, abs=0.005)


@EACH
def test_the_manifest_holds_no_secret_paths(name: str) -> None:
    text = json.dumps(json.loads((MODELS / name / "manifest.json").read_text()))

    assert "/work" not in text
    assert "/tmp" not in text
