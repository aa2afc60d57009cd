"""What the page "Teach" would record of a person of the shared recordings, at once; and how a model does later on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.emg.files.recordings import Recording
from app.emg.source import UNLABELLED
from app.inference import artefact
from app.inference.artefact import WEIGHTS, Artefact
from app.learning.covariance.graph import covariance_graph
from app.learning.covariance.known import PRIOR, prior_file
from app.learning.jobs.rival import compared
from app.learning.memory import fold_file, manifest_of, seen_by
from app.learning.own.joined import join
from app.learning.own.signal_plan import choose, filtered
from app.learning.own.windows import OwnWindows, cut
from tests.prompted_person import REST, Performance, Repertoire

COUNTDOWN_S, REST_S = 3.0, 2.0  # app/static/teach/plan.js


def performed(
    person: Repertoire, gestures: Sequence[str], repetitions: int, held_s: float, seed: int = 0
) -> Recording:
    """Return what is recorded while the person does such a plan, labelled by its cues."""
    fs, names = person.recording.fs, (REST, *gestures)
    performance = Performance(person, seed=seed)
    parts, labels, numbers = [], [], []
    steps: list[tuple[str | None, float, int]] = [(None, COUNTDOWN_S, 0)]
    for number in range(1, repetitions + 1):
        for gesture in gestures:
            steps += [(REST, REST_S, number)] if len(steps) > 1 else []
            steps.append((gesture, held_s, number))
    for which, (label, seconds, number) in enumerate(steps):
        performance.hear(label, which)
        parts.append(performance.play(round(seconds * fs)))
        labels.append(np.full(len(parts[-1]), UNLABELLED if label is None else names.index(label)))
        numbers.append(np.full(len(parts[-1]), number))
    label = np.concatenate(labels).astype(np.int16)
    return replace(
        person.recording,
        emg=np.concatenate(parts),
        label=label,
        label_cue=label,
        repetition=np.concatenate(numbers).astype(np.int16),
        session=np.ones(len(label), np.int16),
        recording=np.ones(len(label), np.int16),
        gesture_names=names,
    )


def windows_of(recording: Recording) -> OwnWindows:
    """Return the labelled windows of what was recorded, as a training cuts them; edges stay where they are."""
    joined = replace(join([recording]), cued=False)
    plan = choose(joined, None)
    return cut(joined, filtered(joined, plan, None), plan)


def accuracy_on(model: Artefact, recording: Recording) -> float:
    """Return the balanced accuracy of a written model, run as a server runs it, on all labelled windows."""
    windows = windows_of(recording)
    found = compared(model, windows, [np.arange(len(windows))], set(), None)
    assert found.balanced_accuracy is not None, found.why
    return found.balanced_accuracy


def without_fold(model: Artefact, fold: str, path: Path) -> Artefact:
    """Write the model as it would be, had the people of that fold never been there."""
    file = fold_file(fold)
    training = {**model.manifest.training, "hashes": seen_by(model, file), "runs": {}}
    manifest = replace(manifest_of(model, file), name=path.name, training=training, metrics={})
    weights = model.weights(file)
    return artefact.save(
        path,
        manifest,
        {
            WEIGHTS: model.file(file),
            PRIOR: model.file(prior_file(file)),
            "model.onnx": covariance_graph(manifest, weights),
        },
    )
