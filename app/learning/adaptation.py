"""`model calibrate`: a new artefact for one person, from the first repetitions of a recording."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.recordings import Recording
from app.errors import DataError
from app.inference import artefact
from app.inference.artefact import WEIGHTS, Artefact, weights_bytes
from app.inference.networks import state_arrays
from app.learning.batches import Windows
from app.learning.calibration import calibrate
from app.learning.datasets import Dataset, Ids, read
from app.learning.evaluation import Networks
from app.learning.metrics import NAMES, Scores, confusion
from app.learning.splits import expect_every_class, first_repetitions


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
    here = np.flatnonzero(data.session == session)
    if not len(here):
        there = ", ".join(str(number) for number in np.unique(data.session))
        raise DataError(f"{recording.name}: has no session {session}; it has {there}")
    rows = first_repetitions(data, here, repetitions)
    expect_every_class(data, rows, f"{recording.name}, session {session}, repetitions 1 to {repetitions}")
    windows = Windows(data, parent.manifest.mean, parent.manifest.std)
    network = calibrate(Networks(parent).unseen_by(data.hashes[0]), windows, rows)
    test = here[data.repetition[here] > repetitions]
    metrics = _metrics(data, test, windows.predict(network, test)) if len(test) else {}
    metrics["seconds"] = round(time.perf_counter() - started, 2)
    used = {"recording": data.hashes[0], "session": session, "repetitions": repetitions}
    return artefact.save_child(
        parent,
        out,
        {WEIGHTS: weights_bytes(state_arrays(network))},
        name=out.name,
        training={**parent.manifest.training, "hashes": [], "runs": {}, "calibration": used},
        metrics={"calibration": metrics},
    )


def _metrics(data: Dataset, rows: Ids, predicted: Ids) -> dict[str, Any]:
    scores = Scores(confusion(data.label[rows], predicted, len(data.classes)), data.rest)
    figures = {name: float(getattr(scores, name)) for name in NAMES}
    known = {name: round(value, 4) for name, value in figures.items() if np.isfinite(value)}
    return {**known, "tested_on": "the later repetitions of the same session", "windows": len(rows)}
