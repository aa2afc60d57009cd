"""The replays that tables of decisions are made of: of whole recordings as they are, or after a calibration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from app.emg.files.recordings import Recording
from app.inference.artefact import Artefact
from app.inference.backend import Backend
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.manifest import Manifest
from app.inference.networks import Classifier, build_for, load_arrays
from app.inference.pytorch.backend import TorchBackend
from app.learning import splits
from app.learning.batches import Windows
from app.learning.covariance.judging import CovarianceJudge, is_covariance
from app.learning.covariance.known import own_confidence
from app.learning.datasets import Dataset, content_hashes, read
from app.learning.evaluation import Networks, adapted
from app.learning.operating_point import REST_LEAN
from app.learning.progress import Progress
from app.learning.replays import replay
from app.learning.replays.splicing import spliced
from app.learning.splits import Part

Teach = Callable[[Part], tuple[Classifier, Manifest]]


@dataclass(slots=True)
class Streams:
    """Replays of recordings, and of the changes from gesture to gesture that were cut from them."""

    whole: list[replay.Replay] = field(default_factory=list)
    changes: list[replay.Replay] = field(default_factory=list)


def streams_of(
    model: Artefact,
    recordings: Sequence[Recording],
    repetitions: int | None,
    mains: float | None,
    progress: Progress,
) -> Streams:
    """Return the replays of all recordings, each by a network that never saw the person.

    With `repetitions` every session is replayed after a calibration on so many of its own, and those that test a
    calibration count.

    Raises:
        DataError: a recording is not for that model, or lacks repetitions.
    """
    networks, streams = Networks(model), Streams()
    rest = model.manifest.rest_class
    for k in progress(range(len(recordings)), len(recordings), "replay"):
        judged = 1 if repetitions is None else splits.CALIBRATION_TEST[0]
        for part, manifest, backend in _played(model, networks, recordings[k], repetitions, mains):
            whole = replay.replay(part, manifest, backend, mains=mains)
            if repetitions is not None:
                tests = np.isin(part.repetition[whole.end - 1], splits.CALIBRATION_TEST)
                whole = replace(whole, judged=tests)
            streams.whole.append(whole)
            changes = spliced(part, rest, judged)
            if changes is not None:
                streams.changes.append(replay.replay(changes, manifest, backend, mains=mains))
    return streams


def report_of(model: Artefact, streams: Streams, repetitions: int | None) -> dict[str, object]:
    """Return the object that `model evaluate --stream` reports."""
    manifest = model.manifest
    rest = manifest.classes.index(manifest.rest_class)
    whole, changes = streams.whole, streams.changes
    return {
        "model": manifest.name,
        "split": "as it is" if repetitions is None else f"calibrate {repetitions}",
        "fps": replay.FPS,
        "decisions": replay.table(whole, rest, changes),
        "hysteresis": replay.hysteresis_table(whole, rest, changes),
        "default": replay.row_of(whole, rest, changes, manifest.rule),
    }


def _played(
    model: Artefact, networks: Networks, recording: Recording, repetitions: int | None, mains: float | None
) -> Iterator[tuple[Recording, Manifest, Backend]]:
    """Yield what is replayed, and by what: the recording, or each session of it by its own calibrated network."""
    network, manifest = networks.unseen_by(content_hashes(recording).values())
    if repetitions is None:
        yield recording, manifest, TorchBackend(network, manifest, "cpu")
        return
    data = read([recording], manifest, mains)
    covariance = is_covariance(model)
    own = _covariance(model, data, repetitions, manifest) if covariance else _network(data, network, manifest)
    for part in splits.calibration(data, 0, repetitions):
        session = int(data.session[part.train[0]])
        taught, its = own(part)
        yield of_session(recording, session), its, TorchBackend(taught, its, "cpu")


def _network(data: Dataset, network: Classifier, manifest: Manifest) -> Teach:
    """Return what adapts the network to a part."""
    windows = Windows(data, manifest.mean, manifest.std)
    return lambda part: (adapted(network, windows, part), manifest)


def _covariance(model: Artefact, data: Dataset, repetitions: int, manifest: Manifest) -> Teach:
    """Return what learns a head of a part, as `model calibrate` does."""
    judge, meant = CovarianceJudge(model, data), own_confidence(model, repetitions)
    parameters = CovarianceParameters.read(manifest.hyper_parameters)

    def own(part: Part) -> tuple[Classifier, Manifest]:
        head = judge.taught(part).tempered(meant.temperature).leaning(data.rest, REST_LEAN)
        its = head.shaping(parameters)
        changed = replace(manifest, hyper_parameters=its.as_json(), reject_below=meant.reject_below)
        taught = build_for(changed)
        load_arrays(taught, head.arrays())
        return taught, changed

    return own


def of_session(recording: Recording, session: int) -> Recording:
    """Return one session of a recording, without its auxiliary signals."""
    rows = np.flatnonzero(recording.session == session)
    columns = ("emg", "label", "label_cue", "repetition", "session", "recording")
    return replace(recording, aux=(), **{name: getattr(recording, name)[rows] for name in columns})
