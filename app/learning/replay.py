"""Recordings sent through the live path as fast as it goes: how good decisions are, not only predictions.

The same source, filter, ring, grid, normalisation, backend and decision as a live stream; only the clock is
left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from app.inference.manifest import Manifest
from app.inference.prediction import normalise, predict
from app.learning.datasets import filters_of

Ids = npt.NDArray[np.int64]

VOTES = (1, 5, 9)
MIN_CONFIDENCE = (0.0, 0.6, 0.8)
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
    require(recording, manifest.channels, manifest.sampling_rate)
    sos = filters_of(manifest, mains)
    cuts = cut(
        _chunks(in_units(recording, manifest.units)), sos, manifest.length, Grid(manifest.sampling_rate, fps)
    )
    ends, labels, predictions, confidences = [], [], [], []
    for some in _batches(cuts):
        batch = normalise(np.stack([one.window for one in some]), manifest.mean, manifest.std)
        found = predict(backend.infer(batch).logits)
        ends += [one.end for one in some]
        labels += [one.label for one in some]
        predictions.append(found.prediction)
        confidences.append(found.confidence)
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
        prediction=np.concatenate(predictions),
        confidence=np.concatenate(confidences),
        period_s=1 / fps,
        length_s=manifest.length / manifest.sampling_rate,
    )


def decide(stream: Replay, votes: int, min_confidence: float, rest: int) -> Ids:
    """Return the decision after each window; a new piece starts from rest, as a new stream does."""
    decider = Decider(votes, min_confidence, rest)
    decisions = np.empty(len(stream.end), np.int64)
    before = stream.piece[0]
    for k, piece in enumerate(stream.piece):
        if piece != before:
            decider.reset()
            before = piece
        decisions[k] = decider.update(int(stream.prediction[k]), float(stream.confidence[k]))
    return decisions


def quality(stream: Replay, decisions: Ids, rest: int) -> dict[str, float]:
    """Return sums over one stream, to be added up and turned into figures by `figures`."""
    sums = dict.fromkeys(("gestures", "found", "delay_s", "activations", "rest_s", "kept", "pairs"), 0.0)
    known = stream.truth != UNLABELLED
    follows = known[1:] & (np.diff(stream.stretch) == 0)
    changed = decisions[1:] != decisions[:-1]
    sums["pairs"], sums["kept"] = float(follows.sum()), float((follows & ~changed).sum())
    resting = stream.truth == rest
    starts = resting[1:] & follows & (decisions[1:] != rest) & (decisions[:-1] == rest)
    sums["activations"], sums["rest_s"] = float(starts.sum()), float(resting.sum() * stream.period_s)
    for number in np.unique(stream.stretch[known & ~resting]):
        here = np.flatnonzero(stream.stretch == number)
        right = np.flatnonzero(decisions[here] == stream.truth[here])
        sums["gestures"] += 1
        if len(right):
            sums["found"] += 1
            sums["delay_s"] += float(right[0] * stream.period_s)
    return sums


def figures(sums: Sequence[dict[str, float]]) -> dict[str, float | None]:
    """Return what `quality` of all streams comes to. None where there was nothing to measure."""
    total = {name: sum(one[name] for one in sums) for name in sums[0]}
    return {
        "gestures_found": _ratio(total["found"], total["gestures"]),
        "time_to_first_correct_s": _ratio(total["delay_s"], total["found"]),
        "false_activations_per_rest_minute": _ratio(60 * total["activations"], total["rest_s"]),
        "stability": _ratio(total["kept"], total["pairs"]),
    }


def table(streams: Sequence[Replay], rest: int) -> list[dict[str, Any]]:
    """Return the figures for each number of votes and each confidence."""
    return [
        {
            "votes": votes,
            "min_confidence": least,
            **figures([quality(one, decide(one, votes, least, rest), rest) for one in streams]),
        }
        for votes, least in product(VOTES, MIN_CONFIDENCE)
    ]


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


def _classes(recording: Recording, manifest: Manifest) -> Ids:
    """Return the model's class of each label id; the last entry is for UNLABELLED (-1)."""
    known = {name: k for k, name in enumerate(manifest.classes)}
    return np.array([known.get(name, UNLABELLED) for name in recording.gesture_names] + [UNLABELLED])


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
