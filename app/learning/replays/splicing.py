"""Recordings of one gesture after the other without rest between, cut from recordings that have rest between all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from app.emg.files.recordings import Recording

BEFORE_S, AFTER_S = 3.0, 2.0  # of the first gesture and of the second
SEED = 0

Rows = npt.NDArray[np.int64]


def spliced(recording: Recording, rest_name: str, least_repetition: int = 1) -> Recording | None:
    """Return a recording whose pieces are each the end of a gesture and the begin of another of the same repetition.

    In each session and repetition every gesture is followed by one other, by chance but always the same. None where
    there are no two gestures long enough.

    Args:
        recording: with labels and repetitions.
        rest_name: what is no gesture.
        least_repetition: those before are left out.
    """
    before, after = round(BEFORE_S * recording.fs), round(AFTER_S * recording.fs)
    chance = np.random.default_rng(SEED)
    parts = [
        np.concatenate([first[-before:], second[:after]])
        for held in _held(recording, rest_name, least_repetition, after)
        for first, second in _pairs(held, chance)
    ]
    if not parts:
        return None
    rows = np.concatenate(parts)
    piece = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return replace(
        recording,
        emg=recording.emg[rows],
        label=recording.label[rows],
        label_cue=recording.label_cue[rows],
        repetition=recording.repetition[rows],
        session=recording.session[rows],
        recording=piece.astype(recording.recording.dtype),
        aux=(),
    )


def _held(recording: Recording, rest_name: str, least: int, shortest: int) -> Iterator[list[Rows]]:
    """Yield for each session and repetition the rows of its gestures, one stretch of each, where long enough."""
    gestures = [k for k, name in enumerate(recording.gesture_names) if name != rest_name]
    for session in np.unique(recording.session):
        of_session = recording.session == session
        for repetition in np.unique(recording.repetition[of_session]):
            if repetition < least:
                continue
            here = of_session & (recording.repetition == repetition)
            found = [_longest(np.flatnonzero(here & (recording.label == k))) for k in gestures]
            yield [rows for rows in found if len(rows) >= shortest]


def _longest(rows: Rows) -> Rows:
    """Return the longest run of consecutive rows."""
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    return max(runs, key=len)


def _pairs(held: list[Rows], chance: np.random.Generator) -> Iterator[tuple[Rows, Rows]]:
    if len(held) < 2:
        return
    order = chance.permutation(len(held))
    for first, second in zip(order, np.roll(order, -1), strict=True):
        yield held[first], held[second]
