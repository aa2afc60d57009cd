"""`model calibrate` of a covariance model: one person's first repetitions, of any of its gestures and of new ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.emg.files.recordings import Recording, in_units
from app.errors import DataError
from app.inference import artefact
from app.inference.artefact import WEIGHTS, Artefact, weights_bytes
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.covariance.shared_stem import STEM
from app.inference.manifest import Manifest
from app.learning.covariance.graph import covariance_graph, stem_graph
from app.learning.covariance.head import Head, Ids
from app.learning.covariance.known import is_ring, own_confidence, prior_file, prior_of
from app.learning.covariance.own import head_of_sessions, with_copies
from app.learning.datasets import content_hashes
from app.learning.memory import seen_by, taught_by, weights_for
from app.learning.own.advice import advice
from app.learning.own.card import child_card
from app.learning.own.child_judging import (
    Heard,
    counted,
    expect_better,
    figures,
    parents_predictions,
    tested_in_turn,
    tested_on_later,
)
from app.learning.own.cues import refined
from app.learning.own.graph_check import expect_parity
from app.learning.own.hint import Hint, LearningError
from app.learning.own.joined import Joined, join
from app.learning.own.making import (
    GRAPH,
    PROJECTION,
    arrays_of,
    efforts,
    expect_seconds,
    expect_windows,
    levels,
    of_person,
    tempered,
)
from app.learning.own.signal_plan import SignalPlan, filtered
from app.learning.own.teaching import Taught, changed
from app.learning.own.windows import OwnWindows, Scale, cut
from app.learning.progress import CHECKING, EDGES, JUDGING, LEARNING, Stage, unheard
from app.learning.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What of a recording is learned, and what its gestures are called."""

    session: int = 1
    repetitions: int | None = (
        1  # the first ones; later ones judge. None: all, once each was judged by a model of the others
    )
    rename: Mapping[str, str] | None = None  # of the parent's gestures, to what they are called from now on
    person: str | None = None  # whose it is


def adapt(
    parent: Artefact,
    recording: Recording,
    out: Target,
    choice: Choice,
    *,
    mains: float | None,
    even_if_worse: bool = False,
    content: Collection[str] | None = None,
    tell: Stage = unheard,
    heard: Callable[[Heard], None] | None = None,
) -> Artefact:
    """Write a child that knows the gestures that the recording shows, be they the parent's or new.

    `content` are the content hashes of what was joined to the recording, where it is of several; else it is its own.
    `heard` is told what became of the labels of its session, how it was judged, and what would make it better.

    Raises:
        DataError: the session is not there, shows one gesture only, or less than it takes to learn one.
        NotBetterError: the child is no better on later repetitions than the parent, or than chance; nothing is written.
        ArtefactError: `out` cannot be written.
    """
    started = time.perf_counter()
    names = renamed(parent.manifest.classes, choice.rename or {})
    hashes = content_hashes(recording)
    file = weights_for(parent, hashes.values())
    joined = _session(parent, recording, names, choice)
    tell(EDGES)
    plan = plan_of(parent.manifest)
    signal = _from_zero(filtered(joined, plan, mains), parent.manifest)
    clean, moved = refined(joined, signal)
    windows = cut(clean, signal, plan)
    count = choice.repetitions or int(windows.repetition.max(initial=1))
    rows = np.flatnonzero(windows.repetition <= count)
    _expect_each(windows, rows, replace(choice, repetitions=count))
    scale = scale_in(parent, file)

    def teach(some: Ids, repetitions: int) -> Taught:
        return _taught((parent, file), names, windows, some, scale, repetitions)

    tell(LEARNING)
    taught = teach(rows, count)
    tell(JUDGING)
    if choice.repetitions is None:
        tested = tested_in_turn(windows, teach, count)
    else:
        tested = tested_on_later(windows, taught, rows)
    before = (
        None if tested is None else parents_predictions((parent, file), names, windows, scale, tested.rows)
    )
    metrics = {} if tested is None else figures(names, windows, tested, before)
    if metrics and not even_if_worse:
        expect_better(metrics)
    metrics = {**counted(moved), **metrics, "seconds": round(time.perf_counter() - started, 2)}
    found, curve = (None, ()) if tested is None else (tested.found, tested.curve)
    hints = advice(clean, windows, moved, found, curve)
    metrics["advice"] = [hint.text for hint in hints]
    if heard is not None:
        heard(Heard(told=moved, hints=hints, windows=windows, tested=tested, before=before))
    tell(CHECKING)
    own = hashes[choice.session]
    seen = {
        "calibration": {"session_sha256": own, "session": choice.session, "repetitions": count},
        "taught": sorted(taught_by(parent).union((own,) if content is None else content)),
        **of_person(choice.person),
    }
    return _save(parent, out, file, (windows, taught, rows), seen, metrics)


def renamed(classes: Sequence[str], rename: Mapping[str, str]) -> tuple[str, ...]:
    """Return what the parent's gestures are called from now on.

    Raises:
        DataError: one of them is none of the parent's, or two would have one name.
    """
    unknown = [name for name in rename if name not in classes]
    if unknown:
        raise DataError(
            f"--rename {unknown[0]}=...: the model has no such gesture; it has {', '.join(classes)}"
        )
    names = tuple(rename.get(name, name) for name in classes)
    if len(set(names)) < len(names):
        raise DataError(f"two gestures would have one name: {', '.join(names)}")
    return names


def plan_of(manifest: Manifest) -> SignalPlan:
    """Return how the parent reads a signal, which its child does too."""
    return SignalPlan(
        filters=manifest.filters,
        length=manifest.length,
        context=manifest.context,
        parameters=CovarianceParameters.read(manifest.hyper_parameters),
    )


