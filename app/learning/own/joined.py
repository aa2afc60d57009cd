"""Recordings of one person and one device, end to end: one rate, one set of gestures, one number a repetition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from app.emg.files.gesture_names import only_numbered
from app.emg.files.recordings import Recording, in_units
from app.emg.signal.rates import same_rate
from app.emg.signal.resampler import Resampler
from app.emg.source import UNLABELLED, Samples
from app.emg.units import factor, unknown
from app.errors import DataError
from app.learning.datasets import content_hashes
from app.learning.own.hint import Hint, LearningError

Ids = npt.NDArray[np.int64]

REST = "rest"
MAX_CHANNELS = 64
QUIET = 1.3  # times the level of the quietest class, and a class may be rest
LEAST_RATE_HZ = 20.0  # below it a window of 200 ms holds no two samples that differ


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joined:
    """What was recorded; one row a sample in every array."""

    emg: Samples  # (n, channels) in `units`, not filtered
    label: Ids  # index into `classes`, or UNLABELLED
    repetition: Ids  # which of its class, from 1; 0 where unknown
    piece: Ids  # no window crosses a change
    session: Ids  # of what file and session
    classes: tuple[str, ...]
    rest: int
    rate: float  # Hz
    units: str
    cued: bool  # the labels are what people were shown; else what they did
    names: tuple[str, ...]  # of the files
    hashes: tuple[Mapping[int, str], ...]  # of each session of each file
    said: tuple[str, ...] = ()  # what was done to make one of them

    @property
    def channels(self) -> int:
        return int(self.emg.shape[1])

    def pieces(self) -> Iterator[slice]:
        """Yield the continuous pieces in order."""
        edges = (np.flatnonzero(np.diff(self.piece)) + 1).tolist()
        return (slice(a, b) for a, b in pairwise([0, *edges, len(self.emg)]))

    def seconds(self, which: int) -> float:
        """Return how long a class was shown."""
        return float((self.label == which).sum()) / self.rate


def join(
    recordings: Sequence[Recording], gestures: Sequence[str] | None = None, rest: str | None = None
) -> Joined:
    """Return the recordings as one.

    Other rates are resampled to the lowest. `gestures` name labels 0, 1, ... where a file has numbers only. Rest is the
    class of that name, or one called so, or else the quietest; it comes first.

    Raises:
        DataError: nothing to join, channels or units that differ, no labels, one class only, or no class `rest`.
    """
    if not recordings:
        raise DataError("there is no recording to learn from: name one with --recording")
    first = recordings[0]
    _expect_usable(first)
    said: list[str] = []
    rate = min(one.fs for one in recordings)
    parts = []
    for one in recordings:
        _expect_like(first, one)
        named = _named(one, gestures)
        parts.append(_at_rate(in_units(named, first.units), rate, said))
    label, classes = _labels(parts)
    emg = np.concatenate([one.emg for one in parts])
    quiet, why = _rest(emg, label, classes, rest)
    if why:
        said.append(why)
    order = [quiet, *(k for k in range(len(classes)) if k != quiet)]
    label = np.array([*np.argsort(order), UNLABELLED])[label]
    piece, session = _counted(parts, "recording"), _counted(parts, "session")
    return Joined(
        emg=emg,
        label=label,
        repetition=_repetitions(parts, label, piece, session),
        piece=piece,
        session=session,
        classes=tuple(classes[k] for k in order),
        rest=0,
        rate=rate,
        units=first.units,
        cued=all(np.array_equal(one.label, one.label_cue) for one in recordings),
        names=tuple(one.name for one in recordings),
        hashes=tuple(content_hashes(one) for one in recordings),
        said=tuple(said),
    )


def _expect_usable(first: Recording) -> None:
    if first.channels > MAX_CHANNELS:
        text = f"{first.name}: has {first.channels} channels; a model of one's own takes 1 to {MAX_CHANNELS}"
        values = {"channels": first.channels, "most": MAX_CHANNELS}
        raise LearningError(Hint("too_many_channels", text, values))
    if first.fs < LEAST_RATE_HZ:
        text = f"{first.name}: has {first.fs:g} Hz; a model needs {LEAST_RATE_HZ:g} Hz at least"
        raise LearningError(Hint("too_slow", text, {"rate_hz": first.fs, "least_hz": LEAST_RATE_HZ}))


def _expect_like(first: Recording, other: Recording) -> None:
    if other.channels != first.channels:
        raise _other_device(
            f"{other.name}: has {other.channels} channels, {first.name} has {first.channels}", first, other
        )
    said = not unknown(first.units) and not unknown(other.units)
    if said and factor(other.units, first.units) is None:
        raise _other_device(f"{other.name}: is in {other.units}, {first.name} in {first.units}", first, other)
    if (other.label == UNLABELLED).all():
        text = f"{other.name}: has no labels; a model learns from a recording that names its gestures"
        raise LearningError(Hint("no_labels", text, {"recording": other.path.stem}))


def _other_device(text: str, first: Recording, other: Recording) -> LearningError:
    whole = f"{text}; one model takes recordings of one device"
    return LearningError(Hint("other_device", whole, {"recordings": [first.path.stem, other.path.stem]}))


def _named(recording: Recording, gestures: Sequence[str] | None) -> Recording:
    if gestures is None or not only_numbered(recording):
        return recording
    if len(gestures) < len(recording.gesture_names):
        raise DataError(
            f"{recording.name}: has labels 0 to {len(recording.gesture_names) - 1}, and --gestures names "
            f"{len(gestures)}"
        )
    return replace(recording, gesture_names=tuple(gestures))


def _at_rate(recording: Recording, rate: float, said: list[str]) -> Recording:
    """Return the recording at that rate, each piece resampled from its own start."""
    if same_rate(recording.fs, rate):
        return recording
    made, taken = [], []
    for piece in recording.pieces:
        resampler = Resampler(recording.fs, rate, recording.channels)
        samples = resampler(0, np.asarray(recording.emg[piece]))
        newest, _ = resampler.ratio.between(0, piece.stop - piece.start)
        made.append(samples)
        taken.append(piece.start + newest)
    rows = np.concatenate(taken)
    said.append(f"{recording.name} was resampled from {recording.fs:g} to {rate:g} Hz")
    columns = {
        name: getattr(recording, name)[rows]
        for name in ("label", "label_cue", "repetition", "session", "recording")
    }
    return replace(recording, emg=np.concatenate(made), fs=rate, aux=(), **columns)


def _labels(parts: Sequence[Recording]) -> tuple[Ids, list[str]]:
    """Return one class a sample, and the names of those that occur, in the order of the files' ids.

    Raises:
        DataError: fewer than two occur.
    """
    shown: dict[str, int] = {}
    labels = []
    for one in parts:
        used = [k for k in np.unique(one.label).tolist() if k != UNLABELLED]
        for k in used:
            shown.setdefault(one.gesture_names[k].strip(), len(shown))
        known = [shown.get(name.strip(), UNLABELLED) for name in one.gesture_names]
        labels.append(np.array([*known, UNLABELLED], np.int64)[one.label])
    if len(shown) < 2:
        only = next(iter(shown))
        text = f"the recording shows nothing but {only}; a model needs rest and at least one gesture"
        raise LearningError(Hint("nothing_else", text, {"gesture": only}))
    return np.concatenate(labels), list(shown)


def _rest(emg: Samples, label: Ids, classes: Sequence[str], rest: str | None) -> tuple[int, str]:
    """Return which class is rest, and a line where that was taken from the signal."""
    if rest is not None and rest not in classes:
        raise DataError(f"no gesture is called {rest}; there are {', '.join(classes)}")
    if rest is not None:
        return classes.index(rest), ""
    for k, name in enumerate(classes):
        if name.lower() == REST:
            return k, ""
    level = [np.median(np.abs(emg[label == k] - np.median(emg, axis=0))) for k in range(len(classes))]
    # labels mostly begin with rest, and a gesture that was not made is as quiet
    quietest = 0 if level[0] <= QUIET * min(level) else int(np.argmin(level))
    return (
        quietest,
        f"no gesture is called {REST}; the quietest, {classes[quietest]}, is taken as rest (--rest says another)",
    )


def _counted(parts: Sequence[Recording], name: str) -> Ids:
    """Return a column of all files, its numbers counted on from each file to the next."""
    found, before = [], 0
    for one in parts:
        values = getattr(one, name)
        change = np.diff(values, prepend=values[0]) != 0
        found.append(before + np.cumsum(change))
        before = int(found[-1][-1]) + 1
    return np.concatenate(found).astype(np.int64)


def _repetitions(parts: Sequence[Recording], label: Ids, piece: Ids, session: Ids) -> Ids:
    """Return which repetition of its class each sample belongs to, from 1.

    A file's own numbers are taken where it has them; else a stretch of a gesture is a repetition by itself, and rest
    belongs to that of the gesture that follows, or led to it.
    """
    own = np.concatenate([one.repetition for one in parts]).astype(np.int64)
    changes = [np.diff(column) != 0 for column in (label, piece, session, own)]
    bounds = [0, *(np.flatnonzero(np.any(changes, axis=0)) + 1).tolist(), len(label)]
    numbers: dict[int, dict[tuple[int, int], int]] = {}
    found = np.zeros(len(label), np.int64)
    waiting: list[slice] = []  # rest without a number
    for begin, end in pairwise(bounds):
        which, said, span = int(label[begin]), int(own[begin]), slice(begin, end)
        if which == UNLABELLED:
            continue
        if which == 0 and said <= 0:
            waiting.append(span)
            continue
        key = (int(session[begin]), said) if said > 0 else (-1, begin)
        known = numbers.setdefault(which, {})
        found[span] = known.setdefault(key, len(known) + 1)
        for rest in waiting:
            found[rest] = found[begin]
        waiting = []
    for rest in waiting:
        found[rest] = max(1, int(found[: rest.start].max(initial=1)))
    return found
