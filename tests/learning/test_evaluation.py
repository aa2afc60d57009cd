"""What `model evaluate` reports, and that it never tests what has been seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.errors import DataError
from app.inference.networks import build_for
from app.learning import splits
from app.learning.batches import Windows
from app.learning.calibration import calibrate
from app.learning.datasets import Dataset, read
from app.learning.evaluation import evaluate, predict_aligned
from app.learning.metrics import Scores, confusion
from tests.learning import makers

FIGURES = {
    "accuracy",
    "balanced_accuracy",
    "active_accuracy",
    "per_class_recall",
    "confusion",
    "people",
    "spread",
}


def silent(items: Any, total: int, what: str) -> Any:
    return items


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return makers.dataset(tmp_path_factory.mktemp("people"), 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("split", "repetitions"),
    [("person", None), ("repetition", None), ("session", None), ("person", 1), ("person", 2)],
    ids=["person", "repetition", "session", "calibrate-1", "calibrate-2"],
)
def test_every_split_reports_the_same_figures_for_the_model_and_the_baseline(
    data: Dataset, tmp_path: Path, split: str, repetitions: int | None
) -> None:
    report = evaluate(makers.artefact(tmp_path / "tiny"), data, split, repetitions, silent)

    assert report.keys() >= FIGURES
    assert report["lda"].keys() == FIGURES
    assert [one["person"] for one in report["people"]] == ["S01", "S02"]
    assert np.sum(report["confusion"]) == np.sum(report["lda"]["confusion"]) == report["windows"]
    json.dumps(report, allow_nan=False)


@pytest.mark.parametrize("split", ["repetition", "session"])
def test_an_adapted_model_and_the_baseline_know_gestures_this_different(
    data: Dataset, tmp_path: Path, split: str
) -> None:
    report = evaluate(makers.artefact(tmp_path / "tiny"), data, split, None, silent)

    assert report["balanced_accuracy"] > 0.9
    assert report["lda"]["balanced_accuracy"] > 0.9


def test_people_never_seen_are_also_judged_aligned(data: Dataset, tmp_path: Path) -> None:
    model = makers.artefact(tmp_path / "tiny")

    assert evaluate(model, data, "person", None, silent)["aligned"].keys() == FIGURES
    assert evaluate(model, data, "repetition", None, silent)["aligned"] is None


def test_alignment_recovers_a_ring_that_is_turned(tmp_path: Path) -> None:
    """Calibrate on one person, put the band on turned: without a label it works again."""
    torch.manual_seed(0)  # of those that nobody has trained, one in thirty tells too little apart
    described = makers.manifest()
    straight = read(makers.recordings(tmp_path / "straight", 1), described)
    known = calibrate(
        build_for(described), Windows(straight, described.mean, described.std), np.arange(len(straight.label))
    )
    turned = read(makers.recordings(tmp_path / "turned", 1, roll=1), described)
    windows = Windows(turned, described.mean, described.std)
    (part,) = splits.person(turned, 0)

    def balanced(predicted: np.ndarray) -> float:
        return Scores(confusion(turned.label, predicted, 3), 0).balanced_accuracy

    assert balanced(windows.predict(known, part.test)) < 0.7
    assert balanced(predict_aligned(known, windows, part)) > 0.9


def test_one_person_alone_has_no_baseline_trained_on_others(tmp_path: Path) -> None:
    report = evaluate(
        makers.artefact(tmp_path / "tiny"), makers.dataset(tmp_path / "one", 1), "person", None, silent
    )

    assert report["lda"] is None


def test_a_model_is_not_judged_on_what_all_its_weights_have_seen(data: Dataset, tmp_path: Path) -> None:
    hashes = list(data.hashes[1].values())
    model = makers.artefact(tmp_path / "tiny", training={"hashes": hashes, "runs": {}})

    with pytest.raises(DataError, match="was trained on that recording"):
        evaluate(model, data, "person", None, silent)


def test_the_windows_of_a_calibration_do_not_test_it(data: Dataset, tmp_path: Path) -> None:
    used = {"session_sha256": data.hashes[0][2], "session": 2, "repetitions": 2}
    model = makers.artefact(tmp_path / "tiny", training={"calibration": used})

    report = evaluate(model, data, "person", None, silent)

    excluded = (data.person == 0) & (data.session == 2) & (data.repetition <= 2)
    assert report["windows"] == len(data.label) - excluded.sum()


def test_the_sessions_that_taught_a_child_before_do_not_test_it(data: Dataset, tmp_path: Path) -> None:
    """Only the session of the last calibration was left out, so a child of a child was tested on what it knew."""
    own = data.hashes[0][2]
    used = {"session_sha256": own, "session": 2, "repetitions": 2}
    training = {"calibration": used, "taught": [own, data.hashes[0][1]]}

    report = evaluate(makers.artefact(tmp_path / "tiny", training=training), data, "person", None, silent)

    excluded = (data.person == 0) & ((data.session == 1) | (data.session == 2) & (data.repetition <= 2))
    assert report["windows"] == len(data.label) - excluded.sum()


def test_an_unknown_split_is_refused(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="split must be one of person, repetition, session"):
        evaluate(makers.artefact(tmp_path / "tiny"), data, "window", None, silent)