def scale_in(parent: Artefact, file: str = WEIGHTS) -> Scale:
    """Return the parent's levels, floor and directions."""
    manifest = parent.manifest
    projection = parent.weights(file).get(PROJECTION)
    return Scale(
        std=manifest.std.astype(np.float64),
        parameters=CovarianceParameters.read(manifest.hyper_parameters),
        projection=None if projection is None else projection.astype(np.float64),
    )


def _session(parent: Artefact, recording: Recording, names: Sequence[str], choice: Choice) -> Joined:
    """Return that session of the recording, its gestures called as they are from now on; the parent's come first.

    Raises:
        DataError: there is no such session, or it shows too little.
    """
    manifest = parent.manifest
    here = recording.session == choice.session
    if not here.any():
        there = ", ".join(str(number) for number in np.unique(recording.session))
        raise DataError(f"{recording.name}: has no session {choice.session}; it has {there}")
    own = tuple((choice.rename or {}).get(name, name) for name in recording.gesture_names)
    columns = ("emg", "label", "label_cue", "repetition", "session", "recording")
    part = replace(
        in_units(recording, manifest.units),
        gesture_names=own,
        aux=(),
    )
    part = replace(part, **{name: getattr(part, name)[here] for name in columns})
    rest = names[manifest.classes.index(manifest.rest_class)]
    joined = join([part], rest=rest)
    expect_seconds(joined)
    return _ordered(joined, names)


def _ordered(joined: Joined, names: Sequence[str]) -> Joined:
    """Return the same with the parent's gestures in their order, then the new ones."""
    place = {name: k for k, name in enumerate(names)}
    order = sorted(range(len(joined.classes)), key=lambda k: (place.get(joined.classes[k], len(place)), k))
    to_new = np.array([*np.argsort(order), -1])
    return replace(
        joined,
        label=to_new[joined.label],
        classes=tuple(joined.classes[k] for k in order),
        rest=int(np.argsort(order)[joined.rest]),
    )


def _from_zero(signal: Any, manifest: Manifest) -> Any:
    return np.asarray(signal - manifest.mean, np.float32) if manifest.mean.any() else signal


def _expect_each(windows: OwnWindows, rows: Ids, choice: Choice) -> None:
    expect_windows(windows)
    counts = np.bincount(windows.label[rows], minlength=len(windows.joined.classes))
    few = [name for name, count in zip(windows.joined.classes, counts, strict=True) if count < 2]
    if few:
        text = (
            f"{windows.joined.names[0]}, session {choice.session}, repetitions 1 to {choice.repetitions}: shows no "
            f"{', '.join(few)}"
        )
        raise LearningError(Hint("not_there", text, {"gestures": few}))


def _taught(
    known: tuple[Artefact, str],
    names: Sequence[str],
    windows: OwnWindows,
    rows: Ids,
    scale: Scale,
    repetitions: int,
) -> Taught:
    """Return the child that those windows teach, its probabilities as so many repetitions usually make them."""
    head = _head(known, names, windows, rows, scale, repetitions)
    temperature = own_confidence(known[0], repetitions).temperature
    return tempered(Taught(scale, head), temperature, windows.joined.rest)


def _head(
    known: tuple[Artefact, str],
    names: Sequence[str],
    windows: OwnWindows,
    rows: Ids,
    scale: Scale,
    repetitions: int,
) -> Head:
    """Return the head that those windows teach, weighed against the people whom the parent's weights learned from."""
    parent, file = known
    features = [scale.features(windows.moments[rows]), scale.features(changed(windows, rows, scale))]
    label, again = windows.label[rows], np.arange(len(rows))
    classes = [names.index(name) if name in names else None for name in windows.joined.classes]
    return head_of_sessions(
        with_copies(np.concatenate(features), label, np.zeros_like(label), again, repetitions),
        classes,
        prior_of(parent, file) if prior_file(file) in parent.manifest.files else None,
        bands=len(scale.parameters.bands_hz),
        rest=windows.joined.rest,
        ring=is_ring(parent),
    )


def _save(
    parent: Artefact,
    out: Target,
    file: str,
    learned: tuple[OwnWindows, Taught, Ids],
    seen: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> Artefact:
    windows, taught, _ = learned
    joined = windows.joined
    rest_rms, active_rms = levels(windows)
    changes: dict[str, Any] = {
        "name": out.path.name,
        "classes": joined.classes,
        "rest_class": joined.classes[joined.rest],
        "hyper_parameters": taught.head.shaping(taught.scale.parameters).as_json(),
        "rest_rms": rest_rms,
        "active_rms": active_rms,
        "strength": efforts(windows),
        "reject_below": own_confidence(parent, seen["calibration"]["repetitions"]).reject_below,
    }
    weights = arrays_of(taught)
    files: dict[str, bytes] = {WEIGHTS: weights_bytes(weights)}
    if out.graphs:
        own = replace(parent.manifest, **changes)
        graph = covariance_graph(own, weights)
        expect_parity(graph, windows, taught)
        files |= {GRAPH: graph, STEM: stem_graph(own, weights)}
    training = {
        **parent.manifest.training,
        "hashes": seen_by(parent, file),
        "runs": {},
        **seen,
    }
    return artefact.save_child(
        parent,
        out.path,
        files,
        replacing=out.replacing,
        card=child_card(out.path.name, parent.manifest.name, joined, metrics),
        training=training,
        metrics={"calibration": dict(metrics)},
        **changes,
    )
