"""Who trains which weights, and which weights may judge whom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import ArtefactError, DataError
from app.inference import artefact
from app.inference.artefact import Artefact
from app.learning import memory, recipes, shipping
from app.learning.adaptation import adapt, align
from app.learning.batches import Windows
from app.learning.datasets import Dataset
from app.learning.evaluation import evaluate
from app.learning.metrics import Scores, confusion
from app.learning.target import Target
from app.learning.training import Schedule
from tests.learning import makers

TINY_RECIPE = recipes.Recipe(
    name="tiny",
    version="1.0.0",
    architecture="tcn",
    hyper_parameters={"width": 8, "stem_kernel": 4, "stem_stride": 2, "dilations": [1]},
    channels=makers.CHANNELS,
    length=makers.LENGTH,
    sampling_rate=makers.RATE,
    units="counts",
    filters=(),
    classes=makers.CLASSES,
    folds=2,
    apart=1,
    ring=True,
    schedule=Schedule(epochs=1, windows=128, batch=64),
)


def silent(items: Any, total: int, what: str) -> Any:
    return items


def test_every_person_is_held_out_of_one_fold_and_teaches_or_stops_no_other_way() -> None:
    main, *folds = shipping.runs(people=11, folds=3, apart=2, seed=0)

    assert sorted(person for fold in folds for person in fold.held) == list(range(11))
    assert main.held == ()
    for run in (main, *folds):
        assert sorted((*run.people, *run.apart, *run.held)) == list(range(11))
        assert len(run.apart) == 2


def test_too_few_people_are_refused() -> None:
    with pytest.raises(DataError, match="2 people are too few for 2 folds and 1 people kept apart"):
        shipping.runs(people=2, folds=2, apart=1, seed=0)


def test_each_person_is_judged_by_weights_that_have_not_seen_them(tmp_path: Path) -> None:
    people = makers.recordings(tmp_path / "data", 4)
    manifest, data, networks = shipping.train(TINY_RECIPE, people, tmp_path / "runs", silent)
    model = shipping.write(tmp_path / "tiny", manifest, data, networks, graphs=False)
    runs = {run.name: run for run in shipping.runs(4, 2, 1, 0)}

    for person, hashes in enumerate(data.hashes):
        fold = Path(memory.weights_for(model, hashes.values())).stem
        assert person in runs[fold].held
    assert memory.weights_for(model, ["a stranger's"]) == "weights.safetensors"
    assert sorted(model.manifest.files) == [
        "folds/fold0.safetensors",
        "folds/fold1.safetensors",
        "weights.safetensors",
    ]


def test_a_fold_is_aligned_without_the_people_it_holds_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(shipping, "canonical", lambda data, people: asked.append(tuple(people)) or data)

    shipping.train(TINY_RECIPE, makers.recordings(tmp_path / "data", 4), tmp_path / "runs", silent)

    for run, people in zip(shipping.runs(4, 2, 1, 0), asked, strict=True):
        assert not set(people) & set(run.held)


LOUD = 0  # the person whose level is fifty times that of the others


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artefact, Dataset, list[shipping.Run]]:
    """A model of four people, one of whom is extreme."""
    folder = tmp_path_factory.mktemp("loud")
    people = [
        replace(one, emg=one.emg * np.float32(50 if k == LOUD else 1))
        for k, one in enumerate(makers.recordings(folder / "data", 4, repetitions=8))
    ]
    manifest, data, networks = shipping.train(TINY_RECIPE, people, folder / "runs", silent)
    model = shipping.write(folder / "tiny", manifest, data, networks, graphs=False)
    return model, data, shipping.runs(4, TINY_RECIPE.folds, TINY_RECIPE.apart, 0)


def test_a_run_is_normalised_by_the_people_it_learns_from_and_nobody_else(
    loud: tuple[Artefact, Dataset, list[shipping.Run]],
) -> None:
    """All runs had the statistics of all people, so a fold knew how strong those are whom it is judged on."""
    model, _, runs = loud
    quiet = 0
    for run in runs:
        file = "weights.safetensors" if run.name == "main" else memory.fold_file(run.name)
        deviation = float(memory.manifest_of(model, file).std[0])
        assert (deviation > 50) == (LOUD in run.people), run
        quiet += LOUD in run.held
    assert quiet == 1


def test_weights_are_judged_with_the_statistics_they_were_trained_with(
    loud: tuple[Artefact, Dataset, list[shipping.Run]],
) -> None:
    model, data, runs = loud
    report = evaluate(model, data, "person", None, silent)
    for person, scores in enumerate(report["people"]):
        (fold,) = (run.name for run in runs if person in run.held)
        own = memory.manifest_of(model, memory.fold_file(fold))
        network = shipping.network_of(model, memory.fold_file(fold))
        rows = data.rows_of([person])
        predicted = Windows(data, own.mean, own.std).predict(network, rows)
        right = Scores(confusion(data.label[rows], predicted, len(data.classes)), data.rest)
        assert scores["balanced_accuracy"] == pytest.approx(right.balanced_accuracy, abs=1e-4)


def test_a_child_takes_the_statistics_with_the_weights(
    loud: tuple[Artefact, Dataset, list[shipping.Run]], tmp_path: Path
) -> None:
    model, _, runs = loud
    quiet = makers.recordings(tmp_path / "data", LOUD + 1, repetitions=8)[LOUD]
    recording = replace(quiet, emg=quiet.emg * np.float32(50))
    (fold,) = (run.name for run in runs if LOUD in run.held)

    made = adapt(
        model, recording, Target(path=tmp_path / "mine", graphs=False), session=1, repetitions=2, mains=None
    )
    turned = align(model, recording, Target(path=tmp_path / "turned", graphs=False), session=1, mains=None)

    expected = memory.manifest_of(model, memory.fold_file(fold)).std
    assert made.manifest.std.tolist() == turned.manifest.std.tolist() == expected.tolist()


def test_a_model_from_before_has_one_set_of_statistics(tmp_path: Path) -> None:
    model = makers.artefact(
        tmp_path / "tiny", training={"hashes": ["b"], "runs": {"fold0": {"held_out": ["b"]}}}
    )
    found = memory.manifest_of(model, memory.fold_file("fold0"))
    assert found.std.tolist() == model.manifest.std.tolist()


@pytest.mark.parametrize("std", ["loud", [1.0], [0.0] * makers.CHANNELS, [[1.0] * makers.CHANNELS]])
def test_edited_statistics_of_a_fold_are_refused(tmp_path: Path, std: object) -> None:
    model = makers.artefact(tmp_path / "tiny", training={"runs": {"fold0": {"held_out": [], "std": std}}})
    with pytest.raises(ArtefactError, match=r"training.hashes or training.runs was edited"):
        memory.manifest_of(model, memory.fold_file("fold0"))


def test_a_session_of_a_trained_recording_is_known_again(tmp_path: Path) -> None:
    """The whole file's hash missed a person's single session that came in another file."""
    seen = {"hashes": ["a", "b"], "runs": {"fold0": {"held_out": ["b"]}}}
    model = makers.artefact(tmp_path / "tiny", training=seen)

    assert memory.weights_for(model, ["b"]) == "folds/fold0.safetensors"
    with pytest.raises(DataError, match="was trained on that recording"):
        memory.weights_for(model, ["a", "unknown"])


@pytest.mark.parametrize(
    "training",
    [{"hashes": 5}, {"hashes": [[]]}, {"runs": []}, {"runs": {"a": 1}}, {"runs": {"a": {}}}],
    ids=["hashes-number", "hashes-nested", "runs-list", "run-number", "run-empty"],
)
def test_an_edited_record_of_the_training_is_refused(tmp_path: Path, training: dict) -> None:
    model = makers.artefact(tmp_path / "tiny")
    edited = replace(model, manifest=replace(model.manifest, training=training))

    with pytest.raises(ArtefactError, match=r"training.hashes or training.runs was edited"):
        memory.weights_for(edited, ["a"])


def test_writing_again_keeps_the_card_and_takes_the_new_weights(tmp_path: Path) -> None:
    people = makers.recordings(tmp_path / "data", 4)
    made = shipping.train(TINY_RECIPE, people, tmp_path / "runs", silent)
    shipping.write(tmp_path / "tiny", *made, graphs=False)
    (tmp_path / "tiny" / "README.md").write_text("about it")

    shipping.write(tmp_path / "tiny", *made, graphs=False, replacing=True)

    assert (tmp_path / "tiny" / "README.md").read_text() == "about it"
    artefact.load(tmp_path / "tiny")


def test_statistics_count_every_person_alike(tmp_path: Path) -> None:
    people = makers.recordings(tmp_path / "data", 2)
    data = shipping.read(people, makers.manifest())

    found = shipping.with_statistics(makers.manifest(), data, range(2))

    assert len(set(found.std.tolist())) == 1  # so that a turned ring is the same signal
    assert found.rest_rms == pytest.approx(2, abs=0.3)
    assert found.active_rms == pytest.approx(8, abs=0.5)
    assert np.abs(found.mean).max() < 0.5
