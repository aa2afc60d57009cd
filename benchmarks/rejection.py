"""What "none of these" is worth: movements that a model was not taught, and an electrode that has come off.

    OMP_NUM_THREADS=1 python -m benchmarks.rejection --model myo-8ch-200hz --data FOLDER [--people 25]

Heads of one repetition of each person's first session, with priors of others. The threshold is that of everybody
else's held-out windows (repetitions 4 to 6), so its rate on the person's own is measured too. One gesture after the
other is left out of what teaches; then one electrode after the other is flat, hums, or hisses.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.config import Settings
from app.emg.files.recordings import Recording
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.covariance.features import of_moments
from app.inference.covariance.moments import Moments
from app.inference.covariance.parameters import CovarianceParameters
from app.learning import datasets
from app.learning.covariance.head import Head
from app.learning.covariance.known import is_ring, prior_of
from app.learning.covariance.own import example, own_head
from app.learning.covariance.windows import moments_of
from app.learning.datasets import Dataset
from app.learning.memory import weights_for
from app.learning.splits import CALIBRATION_TEST

RATES = (0.01, 0.05)
MAINS_HZ, HUM = 50.0, 60.0  # counts

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Fault = Callable[[Doubles, float], Doubles]


@dataclass(slots=True)
class Case:
    """Largest logits of one person's windows: of what was taught, and of what was not or is spoilt."""

    person: int
    known: Doubles
    other: Doubles
    wrong: npt.NDArray[np.bool_]  # of the other windows: predicted as another gesture than it is


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
    recordings = datasets.named(people, manifest.classes, manifest.rest_class)
    cases: dict[str, list[Case]] = {}
    for k, recording in enumerate(recordings):
        for name, case in _cases(model, recording, k):
            cases.setdefault(name, []).append(case)
    print("| other windows | rejected at | known, measured | other | wrong | wrong and not rejected |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, found in cases.items():
        for rate in RATES:
            print(_row(name, found, rate))


def _cases(model: Artefact, recording: Recording, person: int) -> list[tuple[str, Case]]:
    first = recording.session == recording.session.min()
    columns = ("emg", "label", "label_cue", "repetition", "session", "recording")
    recording = replace(recording, aux=(), **{name: getattr(recording, name)[first] for name in columns})
    data, prior = datasets.read([recording], model.manifest), None
    prior = prior_of(model, weights_for(model, data.hashes[0].values()))
    parameters = CovarianceParameters.read(model.manifest.hyper_parameters)
    found = moments_of(data, model.manifest)
    taught, test = data.repetition == 1, np.isin(data.repetition, CALIBRATION_TEST)

    def head_without(gesture: int | None) -> Head:
        rows = np.flatnonzero(taught & (data.label != gesture))
        classes = [k for k in range(len(data.classes)) if k != gesture]
        shown = example(data, found, rows)
        shown = replace(shown, label=np.searchsorted(classes, shown.label))
        return own_head(shown, classes, parameters, prior, rest=classes.index(data.rest), ring=is_ring(model))

    def largest(head: Head, moments: Moments) -> Doubles:
        return np.asarray(head.logits(of_moments(moments, parameters)).max(axis=1), np.float64)

    cases = []
    for gesture in range(len(data.classes)):
        if gesture == data.rest:
            continue
        head = head_without(gesture)
        known, other = test & (data.label != gesture), test & (data.label == gesture)
        values = largest(head, found[np.flatnonzero(known)]), largest(head, found[np.flatnonzero(other)])
        cases.append(("a gesture not taught", Case(person, *values, np.ones(other.sum(), bool))))
    head = head_without(None)
    rows = np.flatnonzero(test)
    known = largest(head, found[rows])
    for name, fault in FAULTS.items():
        for channel in range(model.manifest.channels):
            spoilt = moments_of(_spoilt(data, channel, fault, model.manifest.sampling_rate), model.manifest)
            features = of_moments(spoilt[rows], parameters)
            wrong = head.predict(features) != data.label[rows]
            cases.append((name, Case(person, known, head.logits(features).max(axis=1), wrong)))
    return cases


def _spoilt(data: Dataset, channel: int, fault: Fault, rate: float) -> Dataset:
    signal = data.signal.astype(np.float64).copy()
    signal[:, channel] = fault(signal[:, channel], rate)
    return replace(data, signal=signal.astype(data.signal.dtype))


def _hum(signal: Doubles, rate: float) -> Doubles:
    return np.round(HUM * np.sin(2 * np.pi * MAINS_HZ * np.arange(len(signal)) / rate + 0.3))


def _hiss(signal: Doubles, rate: float) -> Doubles:
    del rate
    return np.round(np.random.default_rng(0).normal(0, 1, len(signal)))


FAULTS: dict[str, Fault] = {
    "one electrode flat": lambda signal, _: np.zeros_like(signal),
    "one electrode with mains": _hum,
    "one electrode with noise of 1 count": _hiss,
}


def _row(name: str, cases: Sequence[Case], rate: float) -> str:
    figures = []
    for case in cases:
        others = np.concatenate([one.known for one in cases if one.person != case.person])
        least = np.quantile(others, rate)
        rejected = case.other < least
        figures.append(
            ((case.known < least).mean(), rejected.mean(), case.wrong.mean(), (case.wrong & ~rejected).mean())
        )
    cells = " | ".join(f"{value:.3f}" for value in np.mean(figures, axis=0))
    return f"| {name} | {rate:.0%} | {cells} |"


if __name__ == "__main__":
    main()
