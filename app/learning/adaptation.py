"""`model calibrate`: a new artefact for one person, from the first repetitions of a recording or its signal."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.files.recordings import Recording
from app.errors import DataError
from app.inference import artefact
from app.inference.artefact import WEIGHTS, Artefact, weights_bytes
from app.inference.networks import Classifier, state_arrays
from app.learning.alignment import turned, without_labels
from app.learning.batches import Windows
from app.learning.calibration import calibrate
from app.learning.datasets import Dataset, Ids, read
from app.learning.metrics import NAMES, Scores, confusion
from app.learning.shipping import manifest_of, network_of, seen_by, weights_for
from app.learning.splits import expect_every_class, first_repetitions

LEAST_S = 10.0  # of signal without labels; it should show every gesture, which takes longer


def adapt(
    parent: Artefact, recording: Recording, out: Path, *, session: int, repetitions: int, mains: float | None
) -> Artefact:
    """Write the artefact `out`, adapted to a session's first repetitions; its metrics are of the rest of it.

    Raises:
        DataError: the session is not there, or its first repetitions do not show every class.
        ArtefactError: `out` cannot be written.
    """
    started = time.perf_counter()
    data = read([recording], parent.manifest, mains)
    here = _rows_of_session(data, session, recording.name)
    rows = first_repetitions(data, here, repetitions)
    expect_every_class(data, rows, f"{recording.name}, session {session}, repetitions 1 to {repetitions}")
    file = weights_for(parent, data.hashes[0].values())
    own = manifest_of(parent, file)
    windows = Windows(data, own.mean, own.std)
    network = calibrate(network_of(parent, file), windows, rows)
    test = here[data.repetition[here] > repetitions]
    metrics = _metrics(data, test, windows.predict(network, test)) if len(test) else {}
    metrics["seconds"] = round(time.perf_counter() - started, 2)
    used = {"session_sha256": data.hashes[0][session], "session": session, "repetitions": repetitions}
    return _save(parent, out, (network, file), {"calibration": used}, {"calibration": metrics})


def align(
    parent: Artefact, recording: Recording, out: Path, *, session: int, mains: float | None
) -> Artefact:
    """Write the artefact `out`, turned and scaled to a session's signal; no label is looked at.

    Raises:
        DataError: the session is not there, or too short.
        ArtefactError: `out` cannot be written.
    """
    started = time.perf_counter()
    nothing = np.zeros_like(recording.label)
    blind = replace(recording, label=nothing, gesture_names=(parent.manifest.rest_class,))
    data = read([blind], parent.manifest, mains)
    rows = _rows_of_session(data, session, recording.name)
    seconds = (int(data.start[rows].max()) - int(data.start[rows].min())) / parent.manifest.sampling_rate
    if seconds < LEAST_S:
        raise DataError(f"{recording.name}: session {session} must last {LEAST_S:g} s, got {seconds:.1f} s")
    file = weights_for(parent, data.hashes[0].values())
    own = manifest_of(parent, file)
    windows = Windows(data, own.mean, own.std)
    network = network_of(parent, file)
    found = without_labels(network, windows, rows)
    used = {"session_sha256": data.hashes[0][session], "session": session, **asdict(found)}
    metrics = {"seconds": round(time.perf_counter() - started, 2), "windows": len(rows), **asdict(found)}
    return _save(parent, out, (turned(network, found), file), {"alignment": used}, {"alignment": metrics})


def _rows_of_session(data: Dataset, session: int, name: str) -> Ids:
    rows = np.flatnonzero(data.session == session)
    if not len(rows):
        there = ", ".join(str(number) for number in np.unique(data.session))
        raise DataError(f"{name}: has no session {session}; it has {there}")
    return rows


def _save(
    parent: Artefact,
    out: Path,
    adapted: tuple[Classifier, str],
    used: dict[str, Any],
    metrics: dict[str, Any],
) -> Artefact:
    """`adapted` is the network and the weights file it comes from.

    The child has their statistics, and remembers what they have seen, so that nobody judges it on that.
    """
    network, file = adapted
    own = manifest_of(parent, file)
    training = {**parent.manifest.training, "hashes": seen_by(parent, file), "runs": {}, **used}
    return artefact.save_child(
        parent,
        out,
        {WEIGHTS: weights_bytes(state_arrays(network))},
        name=out.name,
        mean=own.mean,
        std=own.std,
        training=training,
        metrics=metrics,
    )


def _metrics(data: Dataset, rows: Ids, predicted: Ids) -> dict[str, Any]:
    scores = Scores(confusion(data.label[rows], predicted, len(data.classes)), data.rest)
    figures = {name: float(getattr(scores, name)) for name in NAMES}
    known = {name: round(value, 4) for name, value in figures.items() if np.isfinite(value)}
    return {**known, "tested_on": "the later repetitions of the same session", "windows": len(rows)}
