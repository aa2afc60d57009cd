"""`model new`: from recordings to an artefact with weights, a graph that was checked, figures and a card."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.files.recordings import Recording
from app.inference import artefact
from app.inference.artefact import WEIGHTS, Artefact, weights_bytes
from app.inference.manifest import Manifest
from app.inference.strength import Effort, effort_of
from app.learning.confidence import (
    calibration_error,
    probabilities,
    reject_threshold,
)
from app.learning.covariance.graph import covariance_graph
from app.learning.covariance.head import Head
from app.learning.operating_point import REST_LEAN, RULE
from app.learning.own.advice import advice
from app.learning.own.card import card
from app.learning.own.cues import Refinement, refined
from app.learning.own.graph_check import expect_parity
from app.learning.own.hint import Hint, LearningError
from app.learning.own.joined import Joined, join
from app.learning.own.judging import Judgement, judge
from app.learning.own.learning_curve import CurvePoint, learning_curve
from app.learning.own.signal_plan import SignalPlan, choose, filtered
from app.learning.own.teaching import Taught, teach
from app.learning.own.windows import OwnWindows, cut
from app.learning.progress import CHECKING, EDGES, JUDGING, LEARNING, Stage, unheard

LEAST_S = 1.0  # of a class
LEAST_WINDOWS = 2
ARCHITECTURE = "covariance"
GRAPH, PROJECTION = "model.onnx", "project.weight"
UNJUDGED_TEMPERATURE = 3.0  # where no repetition is left to fit one on: what people's own models mostly take
TEMPERATURES = np.geomspace(1.0, 10.0, 41)  # without a mistake among the windows the likeliest is nearly 0
ASTRAY = (
    0.05  # of the windows may be anything: a repetition made otherwise must not set the temperature of all
)

Arrays = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learned:
    """What was learned of recordings, before it is written."""

    joined: Joined  # with the labels that were learned from
    plan: SignalPlan
    windows: OwnWindows
    told: Refinement
    judgement: Judgement | None
    curve: tuple[CurvePoint, ...]  # by how many repetitions are learned from
    scale_and_head: Taught  # the head's temperature is in its weights
    temperature: float
    reject_below: float | None
    calibration_error: float | None
    hints: tuple[Hint, ...]

    @property
    def advice(self) -> tuple[str, ...]:
        """What would make it better, a sentence each."""
        return tuple(hint.text for hint in self.hints)

    @property
    def said(self) -> tuple[str, ...]:
        """What was chosen or assumed."""
        return (*self.joined.said, *self.plan.said)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """A model of one's own, written."""

    artefact: Artefact
    learned: Learned
    seconds: float  # of computing, all threads together


def new(
    recordings: Sequence[Recording],
    path: Path,
    *,
    gestures: Sequence[str] | None = None,
    rest: str | None = None,
    mains: float | None = 50.0,
    refine: bool = True,
    replacing: bool = False,
    even_if_worse: bool = False,
    person: str | None = None,
    tell: Stage = unheard,
) -> Made:
    """Write a model that was learned from those recordings alone; `person` is whose it is.

    Raises:
        DataError: they cannot teach a model, or what they taught is no better than chance; nothing is written.
        ArtefactError: `path` cannot be written.
    """
    started = time.process_time()
    learned = learn(recordings, gestures=gestures, rest=rest, mains=mains, refine=refine, tell=tell)
    if not even_if_worse:
        expect_better_than_chance(learned.judgement)
    taught = learned.scale_and_head
    tell(CHECKING)
    weights = arrays_of(taught)
    manifest = manifest_of(path.name, learned, time.process_time() - started, person)
    graph = covariance_graph(manifest, weights)
    expect_parity(graph, learned.windows, taught)
    files: dict[str, bytes | Path] = {WEIGHTS: weights_bytes(weights), GRAPH: graph}
    made = artefact.save(path, manifest, files, replacing=replacing, card=card(manifest, learned))
    return Made(artefact=made, learned=learned, seconds=time.process_time() - started)


