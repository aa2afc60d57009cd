"""How good a model is on recordings, beside the classic baseline on the same windows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from app.errors import DataError
from app.inference.artefact import Artefact
from app.inference.manifest import Manifest
from app.inference.networks import Classifier
from app.learning import lda, splits
from app.learning.alignment import turned, without_labels
from app.learning.batches import Windows
from app.learning.calibration import calibrate
from app.learning.covariance.judging import CovarianceJudge, is_covariance
from app.learning.datasets import Dataset, Ids
from app.learning.memory import manifest_of, taught_by, weights_for
from app.learning.metrics import Scores, confusion, summary
from app.learning.progress import Progress
from app.learning.shipping import network_of
from app.learning.splits import Part

P = TypeVar("P")

SPLITS: dict[str, Callable[[Dataset, int], list[Part]]] = {
    "person": splits.person,
    "repetition": splits.repetition,
    "session": splits.session,
    "day": splits.day,
}


@dataclass(slots=True)
class PersonScores:
    """Scores of one person, of the model and of the baseline; one entry a part.

    `aligned` are the model's where each session's ring was turned first by what its signal says by itself.
    """

    name: str
    model: list[Scores] = field(default_factory=list)
    aligned: list[Scores] = field(default_factory=list)
    lda: list[Scores] = field(default_factory=list)
    shuffled: list[Scores] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """How many people a set of recordings has, where several are judged together, one after the other."""

    name: str
    people: int


class Judge(Protocol):
    """A model on a dataset, each person judged by what has never seen them."""

    def predict(self, part: Part) -> Ids:
        """Return the class of each of the part's test windows, adapted to its training windows if there are any."""

    def aligned(self, part: Part) -> Ids | None:
        """Return the same where the model looked at the test signal, without labels; None where it has no such way."""

    def shuffled(self, part: Part) -> Ids | None:
        """Return the same where the labels of the training windows were shuffled: chance."""


class NetworkJudge:
    """The networks of an artefact."""

    def __init__(self, model: Artefact, data: Dataset) -> None:
        self._networks, self._data = Networks(model), data

    def predict(self, part: Part) -> Ids:
        network, windows = self._of(part)
        return windows.predict(adapted(network, windows, part), part.test)

    def aligned(self, part: Part) -> Ids | None:
        """Without training windows only: a network adapted to a person is sure of itself in any turn."""
        return None if len(part.train) else predict_aligned(*self._of(part), part)

    def shuffled(self, part: Part) -> Ids | None:
        """Not told: each would take as long as the figures themselves."""
        del part
        return None

    def _of(self, part: Part) -> tuple[Classifier, Windows]:
        network, manifest = self._networks.unseen_by(self._data.hashes[part.person].values())
        return network, Windows(self._data, manifest.mean, manifest.std)


class Networks:
    """The networks of an artefact, each loaded when it is first wanted, with the manifest that describes its input."""

    def __init__(self, model: Artefact) -> None:
        self._model = model
        self._loaded: dict[str, tuple[Classifier, Manifest]] = {}

    def unseen_by(self, content: Collection[str]) -> tuple[Classifier, Manifest]:
        """Return the network that has never seen a recording, whose sessions have those content hashes."""
        file = weights_for(self._model, content)
        if file not in self._loaded:
            self._loaded[file] = network_of(self._model, file), manifest_of(self._model, file)
        return self._loaded[file]


def parts_of(data: Dataset, split: str, repetitions: int | None = None) -> list[Part]:
    """Return what to adapt on and to test on, for every person.

    Raises:
        DataError: a person's recording does not have what the split needs.
    """
    people = range(len(data.people))
    if repetitions is not None:
        return [part for who in people for part in splits.calibration(data, who, repetitions)]
    if split not in SPLITS:
        raise DataError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    return [part for who in people for part in SPLITS[split](data, who)]


