"""What confidence is worth: the expected calibration error, and what the level of "none of these" rejects.

    OMP_NUM_THREADS=1 python -m benchmarks.confidence --data FOLDER [--model myo-8ch-200hz] [--people 25]

Heads of one repetition of a session and of two, with priors of others, on its later repetitions, and the model as it
is on all windows; weights have not seen the person. The temperature is that of everybody else's windows, 15 bins; the
level is theirs too. Rest leans as in `model calibrate`. An error is of a person's windows; the mean is over people.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from app.config import Settings
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.covariance.features import of_moments
from app.inference.covariance.moments import Moments
from app.inference.covariance.parameters import CovarianceParameters
from app.learning import datasets
from app.learning.confidence import calibration_error, fit_temperature, probabilities, reject_threshold
from app.learning.covariance.head import Doubles, Ids
from app.learning.covariance.known import head_of, is_ring, prior_of
from app.learning.covariance.shipping import CALIBRATIONS, own_logits
from app.learning.covariance.windows import moments_of
from app.learning.datasets import Dataset
from app.learning.memory import weights_for
from app.learning.operating_point import REST_LEAN
from app.learning.progress import silently

THINNED = 10  # of the others' windows one in so many: neighbours overlap by half

Answers = list[tuple[Doubles, Ids]]  # logits and labels, an entry a person


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
    data = datasets.read(datasets.named(people, manifest.classes, manifest.rest_class), manifest)
    found = moments_of(data, manifest)
    print(
        "| head | temperature | calibration error | worst person | without a temperature | known, rejected |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    print(_row("never seen", _unseen(model, data, found), data.rest, 0.0))
    for repetitions in CALIBRATIONS:
        answers = _own(model, data, found, repetitions)
        print(_row(f"repetitions: {repetitions}", answers, data.rest, REST_LEAN), flush=True)


def _unseen(model: Artefact, data: Dataset, found: Moments) -> Answers:
    parameters = CovarianceParameters.read(model.manifest.hyper_parameters)
    answers = []
    for person, hashes in enumerate(data.hashes):
        rows = data.rows_of([person])
        head = head_of(model, weights_for(model, hashes.values()))
        answers.append((head.logits(of_moments(found[rows], parameters)), data.label[rows]))
    return answers


def _own(model: Artefact, data: Dataset, found: Moments, repetitions: int) -> Answers:
    parameters = CovarianceParameters.read(model.manifest.hyper_parameters)
    answers = []
    for person, hashes in enumerate(data.hashes):
        priors = {person: prior_of(model, weights_for(model, hashes.values()))}
        sessions = own_logits(data, found, parameters, priors, repetitions, silently, ring=is_ring(model))
        answers.append(
            (
                np.concatenate([logits for logits, _ in sessions]),
                np.concatenate([label for _, label in sessions]),
            )
        )
    return answers


def _row(name: str, answers: Answers, rest: int, lean: float) -> str:
    figures = []
    for who, (logits, label) in enumerate(answers):
        others = [answers[k] for k in range(len(answers)) if k != who]
        theirs = np.concatenate([found[::THINNED] for found, _ in others])
        temperature = fit_temperature(theirs, np.concatenate([one[::THINNED] for _, one in others]))
        level = reject_threshold(theirs / temperature)
        rejected = float(((logits / temperature).max(axis=1) < level).mean())
        errors = [
            calibration_error(probabilities(_leaning(logits / by, rest, lean)), label)
            for by in (temperature, 1.0)
        ]
        figures.append((temperature, *errors, rejected))
    temperature, error, bare, rejected = np.mean(figures, axis=0)
    worst = max(one[1] for one in figures)
    return f"| {name} | {temperature:.2f} | {error:.3f} | {worst:.3f} | {bare:.3f} | {rejected:.3f} |"


def _leaning(logits: Doubles, rest: int, lean: float) -> Doubles:
    found = logits.copy()
    found[:, rest] += lean
    return found


if __name__ == "__main__":
    main()
