"""`model new --values`: from recordings with a followed trajectory to a model that gives values."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.files.recordings import Recording
from app.emg.source import Samples
from app.errors import DataError
from app.inference import artefact
from app.inference.artefact import WEIGHTS, Artefact, weights_bytes
from app.inference.control import ControlRule
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.history import with_history
from app.inference.manifest import Manifest
from app.inference.outputs import VALUES, Outputs
from app.learning.covariance.graph import covariance_graph
from app.learning.own.graph_check import WINDOWS, expect_answers
from app.learning.own.making import ARCHITECTURE, GRAPH, of_person
from app.learning.own.signal_plan import LEAST_SAMPLES, UNPROJECTED, WINDOW_MS, SignalPlan, choose, filtered
from app.learning.progress import CHECKING, JUDGING, LEARNING, Stage, unheard
from app.learning.values.card import card
from app.learning.values.followed import Followed, follow
from app.learning.values.judging import LINEAR, MODEL, Judgement, folds, judge
from app.learning.values.regression import KernelRidge, penalty_for, taught
from app.learning.values.windows import FollowedWindows, cut

READS_MS, TAU_MS = 800.0, 200.0  # with the window; what is older would make a movement late
FLOOR = 0.1  # of the mean power: below it a channel says little, and its logarithm much
# What halves how much a hand that is held still trembles, for 19 ms, and a twentieth of the way about neutral: what was
# tried is in docs/proportional.md.
CONTROL = ControlRule(min_cutoff_hz=1.0, beta=8.0, derivative_cutoff_hz=1.0, dead_band=0.05)
LEAST_R2 = 0.1  # what explains less is no better than a hand that stays where it mostly is
LEAST_WINDOWS = 200

Arrays = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LearnedValues:
    """What was learned of recordings, before it is written."""

    found: Followed
    plan: SignalPlan
    windows: FollowedWindows
    regression: KernelRidge
    judgement: Judgement
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MadeValues:
    """A model of values, written."""

    artefact: Artefact
    learned: LearnedValues
    signal: Samples  # filtered
    seconds: float  # of computing, all threads together


def new_values(
    recordings: Sequence[Recording],
    path: Path,
    *,
    stream: str | None = None,
    mains: float | None = 50.0,
    replacing: bool = False,
    even_if_worse: bool = False,
    person: str | None = None,
    tell: Stage = unheard,
) -> MadeValues:
    """Write a model of the values that the recordings have beside their EMG, in the stream of that name.

    Raises:
        DataError: they cannot teach one, or what they taught explains next to nothing; nothing is written.
        ArtefactError: `path` cannot be written.
    """
    started = time.process_time()
    learned, signal = learn_values(recordings, stream=stream, mains=mains, tell=tell)
    r2 = float(learned.judgement.r2(MODEL).mean())
    if r2 < LEAST_R2 and not even_if_worse:
        raise DataError(
            f"R2 {r2:.2f} on stretches left out is next to nothing, so nothing was written; was "
            f"{learned.found.stream} followed, and by the muscles under the electrodes?"
        )
    tell(CHECKING)
    weights = arrays_of(learned)
    manifest = _manifest_of(path.name, learned, time.process_time() - started, person)
    graph = covariance_graph(manifest, weights)
    expect_answers(graph, manifest, weights, _some(learned, signal))
    files: dict[str, bytes | Path] = {WEIGHTS: weights_bytes(weights), GRAPH: graph}
    made = artefact.save(path, manifest, files, replacing=replacing, card=card(manifest, learned.found))
    return MadeValues(artefact=made, learned=learned, signal=signal, seconds=time.process_time() - started)


def learn_values(
    recordings: Sequence[Recording],
    *,
    stream: str | None = None,
    mains: float | None = 50.0,
    tell: Stage = unheard,
) -> tuple[LearnedValues, Samples]:
    """Return what recordings teach, how good it is on stretches left out, and the filtered signal.

    Raises:
        DataError: they cannot teach a model; one line says why.
    """
    found = follow(recordings, stream)
    plan = plan_for(found, mains)
    signal = filtered(found.joined, plan, mains)
    windows = cut(found, signal, plan)
    parts = folds(windows, found.joined.rate, plan.reads)
    if len(windows) < LEAST_WINDOWS or not parts:
        raise DataError(
            f"{found.stream}: {len(windows)} windows are whole; a model needs {LEAST_WINDOWS} at least, without a "
            "break, better two minutes"
        )
    _expect_movement(found, windows)
    tell(JUDGING)
    low, high = np.array([[value.low, value.high] for value in found.values]).T
    known = taught(windows, found.neutral, low, high)
    penalty = penalty_for(known, parts)
    judgement = judge(found, windows, known, penalty, plan.reads)
    tell(LEARNING)
    regression = known.fit(np.arange(len(windows)), penalty)
    learned = LearnedValues(
        found=found,
        plan=plan,
        windows=windows,
        regression=regression,
        judgement=judgement,
        advice=_advice(windows, judgement),
    )
    return learned, signal


def plan_for(found: Followed, mains: float | None) -> SignalPlan:
    """Return how the signal is read.

    Raises:
        DataError: more channels than covariances of all pairs are taken of.
    """
    joined = found.joined
    if joined.channels > UNPROJECTED:
        raise DataError(
            f"{joined.names[0]} has {joined.channels} channels; values are learned from up to {UNPROJECTED}"
        )
    length = max(LEAST_SAMPLES, round(WINDOW_MS * joined.rate / 1e3))
    reads = max(length, round(READS_MS * joined.rate / 1e3))
    parameters = CovarianceParameters(floor=FLOOR, tau_ms=TAU_MS)
    return replace(choose(joined, mains), length=length, context=reads - length, parameters=parameters)


def arrays_of(learned: LearnedValues) -> Arrays:
    """Return the tensors of the artefact."""
    one = learned.regression
    arrays = {"centres.weight": one.centres, "head.weight": one.weight.T, "head.bias": one.neutral}
    return {name: np.ascontiguousarray(values, np.float32) for name, values in arrays.items()}


def _expect_movement(found: Followed, windows: FollowedWindows) -> None:
    still = [
        value.name
        for value, column in zip(found.values, windows.target.T, strict=True)
        if not np.ptp(column) > 1e-3 * (value.high - value.low)
    ]
    if still:
        raise DataError(f"{found.stream}: {', '.join(still)} does not move in any whole window")


def _advice(windows: FollowedWindows, judgement: Judgement) -> tuple[str, ...]:
    said = []
    ahead = float(judgement.mae(LINEAR).mean() - judgement.mae(MODEL).mean())
    if ahead < 0:
        said.append("a linear regression of amplitudes does better: follow for longer, and more slowly")
    r2 = judgement.r2(MODEL)
    poor = [value.name for value, one in zip(judgement.values, r2, strict=True) if one < 0.5]
    if poor:
        said.append(
            f"{', '.join(poor)}: less than half is explained; move it alone, further, and see that electrodes lie "
            "over its muscles"
        )
    if not judgement.combined.any() and len(judgement.values) > 1:
        said.append("no two values moved together; follow some combined movements too")
    if windows.lag_s > 0.5:
        said.append(f"the signal follows {windows.lag_s:.2f} s late; a slower cursor is followed better")
    return tuple(said)


def _manifest_of(name: str, learned: LearnedValues, seconds: float, person: str | None) -> Manifest:
    found, plan, windows = learned.found, learned.plan, learned.windows
    rest_rms, active_rms = _levels(windows, found)
    parameters = replace(
        plan.parameters, centres=len(learned.regression.centres), gamma=learned.regression.gamma
    )
    return Manifest(
        name=name,
        version="1.0.0",
        architecture=ARCHITECTURE,
        hyper_parameters=parameters.as_json(),
        channels=found.joined.channels,
        length=plan.length,
        context=plan.context,
        sampling_rate=found.joined.rate,
        units=found.joined.units,
        filters=plan.filters,
        mean=np.zeros(found.joined.channels, np.float32),
        std=windows.std.astype(np.float32),
        classes=(),
        rest_class="",
        rest_rms=rest_rms,
        active_rms=active_rms,
        outputs=Outputs(VALUES, "", found.values),
        control=CONTROL,
        training={**_training_of(found, windows), **of_person(person)},
        metrics={
            "values": {
                **learned.judgement.as_json(),
                "lag_s": round(windows.lag_s, 3),
                "advice": list(learned.advice),
                "seconds": round(seconds, 2),
            }
        },
    )


def _levels(windows: FollowedWindows, found: Followed) -> tuple[float, float]:
    """Return the contraction levels of rest and of a full movement, in units of the signal."""
    away = (np.abs(windows.target - found.neutral) / found.span).max(axis=1)
    rms = np.sqrt(windows.power).mean(axis=1)
    quiet, strong = np.quantile(away, (0.1, 0.9))
    rest, active = float(rms[away <= quiet].mean()), float(rms[away >= strong].mean())
    return rest, max(active, 1.001 * rest + 1e-9)


def _training_of(found: Followed, windows: FollowedWindows) -> dict[str, Any]:
    joined = found.joined
    return {
        "dataset": "own recordings",
        "recordings": list(joined.names),
        "followed": found.stream,
        "seconds": round(float(np.isfinite(found.target).all(axis=1).sum()) / joined.rate, 1),
        "lag_s": round(windows.lag_s, 3),
        "hashes": [sha for sessions in joined.hashes for sha in sessions.values()],
    }


def _some(learned: LearnedValues, signal: Samples) -> Samples:
    """Return some of the windows that taught, normalised, (n, reads, channels)."""
    windows, reads = learned.windows, learned.plan.reads
    rows = np.unique(np.linspace(0, len(windows) - 1, WINDOWS).astype(np.int64))
    whole = [
        with_history(signal[first:end], reads)
        for first, end in zip(windows.first[rows].tolist(), windows.end[rows].tolist(), strict=True)
    ]
    return np.asarray(np.stack(whole) / windows.std, np.float32)
