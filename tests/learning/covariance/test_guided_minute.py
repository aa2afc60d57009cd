"""`model calibrate --unlabelled` and `model evaluate --unlabelled` of a covariance model of many, on a ring."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.files.recordings import Recording
from app.errors import DataError
from app.inference.artefact import Artefact, save
from app.inference.covariance.shared_stem import StemBackend
from app.inference.onnx.backend import OnnxBackend
from app.inference.parity import checked
from app.learning.covariance.guided_minute import learn_minute, told
from app.learning.covariance.judging_minutes import evaluate_unlabelled
from app.learning.covariance.known import head_of
from app.learning.covariance.shipping import make
from app.learning.covariance.windows import features_of
from app.learning.datasets import read
from app.learning.progress import silently
from app.learning.recipes import Recipe
from app.learning.target import Target

CLASSES, CHANNELS, RATE, STRETCH = ("rest", "fist", "point", "turn"), 6, 200, 300
MUSCLES = np.array(
    [[2, 2, 2, 2, 2, 2], [20, 9, 3, 3, 3, 6], [3, 3, 20, 12, 4, 3], [4, 15, 3, 3, 18, 3]], np.float64
)
RECIPE = Recipe(
    name="ring",
    version="1.0.0",
    architecture="covariance",
    hyper_parameters={"floor": 1.0, "bands_hz": [[15, 45], [45, 95]], "typical": 54, "placements": 12},
    channels=CHANNELS,
    length=40,
    context=160,
    sampling_rate=float(RATE),
    units="counts",
    filters=(),
    classes=CLASSES,
    ring=True,
)


def person(seed: int, worn: np.ndarray | None = None, loud: float = 1.0, sessions: int = 1) -> Recording:
    """Somebody who makes each gesture three times; `worn` says which electrode of the common ring each one is."""
    chance = np.random.default_rng(seed)
    order = np.arange(CHANNELS) if worn is None else worn
    own = MUSCLES * np.exp(0.15 * chance.normal(size=MUSCLES.shape))
    label = np.tile(np.concatenate([np.repeat([0, k], STRETCH) for k in (1, 2, 3)]), 3 * sessions)
    emg = chance.normal(size=(len(label), CHANNELS)) * loud * own[label][:, order]
    repetition = np.tile(np.repeat([1, 2, 3], len(label) // (3 * sessions)), sessions)
    session = np.repeat(np.arange(1, sessions + 1), len(label) // sessions)
    ids = {
        "label": label,
        "label_cue": label,
        "repetition": repetition,
        "session": session,
        "recording": session,
    }
    return Recording(
        path=Path(f"P{seed}.npz"),
        emg=emg.astype(np.float32),
        **{name: values.astype(np.int16) for name, values in ids.items()},
        fs=float(RATE),
        gesture_names=CLASSES,
        subject=f"P{seed}",
        exercise=None,
        units="counts",
    )


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    folder = tmp_path_factory.mktemp("models")
    return make(RECIPE, [person(seed) for seed in range(1, 7)], folder / "ring", silently, replacing=False)


def adapted(pooled: Artefact, recording: Recording, folder: Path) -> Artefact:
    return learn_minute(pooled, recording, Target(path=folder / "mine", graphs=False), session=1, mains=None)


def right(model: Artefact, recording: Recording) -> float:
    """Return the share of the windows that a model tells right."""
    data = read([recording], model.manifest, None)
    return float(np.mean(head_of(model).predict(features_of(data, model.manifest)) == data.label))


BACKWARDS = np.roll(np.arange(CHANNELS)[::-1], 1)


def test_somebody_who_wears_the_band_backwards_is_understood_after_a_minute_without_labels(
    pooled: Artefact, tmp_path: Path
) -> None:
    worn = person(20, BACKWARDS, loud=2.0)
    mine = adapted(pooled, worn, tmp_path)
    assert mine.manifest.metrics["alignment"]["mirrored"]
    assert "worn the other way round" in told(mine.manifest.metrics["alignment"])
    assert right(mine, worn) > 0.95
    assert mine.manifest.parent is not None
    assert mine.manifest.parent.sha256 == pooled.sha256


def test_its_graphs_are_a_whole_one_and_the_stem_of_all_children(pooled: Artefact, tmp_path: Path) -> None:
    target = Target(path=tmp_path / "mine")
    mine = learn_minute(pooled, person(21), target, session=1, mains=None)

    checked(OnnxBackend.open(mine), mine).close()
    checked(StemBackend.open(mine), mine).close()


def test_no_label_is_looked_at(pooled: Artefact, tmp_path: Path) -> None:
    honest = person(21)
    lying = replace(honest, label=np.random.default_rng(0).permutation(honest.label))
    found = [adapted(pooled, one, tmp_path / name).weights() for one, name in ((honest, "a"), (lying, "b"))]
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


def test_what_comes_in_a_later_session_is_not_looked_at(pooled: Artefact, tmp_path: Path) -> None:
    both = person(22, sessions=2)
    later = both.session == 2
    other = replace(both, emg=np.where(later[:, np.newaxis], 50 * both.emg[::-1], both.emg))
    found = [adapted(pooled, one, tmp_path / name).weights() for one, name in ((both, "a"), (other, "b"))]
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


def only(recording: Recording, kept: Iterable[int]) -> Recording:
    """Return the recording with the samples of those labels."""
    rows = np.isin(recording.label, list(kept))
    columns = ("emg", "label", "label_cue", "repetition", "session", "recording")
    return replace(recording, **{name: getattr(recording, name)[rows] for name in columns})


def test_rest_alone_is_refused_in_one_line_and_nothing_is_written(pooled: Artefact, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="session 1: the signal is hardly stronger") as refusal:
        adapted(pooled, only(person(23), [0]), tmp_path)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "mine").exists()


def test_a_gesture_that_is_missing_is_named(pooled: Artefact, tmp_path: Path) -> None:
    mine = adapted(pooled, only(person(24), [0, 1, 2]), tmp_path)
    said = told(mine.manifest.metrics["alignment"])
    assert mine.manifest.metrics["alignment"]["lacking"] == ["turn"]
    assert "not surely shown: turn; so it fell back" in said


def test_a_model_without_statistics_of_people_says_so(pooled: Artefact, tmp_path: Path) -> None:
    arrays = {"weights.safetensors": pooled.file("weights.safetensors")}
    bare = save(tmp_path / "bare", pooled.manifest, arrays)
    with pytest.raises(DataError, match="holds no statistics of people"):
        adapted(bare, person(25), tmp_path)


def test_ones_own_model_is_brought_to_another_day_by_a_minute_without_labels(
    pooled: Artefact, tmp_path: Path
) -> None:
    first, later = person(29, sessions=1), person(29, loud=3.0)
    mine = adapted(pooled, first, tmp_path)
    again = learn_minute(mine, later, Target(path=tmp_path / "later", graphs=True), session=1, mains=None)
    assert right(again, later) > 0.95
    assert right(again, later) >= right(mine, later)
    assert again.manifest.metrics["alignment"]["roll"] == 0
    assert "model.onnx" in again.manifest.files


def report(pooled: Artefact, recordings: list[Recording], split: str = "person") -> dict[str, Any]:
    return evaluate_unlabelled(pooled, recordings, None, split, silently)


def test_judged_on_what_comes_after_the_first_repetition_beside_the_model_as_it_is(pooled: Artefact) -> None:
    found = report(pooled, [person(26, BACKWARDS, loud=2.0), person(27)])
    assert found["split"] == "person unlabelled"
    assert found["minutes"] == {"learned": 2, "fell back": 0, "refused": 0}
    assert found["balanced_accuracy"] > 0.95
    assert found["balanced_accuracy"] >= found["as_it_is"]["balanced_accuracy"]
    assert found["lda"]["balanced_accuracy"] < found["balanced_accuracy"]
    assert found["chance"] == 0.25


def test_a_day_is_judged_by_what_the_first_day_taught(pooled: Artefact) -> None:
    days = person(28, np.roll(np.arange(CHANNELS), 2), sessions=2)
    found = report(pooled, [days], "day")
    assert found["split"] == "day unlabelled"
    assert found["minutes"]["learned"] == 1
    assert found["balanced_accuracy"] > 0.95
