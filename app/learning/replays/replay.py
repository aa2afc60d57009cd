"""Recordings sent through the live path as fast as it goes: how good decisions are, not only predictions.

The same source, filter, ring, grid, normalisation, backend and decision as a live stream; only the clock is
left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, product
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.files.recordings import Recording, in_units
from app.emg.signal.windows import Cut, Grid, cut
from app.emg.simulated.playback import Playback, require
from app.emg.source import UNLABELLED, Chunk
from app.errors import DataError
from app.inference.backend import Backend
from app.inference.decision import Decider
from app.inference.decision_rule import DecisionRule
from app.inference.history import with_history
from app.inference.manifest import Manifest
from app.inference.prediction import normalise, predict
from app.learning.datasets import filters_of
from app.learning.replays.decision_quality import change_figures, change_quality, figures, quality

Ids = npt.NDArray[np.int64]

VOTES = (1, 5, 9)
MIN_CONFIDENCE = (0.0, 0.6, 0.8)
# (enter, leave, change) beside the votes
HYSTERESIS = tuple(
    (enter, leave, change)
    for enter in (0.5, 0.6, 0.7, 0.8, 0.9)
    for leave in (0.1, 0.2, 0.3)
    for change in (None, 0.3)
)
FPS = 10.0  # a window every 100 ms, the hop of the offline protocol
BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replay:
    """What a stream of one recording predicted; one entry a window."""

    end: Ids  # sample index after the window
    truth: Ids  # class of the window's last sample, UNLABELLED where the model lacks it
    stretch: Ids  # number of the stretch of one truth in one continuous piece
    piece: Ids
    prediction: Ids
    confidence: npt.NDArray[np.float32]
    period_s: float  # between two windows
    length_s: float  # of a window
    probabilities: npt.NDArray[np.float32] | None = None  # (windows, classes); hysteresis takes them
    unknown: npt.NDArray[np.bool_] | None = None  # none of the classes; None: the model cannot tell
    since_s: npt.NDArray[np.float64] | None = None  # since its label began; None: counted in windows
    judged: npt.NDArray[np.bool_] | None = None  # which count in figures; None: all

    @property
    def after_s(self) -> npt.NDArray[np.float64]:
        """How long after its stretch began each window ended."""
        if self.since_s is not None:
            return self.since_s
        first = np.searchsorted(self.stretch, self.stretch)
        return np.asarray((np.arange(len(self.stretch)) - first) * self.period_s, np.float64)

    @property
    def counts(self) -> npt.NDArray[np.bool_]:
        """Which windows count in figures; what came before decides all the same."""
        return np.ones(len(self.end), np.bool_) if self.judged is None else self.judged


def replay(
    recording: Recording,
    manifest: Manifest,
    backend: Backend,
    *,
    fps: float = FPS,
    mains: float | None = 50.0,
) -> Replay:
    """Predictions of every window of a recording, as its stream would give them.

    Raises:
        DataError: the recording is not for that model, or shorter than a window.
    """
    ends, labels, predictions = [], [], []
    for some in cuts_of(recording, manifest, fps=fps, mains=mains):
        read = np.stack([with_history(one.window, manifest.reads) for one in some])
        batch = normalise(read, manifest.mean, manifest.std)
        predictions.append(predict(backend.infer(batch).logits, manifest.reject_below))
        ends += [one.end for one in some]
        labels += [one.label for one in some]
    if not ends:
        raise DataError(f"{recording.name}: is shorter than one window of {manifest.length} samples")
    end = np.array(ends, np.int64)
    truth = _classes(recording, manifest)[labels]
    piece = np.searchsorted([part.stop for part in recording.pieces], end)
    new = (np.diff(truth, prepend=truth[0]) != 0) | (np.diff(piece, prepend=piece[0]) != 0)
    return Replay(
        end=end,
        truth=truth,
        stretch=np.cumsum(new),
        piece=piece,
        prediction=np.concatenate([one.prediction for one in predictions]),
        confidence=np.concatenate([one.confidence for one in predictions]),
        period_s=1 / fps,
        length_s=manifest.length / manifest.sampling_rate,
        probabilities=np.concatenate([one.probabilities for one in predictions]),
        unknown=np.concatenate([one.unknown for one in predictions]),
        since_s=(end - _begins(recording)[end - 1]) / recording.fs,
    )


def cuts_of(
    recording: Recording, manifest: Manifest, *, fps: float, mains: float | None
) -> Iterator[list[Cut]]:
    """Yield the windows of a recording as its stream cuts them, BATCH at a time.

    Raises:
        DataError: the recording is not for that model.
    """
    require(recording, manifest.channels, manifest.sampling_rate)
    yield from _batches(
        cut(
            _chunks(in_units(recording, manifest.units)),
            filters_of(manifest, mains),
            manifest.length,
            Grid(manifest.sampling_rate, fps),
            context=manifest.context,
        )
    )


def decide(stream: Replay, rule: DecisionRule, rest: int) -> Ids:
    """Return the decision after each window; a new piece starts from rest, as a new stream does."""
    decider = Decider(rule, rest)
    n = len(stream.end)
    shares = [()] * n if stream.probabilities is None else stream.probabilities.tolist()
    unknown = [False] * n if stream.unknown is None else stream.unknown.tolist()
    decisions = np.empty(n, np.int64)
    before = stream.piece[0]
    for k, piece in enumerate(stream.piece):
        if piece != before:
            decider.reset()
            before = piece
        prediction, confidence = int(stream.prediction[k]), float(stream.confidence[k])
        decisions[k] = decider.update(prediction, confidence, shares[k], unknown[k])
    return decisions


def table(streams: Sequence[Replay], rest: int, changes: Sequence[Replay] = ()) -> list[dict[str, Any]]:
    """Return the figures for each number of votes and each confidence; `changes` are of `spliced` recordings."""
    rules = [
        DecisionRule(votes=votes, min_confidence=least) for votes, least in product(VOTES, MIN_CONFIDENCE)
    ]
    return [row_of(streams, rest, changes, rule) for rule in rules]


def hysteresis_table(
    streams: Sequence[Replay], rest: int, changes: Sequence[Replay] = ()
) -> list[dict[str, Any]]:
    """Return the same for each threshold at which a gesture begins, ends and gives way to another."""
    rules = [DecisionRule(enter=enter, leave=leave, change=change) for enter, leave, change in HYSTERESIS]
    return [row_of(streams, rest, changes, rule) for rule in rules]


def row_of(
    streams: Sequence[Replay], rest: int, changes: Sequence[Replay], rule: DecisionRule
) -> dict[str, Any]:
    """Return a rule and what decisions by it are worth."""

    def decided(stream: Replay) -> Ids:
        return decide(stream, rule, rest)

    row = {**asdict(rule), **figures([quality(one, decided(one), rest) for one in streams])}
    if changes:
        row |= change_figures([change_quality(one, decided(one)) for one in changes])
    return row


def _chunks(recording: Recording) -> Iterator[Chunk]:
    source = Playback(
        [recording], speed=None, loop=False, sleep=lambda _: None
    )  # nobody else waits for a turn
    while (chunk := source.read()) is not None:
        yield chunk


def _batches(cuts: Iterable[Cut]) -> Iterator[list[Cut]]:
    endless = iter(cuts)
    while some := list(islice(endless, BATCH)):
        yield some


def _begins(recording: Recording) -> Ids:
    """Return for each sample where its label began in its piece."""
    new = (np.diff(recording.label, prepend=-2) != 0) | (np.diff(recording.recording, prepend=-2) != 0)
    return np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))


def _classes(recording: Recording, manifest: Manifest) -> Ids:
    """Return the model's class of each label id; the last entry is for UNLABELLED (-1)."""
    known = {name: k for k, name in enumerate(manifest.classes)}
    return np.array([known.get(name, UNLABELLED) for name in recording.gesture_names] + [UNLABELLED])
