"""A training from its recordings to a finished model in a folder aside, with its figures and how it compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.emg.files.loading import load_path
from app.emg.files.recordings import Recording, in_units
from app.emg.recording.export_npz import write_npz
from app.emg.signal.rates import same_rate
from app.errors import DataError, RecordingNameError
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.verification.verify import verified
from app.learning.datasets import content_hashes
from app.learning.jobs.order import COMPARING, IN_USE, PARENT, READING, TrainingOrder
from app.learning.jobs.rival import Comparison, compared, without_comparison
from app.learning.own.beside import Other, beside, extent_of
from app.learning.own.cues import Refinement
from app.learning.own.hint import Hint, LearningError
from app.learning.own.joined import Ids
from app.learning.own.judging import Judgement, folds
from app.learning.own.windows import OwnWindows
from app.learning.progress import CHECKING, Stage

if TYPE_CHECKING:
    from app.learning.own.child_judging import Heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A model that was made, and how it compares with another."""

    artefact: Artefact
    metrics: dict[str, Any]
    comparison: Comparison | None
    told: Refinement | None = None  # what became of the labels; None: no label was looked at
    hints: Sequence[Hint] = ()
    judgement: Judgement | None = None
    others: Sequence[Other] = ()  # on the same windows


def train(order: TrainingOrder, tell: Stage) -> dict[str, Any]:
    """Return what came of a training; its model lies in the folder `folder`.

    Raises:
        DataError: the recordings cannot teach a model; one line says why.
        ArtefactError: a model cannot be read, or the new one cannot be written.
        OSError: the disk does not take it.
    """
    tell(READING)
    recordings = [_loaded(order, name) for name in order.recordings]
    if order.values is not None:
        made = _values(order, order.values, recordings, tell)
    elif order.base is None:
        made = _from_nothing(order, recordings, tell)
    elif order.unlabelled:
        made = _worn_again(order, recordings, tell)
    else:
        made = _child(order, recordings, tell)
    tell(CHECKING)
    proof = verified(made.artefact.path)
    name, found = made.artefact.manifest.name, made.judgement
    return {
        "folder": str(made.artefact.path),
        "metrics": made.metrics,
        "comparison": None if made.comparison is None else made.comparison.as_json(),
        "beside": [] if found is None else [row.as_json() for row in beside(name, found, made.others)],
        "tested": None if found is None else extent_of(found).as_json(),
        "advised": [hint.as_json() for hint in made.hints],
        "edges": {} if made.told is None else edges_of(order.recordings, recordings, made.told),
        "proof": {"by": proof.by, "windows": proof.windows, "difference": proof.difference},
    }


def _loaded(order: TrainingOrder, name: str) -> Recording:
    """Return a recording of the server's, its gestures called as they are from now on."""
    path = Path(order.aside) / f"{name}.npz"
    try:
        write_npz(Path(order.root), name, path, refined=False)  # it begins with the cues
        [found] = load_path(path, labelled=False)
    except RecordingNameError as error:
        raise LearningError(Hint("recording_gone", str(error), {"recording": name})) from None
    except DataError as error:
        raise LearningError(Hint("damaged", str(error), {"recording": name})) from None
    finally:
        path.unlink(missing_ok=True)
    if order.base is not None:  # the child's gestures are called anew together with the base's
        return found
    return replace(found, gesture_names=tuple(order.classes.get(one, one) for one in found.gesture_names))


def _from_nothing(order: TrainingOrder, recordings: Sequence[Recording], tell: Stage) -> Outcome:
    from app.learning.own.making import new

    made = new(recordings, _target(order), mains=order.mains, person=order.person, tell=tell)
    metrics = made.artefact.manifest.metrics["own"]
    learned = made.learned
    said: dict[str, Any] = {"told": learned.told, "hints": learned.hints, "judgement": learned.judgement}
    if order.rival is None:
        return Outcome(artefact=made.artefact, metrics=metrics, comparison=None, **said)
    rows = [test for _, test in folds(learned.windows)]
    comparison = _in_use(order, order.rival, recordings, learned.windows, rows, tell)
    others = [_other(IN_USE, comparison)]
    return Outcome(artefact=made.artefact, metrics=metrics, comparison=comparison, others=others, **said)


