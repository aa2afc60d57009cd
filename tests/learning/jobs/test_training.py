"""A training as its process does it: from recordings to a proven model, compared with another."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.config import ROOT
from app.errors import DataError
from app.inference import artefact
from app.learning.covariance.known import head_of
from app.learning.covariance.windows import features_of
from app.learning.datasets import load_one, read
from app.learning.jobs.order import PROCESS, STAGES, TrainingOrder
from app.learning.jobs.training import merged, train
from tests.learning.own.makers import own, recording
from tests.serving.jobs.taught import record

MYO = ROOT / "instance" / "models" / "myo-8ch-200hz"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there = tmp_path_factory.mktemp("instance")
    record(there, "anna", there, channels=8)
    record(there, "once", there, channels=8, repetitions=1)
    record(there, "narrow", there)
    return there


def order(instance: Path, aside: Path, *recordings: str, **changes: Any) -> TrainingOrder:
    values: dict[str, Any] = {
        "recordings": recordings,
        "root": str(instance / "recordings"),
        "aside": str(aside),
        "name": "mine",
        "base": None,
        "rival": None,
        "person": None,
        "classes": {},
        "mains": None,
        "unlabelled": False,
        "memory": 6 * 2**30,
        "seconds": 120,
    }
    return TrainingOrder(**{**values, **changes})


def test_a_model_from_nothing_says_whose_it_is_and_what_would_make_it_better(
    instance: Path, tmp_path: Path
) -> None:
    stages: list[str] = []
    asked = order(instance, tmp_path, "anna", person="S01", classes={"fist": "Faust"})
    found = train(asked, stages.append)
    model = artefact.load(found["folder"])
    assert model.manifest.classes == ("rest", "Faust", "open", "point")
    assert model.manifest.training["person"] == "S01"
    assert found["metrics"] == model.manifest.metrics["own"]
    assert any("hold gestures for 5 s" in line for line in found["metrics"]["advice"])
    assert (found["comparison"], found["proof"]["by"]) == (None, "reference")
    assert (model.path / "README.md").read_text().startswith("# mine\n")
    assert set(stages) <= set(STAGES)
    assert (
        stages.index("reading") < stages.index("edges") < stages.index("judging") < stages.index("learning")
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_it_is_compared_with_another_model_on_the_same_windows(instance: Path, tmp_path: Path) -> None:
    """Whose classes it lacks, such as `open` and `point`, count as never found."""
    found = train(order(instance, tmp_path, "anna", rival=str(MYO)), lambda _: None)
    assert found["comparison"]["model"] == "myo-8ch-200hz"
    assert 0 <= found["comparison"]["balanced_accuracy"] <= 0.5
    assert found["comparison"]["why"] is None
    rows = {row["who"]: row for row in found["beside"]}
    assert list(rows) == ["new", "in_use", "lda", "chance"]
    assert rows["in_use"]["accuracy"] == found["comparison"]["balanced_accuracy"]
    assert (rows["in_use"]["recall"]["open"], rows["in_use"]["recall"]["point"]) == (0.0, 0.0)
    metrics = found["metrics"]
    assert (rows["new"]["model"], rows["new"]["accuracy"]) == ("mine", metrics["balanced_accuracy"])
    assert list(rows["new"]["interval"]) == metrics["interval"]
    assert rows["lda"]["accuracy"] == metrics["lda_balanced_accuracy"]
    assert rows["chance"]["accuracy"] == metrics["chance"]
    assert rows["in_use"]["ahead"][0] > 0
    each = found["tested"]["gestures"]
    assert sum(one["windows"] for one in each.values()) == found["tested"]["windows"] == metrics["windows"]
    assert {name: one["repetitions"] for name, one in each.items()} == dict.fromkeys(rows["new"]["recall"], 3)


@pytest.mark.parametrize(
    ("names", "why"),
    [(["once"], "one repetition of each gesture"), (["narrow"], "reads 8 channels at 200 Hz")],
)
def test_what_cannot_be_compared_says_why(instance: Path, tmp_path: Path, names: list[str], why: str) -> None:
    found = train(order(instance, tmp_path, *names, rival=str(MYO)), lambda _: None)
    assert found["comparison"]["balanced_accuracy"] is None
    assert why in found["comparison"]["why"]
    rows = {row["who"]: row for row in found["beside"]}
    assert ("in_use" not in rows) if found["tested"] is None else (why in rows["in_use"]["why"])


def test_a_model_is_not_compared_with_one_that_learned_from_the_same_recordings(
    instance: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    before = train(order(instance, first, "anna"), lambda _: None)["folder"]
    found = train(order(instance, second, "anna", rival=before), lambda _: None)
    assert "was taught with these recordings" in found["comparison"]["why"]


def test_a_child_is_not_compared_on_what_made_it_ones_own(instance: Path, tmp_path: Path) -> None:
    """It remembered what its parent had learned from alone, so it looked better than it was on its own recordings."""
    asides = [tmp_path / name for name in ("first", "second", "third")]
    for aside in asides:
        aside.mkdir()
    child = train(order(instance, asides[0], "anna", "once", base=str(MYO)), lambda _: None)["folder"]

    found = train(order(instance, asides[1], "anna", rival=child), lambda _: None)
    with pytest.raises(DataError, match="was trained on that recording"):
        train(order(instance, asides[2], "once", base=child), lambda _: None)

    assert found["comparison"]["balanced_accuracy"] is None
    assert "was taught with these recordings" in found["comparison"]["why"]
    training = artefact.load(child).manifest.training
    assert (len(training["taught"]), set(training["taught"]) & set(training["hashes"])) == (2, set())


def test_a_child_learns_from_all_repetitions_and_is_judged_on_each_in_turn(
    instance: Path, tmp_path: Path
) -> None:
    asked = order(instance, tmp_path, "anna", base=str(MYO), person="S01", classes={"fist": "Faust"})
    found = train(asked, lambda _: None)
    model = artefact.load(found["folder"])
    assert model.manifest.parent is not None
    assert model.manifest.parent.name == "myo-8ch-200hz"
    assert model.manifest.training["calibration"]["repetitions"] == 3
    assert model.manifest.training["person"] == "S01"
    assert "Faust" in model.manifest.classes
    metrics = found["metrics"]
    assert (metrics["tested_on"], metrics["repetitions"]) == (
        "each repetition, by a model that the others taught",
        3,
    )
    low, high = metrics["interval"]
    assert low <= metrics["balanced_accuracy"] <= high
    assert [point["repetitions"] for point in metrics["learning_curve"]] == [1, 2, 3, 4]
    assert found["comparison"] == {"model": "myo-8ch-200hz", "balanced_accuracy": 0.5, "why": None}
    rows = {row["who"]: row for row in found["beside"]}
    assert list(rows) == ["new", "parent", "lda", "chance"]
    assert rows["parent"]["recall"]["open"] == 0  # a gesture of its own
    assert 0 < rows["parent"]["accuracy"] <= 0.5
    assert "made one person's own" in (model.path / "README.md").read_text()


@pytest.mark.parametrize(
    ("rival", "who"), [(MYO, ["in_use"]), (None, ["parent"]), ("own", ["in_use", "parent"])]
)
def test_a_child_stands_beside_its_parent_and_the_model_in_use_where_that_is_another(
    instance: Path, tmp_path: Path, rival: Any, who: list[str]
) -> None:
    if rival == "own":
        (tmp_path / "other").mkdir()
        rival = train(order(instance, tmp_path / "other", "once", name="used"), lambda _: None)["folder"]
    (tmp_path / "child").mkdir()
    asked = order(
        instance, tmp_path / "child", "anna", base=str(MYO), rival=None if rival is None else str(rival)
    )
    found = train(asked, lambda _: None)
    assert [row["who"] for row in found["beside"]] == ["new", *who, "lda", "chance"]
    assert found["comparison"]["model"] == "myo-8ch-200hz"  # that decides whether it is better
    [used] = [row["model"] for row in found["beside"] if row["who"] == "in_use"] or [None]
    assert used == {"parent": None}.get(who[0], "used" if len(who) == 2 else "myo-8ch-200hz")


def test_a_model_is_worn_again_by_the_signal_alone(instance: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    mine = train(order(instance, first, "anna"), lambda _: None)["folder"]
    blank = {"label": None, "repetition": None, "gesture_names": None}
    record(instance, "free", tmp_path, channels=8, held_s=3.5, **blank)
    asked = order(instance, second, "free", base=mine, unlabelled=True, person="S01", name="today")

    found = train(asked, lambda _: None)

    model = artefact.load(found["folder"])
    assert model.manifest.parent is not None
    assert (model.manifest.parent.name, model.manifest.training["person"]) == ("mine", "S01")
    assert {"roll", "rest_share", "lacking"} <= set(found["metrics"])
    assert (found["comparison"], found["proof"]["by"]) == (None, "reference")
    data = read([load_one(first_labelled(tmp_path))], model.manifest, None)
    assert np.mean(head_of(model).predict(features_of(data, model.manifest)) == data.label) > 0.9


def first_labelled(folder: Path) -> Path:
    """The same signal as `free`, with its labels."""
    return own(
        folder / "labelled.npz",
        held_s=3.5,
        channels=8,
        rate=200.0,
        repetitions=3,
        names=("rest", "fist", "open", "point"),
    )


def test_nothing_but_rest_says_nothing_of_how_it_is_worn(instance: Path, tmp_path: Path) -> None:
    still = np.random.default_rng(0).normal(size=(20 * 200, 8)).astype(np.float32)
    blank = {"label": None, "repetition": None, "gesture_names": None}
    record(instance, "quiet", tmp_path, channels=8, emg=still, **blank)
    mine = train(order(instance, tmp_path, "anna"), lambda _: None)["folder"]
    aside = tmp_path / "aside"
    aside.mkdir()
    with pytest.raises(DataError, match="hardly stronger at its strongest than at its weakest"):
        train(
            order(instance, aside, "quiet", base=mine, unlabelled=True, name="today"),
            lambda _: None,
        )
    assert list(aside.iterdir()) == []


def test_several_recordings_count_their_repetitions_on(tmp_path: Path) -> None:
    first, second = (
        recording(tmp_path / "a.npz"),
        recording(tmp_path / "b.npz", names=("покой", "щепоть", "кулак", "v")),
    )
    both = merged([first, second])
    assert len(both.emg) == len(first.emg) + len(second.emg)
    assert both.repetition.max() == first.repetition.max() + second.repetition.max()
    assert both.gesture_names == ("покой", "кулак", "ладонь", "щепоть", "v")
    names = np.array(both.gesture_names)
    assert (names[both.label[len(first.emg) :]] == np.array(second.gesture_names)[second.label]).all()
    assert (both.recording[len(first.emg) - 1], both.recording[len(first.emg)]) == (0, 1)
    with pytest.raises(DataError, match="of one device"):
        merged([first, replace(second, fs=100.0)])


def test_recordings_whose_rates_were_measured_become_one(tmp_path: Path) -> None:
    """The request let 500 and 500.05 Hz pass, and the training refused them as of two devices."""
    first, second = recording(tmp_path / "a.npz"), recording(tmp_path / "b.npz", rate=500.05)
    both = merged([first, second])
    assert (both.fs, len(both.emg)) == (500.0, len(first.emg) + len(second.emg))


def told(asked: TrainingOrder) -> list[dict[str, Any]]:
    """What the process says."""
    done = subprocess.run(
        [sys.executable, "-m", PROCESS, "1"],
        input=json.dumps(asked.as_json()).encode() + b"\n",
        stdout=subprocess.PIPE,
        cwd=ROOT,
        check=True,
        timeout=300,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_process_tells_its_stages_and_then_the_result(instance: Path, tmp_path: Path) -> None:
    *stages, last = told(order(instance, tmp_path, "anna"))
    assert [line["stage"] for line in stages][:2] == ["reading", "edges"]
    assert Path(last["result"]["folder"]).name == "mine"


def test_a_process_without_memory_says_so(instance: Path, tmp_path: Path) -> None:
    (last,) = [line for line in told(order(instance, tmp_path, "anna", memory=2**28)) if "error" in line]
    assert "GiB of memory" in last["error"]


def test_a_disk_that_takes_nothing_is_said_in_one_line(instance: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()  # in which nothing can be written
    (last,) = [line for line in told(order(instance, tmp_path / "file", "anna")) if "error" in line]
    assert last["kind"] == "disk"
    assert last["error"].startswith("the disk does not take it: ")


def test_recordings_that_teach_nothing_are_refused_in_one_line(instance: Path, tmp_path: Path) -> None:
    record(instance, "noise", tmp_path, channels=8, weak=(1, 2, 3), repetitions=2)
    aside = tmp_path / "aside"
    aside.mkdir()
    (last,) = [line for line in told(order(instance, aside, "noise")) if "error" in line]
    assert last["kind"] == "data"
    assert "\n" not in last["error"]
    assert list(aside.iterdir()) == []
