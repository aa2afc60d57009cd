"""New people who teach three gestures of their choice and rest, by one, two or three repetitions.

    OMP_NUM_THREADS=1 python -m benchmarks.few_gestures --data FOLDER [--people 25]

Each head is that of `model calibrate`, with a prior that has not seen the person, tested on repetitions 4 to 6 of the
same session. Beside it in the same run: LDA on Hudgins' features of the same windows, and the same head taught by
shuffled labels. The choice is FAVOURITES, and in each session DRAWN of all that there are, by a seed.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.config import Settings
from app.emg.files.recordings import Recording
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.covariance.features import of_moments
from app.inference.covariance.parameters import CovarianceParameters
from app.learning import datasets, lda
from app.learning.covariance.known import is_ring, prior_of
from app.learning.covariance.own import example, own_head
from app.learning.covariance.windows import moments_of
from app.learning.datasets import Dataset
from app.learning.memory import weights_for
from app.learning.splits import CALIBRATION_TEST, MAX_CALIBRATION

FAVOURITES = ("fist", "flexion", "extension")
DRAWN = 2

Ids = npt.NDArray[np.int64]
Scores = dict[tuple[str, int], list[tuple[float, float, float]]]  # model, LDA, shuffled labels


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="myo-8ch-200hz")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--people", type=int, default=25)
    asked = parser.parse_args()
    model = artefact.find(asked.model, Settings().model_folders)
    manifest = model.manifest
    people = datasets.load_people(asked.data)[: asked.people]
    found: defaultdict[tuple[str, int], list[list[float]]] = defaultdict(list)
    for number, recording in enumerate(datasets.named(people, manifest.classes, manifest.rest_class)):
        for key, scores in _person(model, recording, number).items():
            found[key].append(np.mean(scores, axis=0).tolist())
    print("| gestures | repetitions | model | sd | worst | LDA | shuffled labels |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (choice, repetitions), each in found.items():
        own, baseline, shuffled = np.array(each).T
        figures = (own.mean(), own.std(), own.min(), baseline.mean(), shuffled.mean())
        print(f"| {choice} | {repetitions} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |")


def _person(model: Artefact, recording: Recording, number: int) -> Scores:
    """Return the balanced accuracies of each session of a person, by choice and number of repetitions."""
    data = datasets.read([recording], model.manifest)
    moments = moments_of(data, model.manifest)
    parameters = CovarianceParameters.read(model.manifest.hyper_parameters)
    features, classic = of_moments(moments, parameters), lda.hudgins(data.windows(np.arange(len(data.label))))
    prior = prior_of(model, weights_for(model, data.hashes[0].values()))
    chance = np.random.default_rng(number)
    found: Scores = defaultdict(list)
    for session in np.unique(data.session).tolist():
        for choice, classes in _choices(data, chance):
            chosen = _of(data, classes)
            here = (data.session == session) & np.isin(data.label, classes)
            test = np.flatnonzero(here & np.isin(data.repetition, CALIBRATION_TEST))
            for repetitions in range(1, MAX_CALIBRATION + 1):
                teach = np.flatnonzero(here & (data.repetition >= 1) & (data.repetition <= repetitions))
                scores = []
                for label in (chosen.label, _shuffled(chosen.label, teach, chance)):
                    shown = example(replace(chosen, label=label), moments, teach)
                    head = own_head(shown, classes, parameters, prior, rest=data.rest, ring=is_ring(model))
                    scores.append(_balanced(head.predict(features[test]), chosen.label[test]))
                baseline = lda.fit(classic[teach], chosen.label[teach]).predict(classic[test])
                own, by_chance = scores
                found[choice, repetitions].append((own, _balanced(baseline, chosen.label[test]), by_chance))
    return found


def _choices(data: Dataset, chance: np.random.Generator) -> list[tuple[str, list[int]]]:
    """Return three gestures at a time, rest before them."""
    gestures = [k for k in range(len(data.classes)) if k != data.rest]
    drawn = [sorted(chance.choice(gestures, 3, replace=False).tolist()) for _ in range(DRAWN)]
    named = [data.classes.index(name) for name in FAVOURITES]
    return [(", ".join(FAVOURITES), [data.rest, *named]), *(("drawn", [data.rest, *some]) for some in drawn)]


def _of(data: Dataset, classes: list[int]) -> Dataset:
    """Return the same with labels 0 to 3; windows of other classes are not to be looked at."""
    place = np.zeros(len(data.classes), np.int64)
    place[classes] = np.arange(len(classes))
    return replace(data, label=place[data.label])


def _shuffled(label: Ids, rows: Ids, chance: np.random.Generator) -> Ids:
    other = label.copy()
    other[rows] = chance.permutation(label[rows])
    return other


def _balanced(predicted: Ids, label: Ids) -> float:
    return float(np.mean([(predicted[label == k] == k).mean() for k in np.unique(label)]))


if __name__ == "__main__":
    main()
