"""Replays of people whom nothing has seen, for events: by the model, by LDA and by chance, of the same windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.emg.files.recordings import Recording
from app.errors import DataError
from app.inference.artefact import Artefact
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.manifest import Manifest
from app.inference.networks import build_for, load_arrays
from app.inference.prediction import softmax
from app.inference.pytorch.backend import TorchBackend
from app.learning import lda, splits
from app.learning.covariance.head import Head
from app.learning.covariance.judging import CovarianceJudge, is_covariance
from app.learning.covariance.known import Confidence, own_confidence
from app.learning.datasets import Dataset, content_hashes, read
from app.learning.evaluation import Networks
from app.learning.memory import weights_for
from app.learning.operating_point import REST_LEAN
from app.learning.progress import Progress
from app.learning.replays.replay import Replay, cuts_of, replay
from app.learning.replays.streamed import of_session
from app.learning.splits import Part

FPS = 10.0  # as decisions are judged


@dataclass(frozen=True, slots=True)
class PersonStreams:
    """What a person's sessions gave."""

    name: str
    fold: str  # the weights that have not seen them
    model: tuple[Replay, ...]
    lda: tuple[Replay, ...] = ()
    shuffled: tuple[Replay, ...] = ()


def event_streams(
    model: Artefact,
    recordings: Sequence[Recording],
    repetitions: int,
    mains: float | None,
    progress: Progress,
) -> list[PersonStreams]:
    """Return the replays of each session after a calibration on its first repetitions; all later ones count.

    Raises:
        DataError: a recording is not for that model, lacks repetitions, or the model is none of covariances.
    """
    if not is_covariance(model):
        raise DataError(f"--events judges covariance models; {model.manifest.name} is none")
    networks, found = Networks(model), []
    for k in progress(range(len(recordings)), len(recordings), "replay"):
        recording = recordings[k]
        hashes = content_hashes(recording).values()
        _, manifest = networks.unseen_by(hashes)
        data = read([recording], manifest, mains)
        judge, meant = CovarianceJudge(model, data), own_confidence(model, repetitions)
        replays: list[tuple[Replay, Replay, Replay]] = []
        for part in splits.calibration(data, 0, repetitions):
            session = of_session(recording, int(data.session[part.train[0]]))
            own = _replayed(session, manifest, judge.taught(part), meant, data.rest, mains)
            chance = _replayed(session, manifest, judge.taught_by_chance(part), meant, data.rest, mains)
            classic = _by_lda(own, session, manifest, data, part, mains)
            later = session.repetition[own.end - 1] > repetitions
            replays.append(
                (replace(own, judged=later), replace(classic, judged=later), replace(chance, judged=later))
            )
        each = zip(*replays, strict=True)
        found.append(PersonStreams(data.people[0], weights_for(model, hashes), *each))
    return found


def _replayed(
    session: Recording, manifest: Manifest, head: Head, meant: Confidence, rest: int, mains: float | None
) -> Replay:
    parameters = CovarianceParameters.read(manifest.hyper_parameters)
    own = head.tempered(meant.temperature).leaning(rest, REST_LEAN)
    its = own.shaping(parameters).as_json()
    changed = replace(manifest, hyper_parameters=its, reject_below=meant.reject_below)
    network = build_for(changed)
    load_arrays(network, own.arrays())
    return replay(session, changed, TorchBackend(network, changed, "cpu"), fps=FPS, mains=mains)


def _by_lda(
    own: Replay, session: Recording, manifest: Manifest, data: Dataset, part: Part, mains: float | None
) -> Replay:
    """Return the same windows by LDA on Hudgins' features, taught by the same repetitions, leaning as we do."""
    fitted = lda.fit(lda.hudgins(data.windows(part.train)), data.label[part.train])
    scores = []
    for some in cuts_of(session, manifest, fps=FPS, mains=mains):
        windows = np.stack([one.window[-manifest.length :] for one in some])
        scores.append(lda.hudgins(windows) @ fitted.weight + fitted.bias)
    logits = np.full((len(own.end), len(manifest.classes)), -np.inf)
    logits[:, fitted.seen] = np.concatenate(scores)
    logits[:, data.rest] += REST_LEAN
    shares = softmax(logits)
    return replace(
        own,
        prediction=shares.argmax(1),
        confidence=shares.max(1),
        probabilities=shares,
        unknown=np.zeros(len(shares), np.bool_),
    )