def _values(order: TrainingOrder, stream: str, recordings: Sequence[Recording], tell: Stage) -> Outcome:
    """Return a model of what was followed; it stands beside a linear regression, and beside no model of gestures."""
    from app.learning.values.making import new_values

    made = new_values(
        recordings, _target(order), stream=stream, mains=order.mains, person=order.person, tell=tell
    )
    metrics = made.artefact.manifest.metrics["values"]
    comparison = None
    if order.rival is not None:
        why = "values are compared with a linear regression and the mean, not with another model"
        name = artefact.load(order.rival).manifest.name
        comparison = Comparison(model=name, balanced_accuracy=None, why=why)
    return Outcome(artefact=made.artefact, metrics=metrics, comparison=comparison)


def _in_use(
    order: TrainingOrder,
    rival: str,
    recordings: Sequence[Recording],
    windows: OwnWindows,
    rows: Sequence[Ids],
    tell: Stage,
) -> Comparison:
    tell(COMPARING)
    hashes = {sha for one in recordings for sha in content_hashes(one).values()}
    return compared(artefact.load(rival), windows, rows, hashes, order.mains)


def _other(who: str, found: Comparison) -> Other:
    return Other(who=who, model=found.model, predicted=found.predicted, why=found.why)


def _worn_again(order: TrainingOrder, recordings: Sequence[Recording], tell: Stage) -> Outcome:
    """Return the base as the signal alone says that it is worn now; no label is looked at, so nothing judges it."""
    from app.learning.covariance.guided_minute import learn_minute, said_of
    from app.learning.target import Target

    assert order.base is not None
    recording = merged(recordings)
    made = learn_minute(
        artefact.load(order.base),
        recording,
        Target(path=_target(order)),
        session=int(recording.session[0]),
        mains=order.mains,
        person=order.person,
        tell=tell,
    )
    metrics = made.manifest.metrics["alignment"]
    hints = said_of(metrics)
    metrics = {**metrics, "advice": [hint.text for hint in hints]}
    return Outcome(artefact=made, metrics=metrics, comparison=None, hints=hints)


def _child(order: TrainingOrder, recordings: Sequence[Recording], tell: Stage) -> Outcome:
    from app.learning.memory import expect_not_taught, weights_for
    from app.learning.own.adapting import Choice, adapt
    from app.learning.target import Target

    assert order.base is not None
    base = artefact.load(order.base)
    content = {sha for one in recordings for sha in content_hashes(one).values()}
    weights_for(base, content)
    expect_not_taught(base, content)  # it would be compared on what it knows
    recording = merged(recordings)
    choice = Choice(
        session=int(recording.session[0]), repetitions=None, rename=order.classes, person=order.person
    )
    heard: list[Heard] = []
    made = adapt(
        base,
        recording,
        Target(path=_target(order)),
        choice,
        mains=order.mains,
        even_if_worse=True,
        content=content,
        tell=tell,
        heard=heard.append,
    )
    metrics = made.manifest.metrics["calibration"]
    before = metrics.get("balanced_accuracy_before")
    if before is None:
        known = set(base.manifest.classes) & {_before(order, name) for name in made.manifest.classes}
        comparison = without_comparison(base, len(known), len(made.manifest.classes))
    else:
        comparison = Comparison(model=base.manifest.name, balanced_accuracy=before)
    [said] = heard
    others = [] if said.tested is None else _others(order, base, recordings, said, tell)
    return Outcome(
        artefact=made,
        metrics=metrics,
        comparison=comparison,
        told=said.told,
        hints=said.hints,
        judgement=None if said.tested is None else said.tested.found,
        others=others,
    )