def evaluate(
    model: Artefact,
    data: Dataset,
    split: str,
    repetitions: int | None,
    progress: Progress,
    sets: Sequence[JudgedSet] = (),
) -> dict[str, Any]:
    """Return the object that `model evaluate` reports; with `sets` the same of each, in the same run.

    Raises:
        DataError: the recordings do not have what the split needs, or every weights file has seen one.
    """
    parts = [_without_calibrated(model, data, part) for part in parts_of(data, split, repetitions)]
    judge: Judge = CovarianceJudge(model, data) if is_covariance(model) else NetworkJudge(model, data)
    baseline = Baseline(data)
    people = [PersonScores(name) for name in data.people]
    for k in progress(range(len(parts)), len(parts), "evaluate"):
        part, person = parts[k], people[parts[k].person]
        person.model.append(_scores(data, part.test, judge.predict(part)))
        others = (
            (person.aligned, judge.aligned(part)),
            (person.lda, baseline.predict(part)),
            (person.shuffled, judge.shuffled(part)),
        )
        for scores, predicted in others:
            if predicted is not None:
                scores.append(_scores(data, part.test, predicted))
    return {
        "model": model.manifest.name,
        "split": split if repetitions is None else f"calibrate {repetitions}",
        "classes": list(data.classes),
        "windows": int(sum(len(part.test) for part in parts)),
        **_figures(people),
        **by_set(sets, people, _figures),
    }


def by_set(
    sets: Sequence[JudgedSet], people: Sequence[P], figures: Callable[[Sequence[P]], dict[str, Any]]
) -> dict[str, Any]:
    """Return `sets` of a report, the figures of each set's people; nothing where there is one set."""
    if not sets:
        return {}
    found, first = {}, 0
    for one in sets:
        found[one.name] = figures(people[first : first + one.people])
        first += one.people
    return {"sets": found}


def _figures(people: Sequence[PersonScores]) -> dict[str, Any]:
    return {
        **summary([(one.name, one.model) for one in people]),
        "aligned": _summary_of(people, "aligned"),
        "lda": _summary_of(people, "lda"),
        "shuffled": _summary_of(people, "shuffled"),
    }


def adapted(network: Classifier, windows: Windows, part: Part) -> Classifier:
    """Return the network adapted to the part's training windows, if there are any."""
    return calibrate(network, windows, part.train) if len(part.train) else network


def predict_aligned(network: Classifier, windows: Windows, part: Part) -> Ids:
    """Predictions of the test windows, each session aligned by its own signal, without a label of it.

    For the pooled network only: one adapted to a person is sure of itself in any turn.
    """
    session = windows.data.session[part.test]
    predicted = np.zeros(len(part.test), np.int64)
    for number in np.unique(session):
        rows = part.test[session == number]
        own = turned(network, without_labels(network, windows, rows))
        predicted[session == number] = windows.predict(own, rows)
    return predicted


class Baseline:
    """Hudgins' features and linear discriminant analysis on the same parts."""

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self._features = _features(data)

    def predict(self, part: Part) -> Ids | None:
        """Trained on the part's training windows, or on everyone else; None where there is nobody else."""
        train = part.train
        if not len(train):
            train = np.flatnonzero(self._data.person != part.person)
        if not len(train):
            return None
        return lda.fit(self._features[train], self._data.label[train]).predict(self._features[part.test])


def _features(data: Dataset) -> lda.Doubles:
    rows: Iterable[Ids] = np.array_split(np.arange(len(data.label)), 1 + len(data.label) // 8192)
    return np.concatenate([lda.hudgins(data.windows(some)) for some in rows])


def _scores(data: Dataset, rows: Ids, predicted: Ids) -> Scores:
    return Scores(confusion(data.label[rows], predicted, len(data.classes)), data.rest)


def _summary_of(people: Sequence[PersonScores], which: str) -> dict[str, Any] | None:
    """None where a split does not have that."""
    scores = [(one.name, getattr(one, which)) for one in people]
    return summary(scores) if scores[0][1] else None


def _without_calibrated(model: Artefact, data: Dataset, part: Part) -> Part:
    """Refuse to test a calibrated model on the windows it was calibrated on."""
    used = model.manifest.training.get("calibration", {})
    own, others = used.get("session_sha256"), taught_by(model)
    sessions = data.hashes[part.person].items()
    its = [number for number, sha in sessions if sha == own]
    repetition = data.repetition[part.test]
    seen = np.isin(data.session[part.test], its) & (repetition >= 1)
    seen &= repetition <= used.get("repetitions", 0)
    seen |= np.isin(
        data.session[part.test], [number for number, sha in sessions if sha != own and sha in others]
    )
    if seen.any() and seen.all():
        raise DataError(f"{data.people[part.person]}: {model.manifest.name} was calibrated on all of it")
    return replace(part, test=part.test[~seen])
