"""`model evaluate --events`: false activations an hour and gestures found, of people whom nothing has seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.learning import recipes
from app.learning.events.report import ENTERS
from tests.cli.test_model import failed
from tests.learning.conftest import one_thread  # noqa: F401  a fixture that holds wherever it is known
from tests.learning.covariance.test_guided_minute import CLASSES, RATE, RECIPE, person

PEOPLE = ("P1", "P2", "P3", "P4")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(recipes.RECIPES, "ring", replace(RECIPE, folds=2))
    folder = tmp_path / "lab"
    folder.mkdir()
    for name in PEOPLE:
        one = person(int(name[1:]), sessions=2)  # three repetitions each; here six of one session
        np.savez(
            folder / f"{name}.npz",
            emg=one.emg,
            label=one.label,
            repetition=one.repetition + 3 * (one.session - 1),
            session=np.ones_like(one.session),
            recording=np.ones_like(one.session),
            fs=RATE,
            gesture_names=np.array(CLASSES),
            units=np.array("counts"),
            subject=np.array(name),
        )
    return folder


def test_events_are_judged_beside_lda_and_chance_with_thresholds_of_other_people(
    run: Any, lab: Path, models: Path, tmp_path: Path
) -> None:
    assert run("train", "--model", "ring", "--data", lab, "--out", "ours").exit_code == 0
    words = ["evaluate", "--model", "ours", "--data", lab, "--events", "--calibrate", 1]
    result = run(*words, "--plot", tmp_path / "curve.png", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [one["person"] for one in report["people"]] == list(PEOPLE)
    assert report["gestures"] == sum(one["gestures"] for one in report["people"]) > 0
    assert report["rest_hours"] > 0
    assert sorted(report["chosen"]["enter"]) == ["folds/fold0.safetensors", "folds/fold1.safetensors"]
    assert set(report["chosen"]["enter"].values()) <= set(ENTERS)
    assert report["found"] > report["shuffled"]["found"]
    assert report["lda"]["gestures"] == report["gestures"]
    assert (tmp_path / "curve.png").stat().st_size > 1000
    assert "shuffled" in run(*words).stdout


@pytest.mark.parametrize("more", [[], ["--calibrate", 1, "--save"]], ids=["no calibration", "save"])
def test_events_without_a_calibration_or_to_be_kept_are_refused(
    run: Any, lab: Path, models: Path, more: list[Any]
) -> None:
    result = run("evaluate", "--model", "synthetic-16ch-2khz", "--data", lab, "--events", *more)
    failed(result, 1, "--events goes with --calibrate 1, 2 or 3, and without --save")
