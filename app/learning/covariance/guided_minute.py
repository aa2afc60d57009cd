"""`model calibrate --unlabelled` of a covariance model: a new one for a person, from a minute that nobody labelled."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.files.recordings import Recording
from app.emg.source import UNLABELLED, Samples
from app.errors import DataError
from app.inference import artefact
from app.inference.artefact import WEIGHTS, Artefact, weights_bytes
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.covariance.shared_stem import STEM
from app.inference.history import with_history
from app.inference.manifest import Manifest
from app.learning.covariance.graph import covariance_graph, stem_graph
from app.learning.covariance.head import Head
from app.learning.covariance.known import PRIOR, head_of, is_ring, own_confidence, prior_of
from app.learning.covariance.unlabelled import Known, Layout, Learned, Own, learn
from app.learning.covariance.windows import features_of
from app.learning.datasets import HOP_S, Dataset, content_hashes, read
from app.learning.memory import seen_by, weights_for
from app.learning.own.graph_check import WINDOWS, expect_answers
from app.learning.own.hint import Hint, LearningError
from app.learning.own.making import GRAPH, of_person
from app.learning.progress import CHECKING, LEARNING, Stage, unheard
from app.learning.splits import least_seconds, rows_of_session
from app.learning.target import Target

TEMPERATURE = 5.0  # of heads that no label has confirmed: a calibration error of 0.05 on 75 sessions


def learn_minute(
    parent: Artefact,
    recording: Recording,
    out: Target,
    *,
    session: int,
    mains: float | None,
    person: str | None = None,
    tell: Stage = unheard,
) -> Artefact:
    """Write an artefact made a person's own by a session's signal; no label is looked at, nor what comes later.

    `person` is whose it is.

    Raises:
        DataError: the session is not there, too short, or shows too few gestures or nothing but rest; or the parent
            has no statistics of people.
        ArtefactError: `out` cannot be written.
    """
    started = time.perf_counter()
    file, known = known_to(parent, content_hashes(recording).values())
    data = blind(parent.manifest, recording, mains)
    rows = rows_of_session(data, session, recording.name)
    least_seconds(data, rows, parent.manifest, f"{recording.name}: session {session}")
    projection = parent.weights(file).get("project.weight")
    features = features_of(data, parent.manifest, projection)[rows]
    tell(LEARNING)
    try:
        found = learn(features, known, layout_of(parent, known))
    except LearningError as error:
        text = f"{recording.name}, session {session}: {error}"
        raise LearningError(replace(error.hint, text=text)) from None
    told = {**described(found), "windows": len(rows), "seconds": round(time.perf_counter() - started, 2)}
    used = {"session_sha256": data.hashes[0][session], "session": session, **described(found)}
    tell(CHECKING)
    return _save(parent, out, file, data, found.head.tempered(TEMPERATURE), used, told, of_person(person))


def known_to(parent: Artefact, hashes: Collection[str]) -> tuple[str, Known]:
    """Return the weights that have not seen sessions of those content hashes, and what their statistics say of people.

    What a model that was taught by one person's labels says is of that person, on another day.

    Raises:
        DataError: it holds none.
    """
    file = weights_for(parent, hashes)
    training = parent.manifest.training
    if PRIOR in parent.manifest.files and "calibration" not in training:
        return file, prior_of(parent, file)
    try:
        return file, Own.of_head(head_of(parent, file), _temperature(parent))
    except (DataError, KeyError, TypeError, ValueError, np.linalg.LinAlgError):
        text = (
            f"{parent.manifest.name} holds no statistics of people or of a person, so nothing can be learned without "
            "labels; take one that `model train` or `model new` made"
        )
        raise LearningError(Hint("no_statistics", text, {"model": parent.manifest.name})) from None


def _temperature(model: Artefact) -> float:
    """Return what the logits of a person's own model were divided by."""
    training = model.manifest.training
    if "temperature" in training or "calibration" not in training:
        return float(training.get("temperature", 1.0))
    return own_confidence(model, int(training["calibration"]["repetitions"])).temperature


