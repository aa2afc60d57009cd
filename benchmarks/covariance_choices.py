"""What the choices in a covariance model are worth: degree, how much is read, bands. Six people, no network.

    OMP_NUM_THREADS=1 python -m benchmarks.covariance_choices --data FOLDER

Each person is taught by one repetition, or two, of a session, and judged on repetitions 4 to 6 of the same session:
linear discriminant on the features, mean over sessions of the balanced accuracy. People are every fourth, six in all.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from app.inference.covariance.features import features_along
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.manifest import Manifest
from app.learning import datasets, recipes
from app.learning.covariance.head import fit_head
from app.learning.datasets import Dataset
from app.learning.metrics import confusion

PEOPLE, EVERY, LEARNED, JUDGED = 6, 4, ((1,), (1, 2)), (4, 5, 6)
THREE = ((15.0, 35.0), (35.0, 60.0), (60.0, 101.0))
ROWS: tuple[tuple[str, float, Mapping[str, Any]], ...] = (
    ("1 s", 1.0, {}),
    ("degree 12", 1.0, {"degree": 12}),
    ("degree 47", 1.0, {"degree": 47}),
    ("0.75 s", 0.75, {}),
    ("1.5 s", 1.5, {}),
    ("2 s", 2.0, {}),
    ("1 s, 3 bands, frames of 50 ms", 1.0, {"bands_hz": THREE, "frame_ms": 50.0}),
    ("1 s, 3 bands, frames of 100 ms", 1.0, {"bands_hz": THREE, "frame_ms": 100.0}),
    ("1 s, 3 bands, frames of 200 ms", 1.0, {"bands_hz": THREE}),
    ("1 s, 3 bands, frames of 400 ms", 1.0, {"bands_hz": THREE, "frame_ms": 400.0}),
    ("0.75 s, 3 bands, frames of 200 ms", 0.75, {"bands_hz": THREE}),
    ("2 s, 3 bands, frames of 200 ms", 2.0, {"bands_hz": THREE}),
    ("1 s, 2 bands below 60 Hz", 1.0, {"bands_hz": THREE[:2]}),
)


def main() -> None:
    """Print a row for each choice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of myo-readings")
    people = datasets.load_people(parser.parse_args().data)[::EVERY][:PEOPLE]
    print("choice | one repetition | two")
    for name, seconds, values in ROWS:
        parameters = CovarianceParameters(floor=1.0, **values)  # of counts, as they are
        figures = [_judged(person, seconds, parameters) for person in people]
        print(f"{name} | " + " | ".join(f"{value:.4f}" for value in np.mean(figures, axis=0)), flush=True)


def _judged(person: Any, seconds: float, parameters: CovarianceParameters) -> list[float]:
    """Return the balanced accuracy after one repetition and after two, mean over the person's sessions."""
    draft = recipes.find("myo-8ch-200hz").draft()
    manifest = replace(draft, context=round(seconds * draft.sampling_rate) - draft.length)
    data = datasets.read(datasets.named([person], manifest.classes, manifest.rest_class), manifest)
    found = _features(data, manifest, parameters)
    sessions = np.unique(data.session)
    return [
        float(np.mean([_session(data, found, number, learned) for number in sessions])) for learned in LEARNED
    ]


def _features(data: Dataset, manifest: Manifest, parameters: CovarianceParameters) -> np.ndarray:
    found = np.zeros((len(data.label), parameters.size(manifest.channels)))
    edges = np.append(np.unique(data.piece), len(data.signal))
    for first, last in pairwise(edges):
        rows = np.flatnonzero(data.piece == first)
        found[rows] = features_along(
            data.signal[first:last],
            data.start[rows] + manifest.length - first,
            parameters,
            length=manifest.length,
            reads=manifest.reads,
            rate=manifest.sampling_rate,
        )
    return found


def _session(data: Dataset, found: np.ndarray, session: int, learned: Sequence[int]) -> float:
    own = data.session == session
    teach = own & np.isin(data.repetition, learned)
    judge = own & np.isin(data.repetition, JUDGED)
    classes = len(data.classes)
    head = fit_head(found[teach], data.label[teach], classes)
    counts = confusion(data.label[judge], head.predict(found[judge]), classes)
    return float(np.mean(np.diag(counts) / counts.sum(1)))


if __name__ == "__main__":
    main()
