"""Recordings with what was followed, or measured, beside the EMG: one row a sample in every array."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from app.emg.files.recordings import RecordedAux, Recording, in_units
from app.emg.recording.prompts.trajectory import NAME
from app.emg.signal.rates import same_rate
from app.errors import DataError
from app.inference.values import NamedValue
from app.learning.datasets import content_hashes
from app.learning.own.joined import Joined

Doubles = npt.NDArray[np.float64]

MOST_VALUES = 16
GAP = 3.0  # steps of the stream: where it says nothing for longer, nothing is known
LEAST_S = 15.0  # of what was followed
MOVING = 0.1  # of a value's range away from its neutral: below it a hand is at rest
SHARE = 1.001  # a cursor goes from -1 to 1, and what stays in there is one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Followed:
    """One person and one device."""

    joined: Joined  # its classes are at rest and moving, by what was followed
    values: tuple[NamedValue, ...]
    target: Doubles  # (n, values); NaN where nothing is known
    stream: str

    @property
    def neutral(self) -> Doubles:
        """Return what each value is at rest, (values,)."""
        return np.array([value.neutral for value in self.values])

    @property
    def span(self) -> Doubles:
        """Return how wide each value's range is, (values,)."""
        return np.array([value.high - value.low for value in self.values])

    def pieces(self) -> Iterator[slice]:
        """Yield the continuous pieces in order."""
        return self.joined.pieces()


def follow(recordings: Sequence[Recording], stream: str | None = None) -> Followed:
    """Return recordings with what was followed in the stream of that name, by default a cursor's trajectory.

    Raises:
        DataError: they are of several devices, have no such stream, or too little of it; says which there are.
    """
    if not recordings:
        raise DataError("there is no recording to learn from: name one with --recording")
    first = recordings[0]
    chosen = stream or NAME
    found = [_stream_of(one, chosen) for one in recordings]
    names, units = found[0].stream.channel_names, found[0].stream.units
    for one, beside in zip(recordings, found, strict=True):
        if one.channels != first.channels or not same_rate(one.fs, first.fs):
            raise DataError(
                f"{one.name} has {one.channels} channels at {one.fs:g} Hz, {first.name} {first.channels} at "
                f"{first.fs:g} Hz; one model takes recordings of one device"
            )
        if beside.stream.channel_names != names or beside.stream.units != units:
            raise DataError(
                f"{one.name}: {chosen} has {', '.join(beside.stream.channel_names)} in {beside.stream.units}; "
                f"{first.name} has {', '.join(names)} in {units}"
            )
    target = np.concatenate([_at_rows(one, beside) for one, beside in zip(recordings, found, strict=True)])
    known = target[np.isfinite(target).all(axis=1)]
    if len(known) < LEAST_S * first.fs:
        raise DataError(
            f"{chosen} was followed for {len(known) / first.fs:.1f} s; a model needs {LEAST_S:g} s at least, better 120"
        )
    values = _declared(known, names, units)
    return Followed(joined=_joined(recordings, target, values), values=values, target=target, stream=chosen)


def moving(target: Doubles, values: Sequence[NamedValue]) -> npt.NDArray[np.bool_]:
    """Return where any value is away from its neutral, (n, values) of which NaN is not."""
    neutral = np.array([value.neutral for value in values])
    span = np.array([value.high - value.low for value in values])
    away: npt.NDArray[np.bool_] = np.abs(target - neutral) > MOVING * span
    return away


def _stream_of(recording: Recording, name: str) -> RecordedAux:
    there = [one for one in recording.aux if _plain(one.stream.name) == _plain(name)]
    if not there:
        held = ", ".join(one.stream.name for one in recording.aux) or "nothing"
        raise DataError(
            f"{recording.name}: there is no {name} beside the EMG, which has {held}; record one with "
            "`emg record --follow`, or name what to learn with --values NAME"
        )
    found = there[0]
    if not 1 <= found.stream.channels <= MOST_VALUES:
        raise DataError(
            f"{recording.name}: {name} has {found.stream.channels} values; a model learns 1 to {MOST_VALUES}"
        )
    return found


def _plain(name: str) -> str:
    """Return the name as a file of ours has it, where it is part of an array's."""
    return re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_")


def _at_rows(recording: Recording, beside: RecordedAux) -> Doubles:
    """Return the stream at every row of the recording, (n, values)."""
    count = len(recording.emg)
    found = np.full((count, beside.stream.channels), np.nan)
    usual = recording.fs / beside.stream.sampling_rate
    # what came in a gap lies at the row behind it, and of that the last is the nearest
    newest = np.flatnonzero(np.diff(beside.rows, append=np.inf) > 0)
    rows, samples = beside.rows[newest], beside.samples[newest].astype(np.float64)
    sound = np.isfinite(samples).all(axis=1)
    rows, samples = rows[sound], samples[sound]
    begins = [piece.start for piece in recording.pieces]
    jumps = np.diff(np.searchsorted(begins, rows, side="right")) > 0  # to another piece: nothing is between
    breaks = np.flatnonzero(jumps | (np.diff(rows) > GAP * max(usual, 1.0))) + 1
    for part in np.split(np.arange(len(rows)), breaks):
        if len(part) < 2:
            continue
        begin, end = int(np.ceil(rows[part[0]])), int(np.floor(rows[part[-1]]))
        at = np.arange(max(begin, 0), min(end + 1, count))
        for column in range(found.shape[1]):
            found[at, column] = np.interp(at, rows[part], samples[part, column])
    return found


def _declared(known: Doubles, names: Sequence[str], units: str) -> tuple[NamedValue, ...]:
    """Return what each value is called and its range: that of a cursor, or what was seen."""
    found = []
    for name, column in zip(names, known.T, strict=True):
        low, high = float(column.min()), float(column.max())
        if not high > low:
            raise DataError(f"{name} is {low:g} all the time: there is nothing to learn")
        if low >= -SHARE and high <= SHARE:
            low, high = (-1.0 if low < 0 else 0.0), (1.0 if high > 0 else 0.0)
        told = "" if units in ("unknown", "1", "") else units
        found.append(NamedValue(name=name, low=float(f"{low:.6g}"), high=float(f"{high:.6g}"), units=told))
    return tuple(found)


def _joined(recordings: Sequence[Recording], target: Doubles, values: Sequence[NamedValue]) -> Joined:
    """Return the signal with two classes, as what chooses filters wants it: at rest, and moving."""
    first = recordings[0]
    pieces: list[npt.NDArray[np.int64]] = []
    for one in recordings:
        count = pieces[-1][-1] + 1 if pieces else 0
        pieces.append(np.cumsum(np.diff(one.recording, prepend=one.recording[0]) != 0) + count)
    label = np.where(np.isfinite(target).all(axis=1), moving(target, values).any(axis=1), -1)
    n = len(label)
    return Joined(
        emg=np.concatenate([in_units(one, first.units).emg for one in recordings]),
        label=label.astype(np.int64),
        repetition=np.zeros(n, np.int64),
        piece=np.concatenate(pieces),
        session=np.zeros(n, np.int64),
        classes=("rest", "moving"),
        rest=0,
        rate=first.fs,
        units=first.units,
        cued=True,
        names=tuple(one.name for one in recordings),
        hashes=tuple(content_hashes(one) for one in recordings),
    )


def spans(piece: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return first row and end of each stretch of one number."""
    edges = (np.flatnonzero(np.diff(piece)) + 1).tolist()
    return list(pairwise([0, *edges, len(piece)]))