def blind(
    manifest: Manifest, recording: Recording, mains: float | None, among: npt.NDArray[np.bool_] | None = None
) -> Dataset:
    """Return the windows of a recording, or of some samples of it; all are called rest, edges of gestures too."""
    label = np.zeros_like(recording.label) if among is None else np.where(among, 0, UNLABELLED)
    nothing = replace(
        recording,
        label=label.astype(np.int16),
        repetition=np.ones_like(recording.repetition),
        gesture_names=(manifest.rest_class,),
    )
    return read([nothing], manifest, mains)


def layout_of(model: Artefact, known: Known) -> Layout:
    """Return what the features of a model are of; a person's own ring is expected to sit as it did."""
    manifest = model.manifest
    parameters = CovarianceParameters.read(manifest.hyper_parameters)
    return Layout(
        channels=parameters.projected or manifest.channels,
        bands=len(parameters.bands_hz),
        classes=manifest.classes,
        rest=manifest.classes.index(manifest.rest_class),
        hop_s=HOP_S,
        ring=is_ring(model) and not isinstance(known, Own),
    )


def described(found: Learned) -> dict[str, Any]:
    """Return what was found, for a manifest."""
    return {
        "roll": found.placement.roll,
        "mirrored": found.placement.mirrored,
        "margin": round(found.margin, 3),
        "rest_share": found.rest_share,
        "lacking": list(found.lacking),
    }


def told(metrics: Mapping[str, Any]) -> str:
    """Return in words what a minute said; what it lacked is a line of its own."""
    said = (
        f"turned by {metrics['roll']} electrodes{', worn the other way round' if metrics['mirrored'] else ''}"
    )
    return "\n".join(
        [f"{said}; {metrics['rest_share']:.0%} of it is rest", *(hint.text for hint in said_of(metrics))]
    )


def said_of(metrics: Mapping[str, Any]) -> list[Hint]:
    """Return what a minute lacked, and what would help; nothing where it lacked nothing."""
    if not metrics["lacking"]:
        return []
    names = ", ".join(metrics["lacking"])
    text = (
        f"not surely shown: {names}; so it fell back to what was shown, with no share expected of each. "
        "Record a minute with every gesture and rest for a better one"
    )
    return [Hint("not_shown", text, {"gestures": list(metrics["lacking"])})]


def _save(
    parent: Artefact,
    out: Target,
    file: str,
    data: Dataset,
    head: Head,
    used: Mapping[str, Any],
    metrics: Mapping[str, Any],
    whose: Mapping[str, str],
) -> Artefact:
    parameters = CovarianceParameters.read(parent.manifest.hyper_parameters)
    own = head.shaping(parameters)
    changes: dict[str, Any] = {
        "name": out.path.name,
        "hyper_parameters": own.as_json(),
        "reject_below": None,  # nobody knows what is typical of somebody without labels
    }
    arrays = head.arrays()
    if parameters.projected:
        arrays["project.weight"] = parent.weights(file)["project.weight"]
    files = {WEIGHTS: weights_bytes(arrays)}
    if out.graphs:
        manifest = replace(parent.manifest, **changes)
        files[GRAPH] = covariance_graph(manifest, arrays)
        expect_answers(files[GRAPH], manifest, arrays, _some(manifest, data))
        files[STEM] = stem_graph(manifest, arrays)
    training = {
        **parent.manifest.training,
        "temperature": TEMPERATURE,
        "hashes": seen_by(parent, file),
        "runs": {},
        "alignment": dict(used),
        **whose,
    }
    return artefact.save_child(
        parent,
        out.path,
        files,
        replacing=out.replacing,
        training=training,
        metrics={"alignment": dict(metrics)},
        **changes,
    )


def _some(manifest: Manifest, data: Dataset) -> Samples:
    """Return normalised windows of the recording with their history, (n, reads, channels)."""
    rows = np.unique(np.linspace(0, len(data.start) - 1, WINDOWS).astype(np.int64))
    spans = zip(data.piece[rows].tolist(), (data.start[rows] + data.length).tolist(), strict=True)
    batch = np.stack([with_history(data.signal[first:end], manifest.reads) for first, end in spans])
    return np.asarray((batch - manifest.mean) / manifest.std, np.float32)