def _others(
    order: TrainingOrder, base: Artefact, recordings: Sequence[Recording], said: Heard, tell: Stage
) -> list[Other]:
    """Return the parent, and the model in use where that is another one."""
    assert said.tested is not None
    used = order.rival is not None and Path(order.rival) == Path(order.base or "")
    why = None if said.before is not None else f"{base.manifest.name} knows none of these gestures"
    parent = Other(who=IN_USE if used else PARENT, model=base.manifest.name, predicted=said.before, why=why)
    if used or order.rival is None:
        return [parent]
    comparison = _in_use(order, order.rival, recordings, said.windows, [said.tested.rows], tell)
    return [_other(IN_USE, comparison), parent]


def edges_of(
    names: Sequence[str], recordings: Sequence[Recording], told: Refinement
) -> dict[str, dict[str, Any]]:
    """Return what became of the labels of each recording, in its own rows; nothing of one that was resampled.

    They were learned from end to end, in that order.
    """
    found: dict[str, dict[str, Any]] = {}
    if any(not same_rate(one.fs, recordings[0].fs) for one in recordings) or not told.placed:
        return {}
    begin = 0
    for name, one in zip(names, recordings, strict=True):
        end = begin + len(one.emg)
        found[name] = {
            "edges": [
                [cue - begin, None if at is None else at - begin]
                for cue, at in told.placed
                if begin <= cue < end
            ],
            "left_out": [
                [first - begin, min(last, end) - begin]
                for first, last in told.without
                if begin <= first < end
            ],
        }
        begin = end
    return found


def _before(order: TrainingOrder, name: str) -> str:
    """Return what the base calls that gesture."""
    return next((old for old, new in order.classes.items() if new == name), name)


def _target(order: TrainingOrder) -> Path:
    return Path(order.aside) / order.name


def merged(recordings: Sequence[Recording]) -> Recording:
    """Return the recordings as one session of one: its repetitions are counted on from each to the next.

    Raises:
        DataError: their channels or rates differ.
    """
    first = recordings[0]
    if len(recordings) == 1 and len(np.unique(first.session)) == 1:
        return first
    names = list(dict.fromkeys(name for one in recordings for name in one.gesture_names))
    columns: dict[str, list[Any]] = {key: [] for key in ("emg", "label", "repetition", "recording")}
    repetitions = pieces = 0
    for one in recordings:
        if one.channels != first.channels or not same_rate(one.fs, first.fs):
            text = (
                f"{one.name} has {one.channels} channels at {one.fs:g} Hz, {first.name} {first.channels} at "
                f"{first.fs:g} Hz; one model takes recordings of one device"
            )
            raise LearningError(Hint("other_device", text, {"recordings": [first.path.stem, one.path.stem]}))
        to_all = np.array([*(names.index(name) for name in one.gesture_names), -1])
        for session in np.unique(one.session):
            own = one.session == session
            counted = one.repetition[own].astype(np.int64)
            number = np.cumsum(np.diff(one.recording[own], prepend=one.recording[own][0]) != 0) + pieces
            columns["emg"].append(in_units(one, first.units).emg[own])
            columns["label"].append(to_all[one.label[own]])
            columns["repetition"].append(np.where(counted > 0, counted + repetitions, 0))
            columns["recording"].append(number)
            repetitions, pieces = repetitions + int(counted.max(initial=0)), int(number[-1]) + 1
    found = {key: np.concatenate(parts) for key, parts in columns.items()}
    label = found["label"].astype(np.int16)
    return replace(
        first,
        path=Path(", ".join(one.name for one in recordings)),  # it is said in the card, and never read
        emg=found["emg"],
        label=label,
        label_cue=label,
        repetition=found["repetition"].astype(np.int16),
        session=np.ones(len(label), np.int16),
        recording=found["recording"].astype(np.int16),
        gesture_names=tuple(names),
        aux=(),
    )
