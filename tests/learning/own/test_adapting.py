"""A covariance model calibrated: any of its gestures, new ones, other names; the parent stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import ArtefactError, DataError
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.covariance.shared_stem import StemBackend
from app.inference.onnx.backend import OnnxBackend
from app.inference.parity import checked
from app.learning.own.adapting import Choice, adapt
from app.learning.own.making import new
from app.learning.target import NotBetterError, Target
from tests.learning.own.makers import NAMES, recording


@pytest.fixture
def parent(tmp_path: Path) -> Artefact:
    return new([recording(tmp_path / "a.npz")], tmp_path / "parent").artefact


def child(parent: Artefact, tmp_path: Path, *, even_if_worse: bool = True, **changes: Any) -> Artefact:
    """Of a day on which the muscles are the same, after one repetition."""
    tmp_path.mkdir(exist_ok=True)
    choice = Choice(**changes.pop("choice", {}))
    other = recording(tmp_path / "b.npz", **{"repetitions": 3, **changes})
    target = Target(path=tmp_path / "child")
    return adapt(parent, other, target, choice, mains=None, even_if_worse=even_if_worse)


def test_the_child_names_its_parent_and_the_parent_is_untouched(parent: Artefact, tmp_path: Path) -> None:
    made = child(parent, tmp_path)

    assert made.manifest.parent is not None
    assert made.manifest.parent.sha256 == parent.sha256
    assert artefact.load(parent.path).sha256 == parent.sha256
    assert made.manifest.classes == NAMES
    checked(OnnxBackend.open(made), made).close()
    checked(StemBackend.open(made), made).close()


def test_children_of_other_people_and_gestures_have_the_same_stem(parent: Artefact, tmp_path: Path) -> None:
    """They differ in their heads alone, so a server opens what comes before once for all of them."""
    made = [
        child(parent, tmp_path / "one"),
        child(parent, tmp_path / "two", seed=3, names=(NAMES[0], NAMES[3])),
        child(child(parent, tmp_path / "three", seed=4), tmp_path / "four", seed=5),
    ]

    assert len({model.manifest.files["stem.onnx"] for model in made}) == 1
    assert len({model.manifest.files["model.onnx"] for model in made}) == 3


def test_it_is_judged_on_later_repetitions_beside_its_parent(parent: Artefact, tmp_path: Path) -> None:
    metrics = child(parent, tmp_path, seed=3).manifest.metrics["calibration"]

    assert metrics["balanced_accuracy"] > metrics["balanced_accuracy_before"]
    assert metrics["interval"][0] <= metrics["balanced_accuracy"] <= metrics["interval"][1]
    assert metrics["lda_balanced_accuracy"] > 0.5


def test_any_subset_of_the_gestures_will_do(parent: Artefact, tmp_path: Path) -> None:
    made = child(parent, tmp_path, names=(NAMES[0], NAMES[3]))

    assert made.manifest.classes == (NAMES[0], NAMES[3])
    assert "balanced_accuracy_before" in made.manifest.metrics["calibration"]


def test_new_gestures_come_after_those_of_the_parent(parent: Artefact, tmp_path: Path) -> None:
    made = child(parent, tmp_path, names=("покой", "wave", "кулак"))

    assert made.manifest.classes == ("покой", "кулак", "wave")
    assert made.manifest.rest_class == "покой"
    assert "balanced_accuracy_before" not in made.manifest.metrics["calibration"]


@pytest.mark.parametrize("said", ["grasp", "кулак"], ids=["by-the-new-name", "by-the-old-name"])
def test_names_can_change(parent: Artefact, tmp_path: Path, said: str) -> None:
    rename = {"rename": {"кулак": "grasp"}}

    made = child(parent, tmp_path, names=("покой", said, "ладонь", "щепоть"), choice=rename)

    assert made.manifest.classes == ("покой", "grasp", "ладонь", "щепоть")
    assert "balanced_accuracy_before" in made.manifest.metrics["calibration"]


def test_rest_can_be_renamed(parent: Artefact, tmp_path: Path) -> None:
    made = child(parent, tmp_path, choice={"rename": {"покой": "rest"}})

    assert made.manifest.rest_class == "rest"


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown-gesture": ({"choice": {"rename": {"thumb": "grasp"}}}, "no such gesture"),
    "two-of-one-name": ({"choice": {"rename": {"кулак": "ладонь"}}}, "two gestures would have one name"),
    "no-rest": ({"names": ("fist", "wave"), "repetition": None}, "no gesture is called покой"),
    "no-such-session": ({"choice": {"session": 2}}, "has no session 2; it has 1"),
    "too-short": ({"held_s": 0.3, "repetitions": 1}, "lasts 0.3 s"),
}


@pytest.mark.parametrize(("changes", "reason"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_refused(
    parent: Artefact, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        child(parent, tmp_path, **changes)
    assert not (tmp_path / "child").exists()


def test_what_is_no_better_is_not_written(parent: Artefact, tmp_path: Path) -> None:
    """The second day's labels are of nothing."""
    with pytest.raises(NotBetterError, match="no better, so nothing was written"):
        child(parent, tmp_path, weak=[1, 2, 3], even_if_worse=False)
    assert not (tmp_path / "child").exists()


def test_a_full_disk_leaves_parent_and_no_child(
    parent: Artefact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.private_files.write", full)

    with pytest.raises(ArtefactError, match="No space left"):
        child(parent, tmp_path)
    assert artefact.load(parent.path).sha256 == parent.sha256
    assert not list(tmp_path.glob("*child*"))


def test_a_child_has_its_parents_scale(parent: Artefact, tmp_path: Path) -> None:
    """It reads the signal as its parent does: what is learned anew is the head."""
    made = child(parent, tmp_path)

    np.testing.assert_array_equal(made.manifest.std, parent.manifest.std)
    assert made.manifest.filters == parent.manifest.filters
    assert (made.manifest.length, made.manifest.context) == (parent.manifest.length, parent.manifest.context)