def learn(
    recordings: Sequence[Recording],
    *,
    gestures: Sequence[str] | None = None,
    rest: str | None = None,
    mains: float | None = 50.0,
    refine: bool = True,
    tell: Stage = unheard,
) -> Learned:
    """Return what recordings teach, and how good it is on repetitions left out.

    Raises:
        DataError: they cannot teach a model; one line says which gesture or file it is, and why.
    """
    joined = join(recordings, gestures, rest)
    expect_seconds(joined)
    tell(EDGES)
    plan = choose(joined, mains)
    signal = filtered(joined, plan, mains)
    clean, told = refined(joined, signal) if refine else (joined, Refinement())
    windows = cut(clean, signal, plan)
    expect_windows(windows)
    tell(JUDGING)
    judgement = judge(windows)
    curve = learning_curve(windows, judgement, lambda rows, _: teach(windows, rows))
    tell(LEARNING)
    taught, temperature, level, error = confident(
        teach(windows, np.arange(len(windows))), judgement, clean.rest
    )
    return Learned(
        joined=clean,
        plan=plan,
        windows=windows,
        told=told,
        judgement=judgement,
        curve=curve,
        scale_and_head=taught,
        temperature=temperature,
        reject_below=level,
        calibration_error=error,
        hints=advice(clean, windows, told, judgement, curve),
    )


def expect_seconds(joined: Joined) -> None:
    """See that every class was shown for LEAST_S.

    Raises:
        DataError: names those that were not.
    """
    lasting = [(name, joined.seconds(k)) for k, name in enumerate(joined.classes)]
    short = [(name, seconds) for name, seconds in lasting if seconds < LEAST_S]
    if short:
        said = ", ".join(f"{name} lasts {seconds:.2g} s" for name, seconds in short)
        text = f"{said}; a model needs {LEAST_S:g} s of every gesture at least, better 2 x 5 s"
        values = {"gestures": [name for name, _ in short], "seconds": LEAST_S}
        raise LearningError(Hint("too_short", text, values))


def expect_windows(windows: OwnWindows) -> None:
    """See that windows of every class are left.

    Raises:
        DataError: names the classes without.
    """
    joined = windows.joined
    counts = np.bincount(windows.label, minlength=len(joined.classes))
    few = [name for name, count in zip(joined.classes, counts, strict=True) if count < LEAST_WINDOWS]
    if few:
        span = windows.plan.length / joined.rate
        text = (
            f"{', '.join(few)}: no stretch is as long as a window of {span:.2g} s once its edges are found; hold every "
            "gesture for 5 s"
        )
        raise LearningError(Hint("no_stretch", text, {"gestures": few, "seconds": round(span, 3)}))


def expect_better_than_chance(judgement: Judgement | None) -> None:
    """Refuse what does not tell gestures apart.

    Raises:
        DataError: the interval of the balanced accuracy reaches what guessing gives.
    """
    if judgement is None:
        return
    guessing = max(judgement.chance, 1 / int((judgement.confusion.sum(1) > 0).sum()))
    if judgement.interval[0] <= guessing:
        low, high = judgement.interval
        text = (
            f"balanced accuracy {judgement.balanced_accuracy:.2f} ({low:.2f}-{high:.2f}) on repetitions left out is no "
            f"better than guessing ({guessing:.2f}), so nothing was written; do the labels fit the signal?"
        )
        accuracy = round(judgement.balanced_accuracy, 4)
        raise LearningError(Hint("guessing", text, {"accuracy": accuracy, "chance": round(guessing, 4)}))


def confident(
    taught: Taught, judgement: Judgement | None, rest: int
) -> tuple[Taught, float, float | None, float | None]:
    """Return the model with its temperature, that, what its largest logit should reach, and what error is left."""
    if judgement is None:
        return tempered(taught, UNJUDGED_TEMPERATURE, rest), UNJUDGED_TEMPERATURE, None, None
    temperature = likeliest_temperature(judgement.logits, judgement.label)
    logits = judgement.logits / temperature
    logits[:, rest] += REST_LEAN
    error = calibration_error(probabilities(logits), judgement.label)
    return tempered(taught, temperature, rest), temperature, reject_threshold(logits), error


def likeliest_temperature(logits: npt.NDArray[np.float64], label: npt.NDArray[np.int64]) -> float:
    """Return the temperature that makes the labels likeliest, where a few windows may be of anything.

    Without those few, windows of one gesture that was made otherwise are so unlikely that they outweigh all the
    others: one of 25 people had a temperature of 9, and an error of calibration of 0.16 instead of 0.04.
    """

    def unlikely(temperature: float) -> float:
        right = probabilities(logits, temperature)[np.arange(len(label)), label]
        return float(-np.log((1 - ASTRAY) * right + ASTRAY / logits.shape[1]).mean())

    return float(min(TEMPERATURES, key=unlikely))


