"""`model calibrate`: a new artefact for one person, from the first repetitions of a recording or its signal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from app.emg.files.recordings import Recording
from app.inference import artefact
from app.inference.artefact import WEIGHTS, Artefact, weights_bytes
from app.inference.manifest import Manifest
from app.inference.networks import Classifier, state_arrays
from app.learning.alignment import turned, without_labels
from app.learning.batches import Windows
from app.learning.calibration import calibrate
from app.learning.datasets import Dataset, Ids, read
from app.learning.memory import manifest_of, seen_by, taught_by, weights_for
from app.learning.metrics import NAMES, Scores, confusion
from app.learning.progress import Progress
from app.learning.shipping import graph_windows, network_of
from app.learning.splits import expect_every_class, first_repetitions, least_seconds, rows_of_session
from app.learning.target import NotBetterError, Target, told


def adapt(
    parent: Artefact,
    recording: Recording,
    out: Target,
    *,
    session: int,
    repetitions: int,
    mains: float | None,
    even_if_worse: bool = False,
) -> Artefact:
    """Write an artefact adapted to a session's first repetitions; its metrics are of the rest of it.

    Raises:
        DataError: the session is not there, or its first repetitions do not show every class.
        NotBetterError: it is no better on the rest than the parent, or than chance; nothing is written.
        ArtefactError: `out` cannot be written.
    """
    started = time.perf_counter()
    data = read([recording], parent.manifest, mains)
    here = rows_of_session(data, session, recording.name)
    rows = first_repetitions(data, here, repetitions)
    expect_every_class(data, rows, f"{recording.name}, session {session}, repetitions 1 to {repetitions}")
    file = weights_for(parent, data.hashes[0].values())
    own = manifest_of(parent, file)
    windows = Windows(data, own.mean, own.std)
    before = network_of(parent, file)
    network = calibrate(before, windows, rows, progress=out.progress)
    test = here[data.repetition[here] > repetitions]
    metrics = _compared(data, windows, test, before, network) if len(test) else {}
    if metrics and not even_if_worse:
        _expect_better(metrics)
    metrics["seconds"] = round(time.perf_counter() - started, 2)
    own_sha = data.hashes[0][session]
    used = {"session_sha256": own_sha, "session": session, "repetitions": repetitions}
    taught = sorted(taught_by(parent).union((own_sha,)))
    return _save(
        parent, out, data, (network, file), {"calibration": used, "taught": taught}, {"calibration": metrics}
    )


def align(
    parent: Artefact, recording: Recording, out: Target, *, session: int, mains: float | None
) -> Artefact:
    """Write an artefact turned and scaled to a session's signal; no label is looked at.

    Raises:
        DataError: the session is not there, or too short.
        ArtefactError: `out` cannot be written.
    """
    started = time.perf_counter()
    nothing = np.zeros_like(recording.label)
    blind = replace(recording, label=nothing, gesture_names=(parent.manifest.rest_class,))
    data = read([blind], parent.manifest, mains)
    rows = rows_of_session(data, session, recording.name)
    least_seconds(data, rows, parent.manifest, f"{recording.name}: session {session}")
    file = weights_for(parent, data.hashes[0].values())
    own = manifest_of(parent, file)
    windows = Windows(data, own.mean, own.std)
    network = network_of(parent, file)
    found = without_labels(network, windows, rows)
    used = {"session_sha256": data.hashes[0][session], "session": session, **asdict(found)}
    metrics = {"seconds": round(time.perf_counter() - started, 2), "windows": len(rows), **asdict(found)}
    adapted = (turned(network, found), file)
    return _save(parent, out, data, adapted, {"alignment": used}, {"alignment": metrics})


def _save(
    parent: Artefact,
    out: Target,
    data: Dataset,
    adapted: tuple[Classifier, str],
    used: dict[str, Any],
    metrics: dict[str, Any],
) -> Artefact:
    """`adapted` is the network and the weights file it comes from.

    The child has their statistics, and remembers what they have seen, so that nobody judges it on that.
    """
    network, file = adapted
    own = manifest_of(parent, file)
    files = {WEIGHTS: weights_bytes(state_arrays(network))}
    if out.graphs:
        files.update(_graphs(network, replace(own, name=out.path.name), data, out.progress))
    training = {**parent.manifest.training, "hashes": seen_by(parent, file), "runs": {}, **used}
    return artefact.save_child(
        parent,
        out.path,
        files,
        replacing=out.replacing,
        name=out.path.name,
        mean=own.mean,
        std=own.std,
        training=training,
        metrics=metrics,
    )


def _graphs(network: Classifier, manifest: Manifest, data: Dataset, progress: Progress) -> dict[str, bytes]:
    from app.learning.export import export

    return export(network, manifest, graph_windows(manifest, data), progress)


def _compared(
    data: Dataset, windows: Windows, rows: Ids, before: Classifier, after: Classifier
) -> dict[str, Any]:
    """Return the figures of the adapted network on those windows, beside the one it comes from."""
    was, found = (_scores(data, rows, windows.predict(network, rows)) for network in (before, after))
    figures = {name: float(getattr(found, name)) for name in NAMES}
    figures["balanced_accuracy_before"] = was.balanced_accuracy
    figures["chance"] = 1 / len(np.unique(data.label[rows]))
    known = {name: round(value, 4) for name, value in figures.items() if np.isfinite(value)}
    return {**known, "tested_on": "the later repetitions of the same session", "windows": len(rows)}


def _scores(data: Dataset, rows: Ids, predicted: Ids) -> Scores:
    return Scores(confusion(data.label[rows], predicted, len(data.classes)), data.rest)


def _expect_better(metrics: Mapping[str, Any]) -> None:
    if metrics["balanced_accuracy"] <= max(metrics["balanced_accuracy_before"], metrics["chance"]):
        raise NotBetterError(
            f"{told(metrics)}: no better, so nothing was written; do the labels fit the signal?"
        )