def tempered(taught: Taught, temperature: float, rest: int) -> Taught:
    """Return the model whose probabilities mean what they say, by that temperature and a prior of rest."""
    return Taught(taught.scale, taught.head.tempered(temperature).leaning(rest, REST_LEAN))


def arrays_of(taught: Taught) -> Arrays:
    """Return the tensors of the artefact."""
    arrays: Arrays = dict(taught.head.arrays())
    if taught.scale.projection is not None:
        arrays[PROJECTION] = taught.scale.projection.astype(np.float32)
    return arrays


def manifest_of(name: str, learned: Learned, seconds: float, person: str | None = None) -> Manifest:
    """Return what is known of the model."""
    joined, plan = learned.joined, learned.plan
    scale, head = learned.scale_and_head.scale, learned.scale_and_head.head
    rest_rms, active_rms = levels(learned.windows)
    return Manifest(
        name=name,
        version="1.0.0",
        architecture=ARCHITECTURE,
        hyper_parameters=_hyper_parameters(learned, head),
        channels=joined.channels,
        length=plan.length,
        context=plan.context,
        sampling_rate=joined.rate,
        units=joined.units,
        filters=plan.filters,
        mean=np.zeros(joined.channels, np.float32),
        std=scale.std.astype(np.float32),
        classes=joined.classes,
        rest_class=joined.classes[joined.rest],
        rest_rms=rest_rms,
        active_rms=active_rms,
        strength=efforts(learned.windows),
        decision=RULE,
        reject_below=learned.reject_below,
        training={**training_of(joined, learned), **of_person(person)},
        metrics={"own": {**metrics_of(learned), "seconds": round(seconds, 2)}},
    )


def _hyper_parameters(learned: Learned, head: Head) -> dict[str, Any]:
    parameters = learned.scale_and_head.scale.parameters
    return head.shaping(parameters).as_json()


def levels(windows: OwnWindows) -> tuple[float, float]:
    """Return the contraction levels of rest and of a full gesture, in units of the signal."""
    rms = np.sqrt(windows.power(np.arange(len(windows)))).mean(axis=1)
    resting = windows.label == windows.joined.rest
    rest, active = float(rms[resting].mean()), float(rms[~resting].mean())
    return rest, max(active, 1.001 * rest + 1e-9)


def efforts(windows: OwnWindows) -> dict[str, Effort]:
    """Return what each gesture shows at rest and at the effort at which it was made; none that is no stronger."""
    power = windows.power(np.arange(len(windows)))
    resting = power[windows.label == windows.joined.rest]
    found = {
        name: effort_of(resting, power[windows.label == k])
        for k, name in enumerate(windows.joined.classes)
        if k != windows.joined.rest
    }
    return {name: effort for name, effort in found.items() if effort is not None}


def of_person(person: str | None) -> dict[str, str]:
    """Return what a model's training says of whose it is; nothing where nobody has said it."""
    return {} if person is None else {"person": person}


def training_of(joined: Joined, learned: Learned) -> dict[str, Any]:
    """Return what the model was taught with."""
    told = learned.told
    return {
        "dataset": "own recordings",
        "recordings": list(joined.names),
        "seconds": {name: round(joined.seconds(k), 1) for k, name in enumerate(joined.classes)},
        "labels": {
            "edges": told.edges,
            "moved_s": round(told.moved_s, 3),
            "left_out": told.left_out,
            "vague": told.vague,
        },
        "hashes": [sha for sessions in joined.hashes for sha in sessions.values()],
        "temperature": round(learned.temperature, 4),
    }


def metrics_of(learned: Learned) -> dict[str, Any]:
    """Return the figures of repetitions left out; that there are none where there was one repetition."""
    found = learned.judgement
    if found is None:
        return {"split": "not judged: one repetition", "advice": list(learned.advice)}
    recall = zip(found.classes, found.recall, strict=True)
    return {
        "split": "leave one repetition out",
        "balanced_accuracy": round(found.balanced_accuracy, 4),
        "interval": [round(value, 4) for value in found.interval],
        "lda_balanced_accuracy": round(found.lda, 4),
        "chance": round(found.chance, 4),
        "repetitions": found.repetitions,
        "windows": found.windows,
        "per_class_recall": {name: None if r is None else round(r, 4) for name, r in recall},
        "confusion": found.confusion.tolist(),
        "learning_curve": [point.as_json() for point in learned.curve],
        "calibration_error": round(learned.calibration_error or 0.0, 4),
        "advice": list(learned.advice),
    }
