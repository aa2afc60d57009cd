"""Recordings as labelled windows: filtered as the live path filters, cut so that none is ambiguous."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.emg.files.gesture_names import only_numbered, with_class_names
from app.emg.files.loading import load_path
from app.emg.files.recordings import Recording, in_units
from app.emg.signal.filters import Sos, design, filter_all
from app.emg.simulated.playback import require
from app.emg.source import UNLABELLED, Samples
from app.errors import DataError
from app.inference.manifest import Manifest

log = logging.getLogger(__name__)

Ids = npt.NDArray[np.int64]

HOP_S = 0.1  # between two windows of a segment, as in the protocol of the shared recordings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Filtered signals end to end, and where their windows lie; one row a window in every `Ids`."""

    signal: Samples  # (n, channels), filtered, in the units of the recordings
    length: int  # samples in a window
    context: int  # samples before it that the model reads too
    classes: tuple[str, ...]
    rest: int  # id of the rest class
    people: tuple[str, ...]  # one for each recording
    hashes: tuple[Mapping[int, str], ...]  # content hash of each session of each recording
    start: Ids  # the window's first sample in `signal`
    first: Ids  # the first sample of the segment it lies in
    end: Ids  # after the last sample of that segment
    piece: Ids  # the first sample of the unbroken signal it lies in, up to which context goes
    label: Ids
    repetition: Ids
    session: Ids
    person: Ids  # index into `people`

    def windows(self, rows: Ids) -> Samples:
        """Those windows, (rows, length, channels)."""
        cut: Samples = self.signal[self.start[rows, np.newaxis] + np.arange(self.length)]
        return cut

    def rows_of(self, people: Iterable[int]) -> Ids:
        """Return the windows of those people."""
        return np.flatnonzero(np.isin(self.person, list(people)))


def content_hashes(recording: Recording) -> dict[int, str]:
    """sha256 of the samples of each session: known again in whatever file they come."""
    found = {}
    for session in np.unique(recording.session).tolist():
        samples = np.ascontiguousarray(recording.emg[recording.session == session], dtype="<f4")
        found[session] = hashlib.sha256(samples.tobytes()).hexdigest()
    return found


def load_people(path: Path, gestures: Sequence[str] | None = None) -> tuple[Recording, ...]:
    """Return the recordings of a folder (or the one file), one a person, of any format that is imported.

    `gestures` are the names of labels 0, 1, ... in files that have none of their own. A `.mat` of a person who has an
    `.npz` there too is left out: it would count the same samples twice. A folder without either is one person's.

    Raises:
        DataError: there is none, or one cannot be used.
    """
    loaded = _loaded(path, gestures)
    for recording in loaded:
        _expect_labels(recording)
    subjects = {recording.subject for recording in loaded if recording.path.suffix == ".npz"}
    kept = [r for r in loaded if r.path.suffix != ".mat" or r.subject not in subjects]
    for recording in loaded:
        if recording not in kept:
            log.warning("%s is left out: %s has an .npz there too", recording.name, recording.subject)
    return tuple(kept)


def load_one(path: Path, gestures: Sequence[str] | None = None, *, labelled: bool = True) -> Recording:
    """Return the one recording of a file, or of a folder that is one; of any format that is imported.

    Raises:
        DataError: it cannot be used, holds several, or has no labels though it should.
    """
    try:
        loaded = _loaded(path, gestures, labelled=labelled)
    except DataError as error:
        if path.is_dir():
            raise DataError(f"{path.name}: is a folder, not a recording: {error}") from None
        raise
    if len(loaded) != 1:
        raise DataError(f"{path}: holds {len(loaded)} recordings; name one of them")
    if labelled:
        _expect_labels(loaded[0])
    return loaded[0]


def _loaded(path: Path, gestures: Sequence[str] | None, *, labelled: bool = True) -> tuple[Recording, ...]:
    if path.is_dir() and not any(path.iterdir()):
        raise DataError(f"{path}: holds no recording")
    found = load_path(path, gesture_names=gestures, labelled=labelled)
    if gestures is None:
        return found
    return tuple(
        replace(one, gesture_names=tuple(gestures))
        if only_numbered(one) and len(one.gesture_names) <= len(gestures)
        else one
        for one in found
    )


def _expect_labels(recording: Recording) -> None:
    if (recording.label == UNLABELLED).all():
        raise DataError(f"{recording.name}: has no labels; it must say which gesture each sample is of")


def named(recordings: Sequence[Recording], classes: Sequence[str], rest_class: str) -> tuple[Recording, ...]:
    """Return the recordings with a name for every label, by the rule of the live path.

    Raises:
        DataError: one has numbers only, and not as many as the model has classes.
    """
    found = with_class_names(recordings, classes, rest_class)
    for recording in found:
        if only_numbered(recording) and not set(recording.gesture_names) <= set(classes):
            raise DataError(
                f"{recording.name}: names no gestures, and labels 0 to {len(recording.gesture_names) - 1} are not "
                f"the model's classes, {', '.join(classes)}; name them with --gestures, such as "
                f"--gestures {','.join(classes[: len(recording.gesture_names)])}"
            )
    return found


def read(recordings: Sequence[Recording], manifest: Manifest, mains: float | None = 50.0) -> Dataset:
    """Return the windows of `recordings` for the model that `manifest` describes.

    A window lies completely inside one stretch of one label and one continuous piece. The filter starts
    afresh with each piece, as it does live.

    Raises:
        DataError: another rate or channel count, a class the model lacks, or no window at all.
    """
    sos = filters_of(manifest, mains)
    hop = max(1, round(HOP_S * manifest.sampling_rate))
    signals, columns, offset = [], [], 0
    for person, recording in enumerate(recordings):
        require(recording, manifest.channels, manifest.sampling_rate)
        signal = filtered(in_units(recording, manifest.units), sos)
        rows = _rows(recording, manifest, hop)
        if not len(rows):
            raise DataError(
                f"{recording.name}: has no labelled stretch of {manifest.length} samples, one window of "
                f"{manifest.name}"
            )
        rows[:, :4] += offset
        columns.append(np.column_stack([rows, np.full(len(rows), person)]))
        signals.append(signal)
        offset += len(signal)
    table = np.concatenate(columns)
    names = ("start", "first", "end", "piece", "label", "repetition", "session", "person")
    return Dataset(
        signal=np.concatenate(signals),
        length=manifest.length,
        context=manifest.context,
        classes=manifest.classes,
        rest=manifest.classes.index(manifest.rest_class),
        people=tuple(recording.path.stem for recording in recordings),
        hashes=tuple(content_hashes(recording) for recording in recordings),
        **{name: np.ascontiguousarray(table[:, k]) for k, name in enumerate(names)},
    )


def filters_of(manifest: Manifest, mains: float | None) -> Sos:
    """Return the model's filters."""
    return design(manifest.filters, manifest.sampling_rate, mains)


def filtered(recording: Recording, sos: Sos) -> Samples:
    """Return the whole recording, each piece filtered from its own start."""
    return np.concatenate([filter_all(sos, recording.emg[piece]) for piece in recording.pieces])


def _rows(recording: Recording, manifest: Manifest, hop: int) -> Ids:
    """(windows, 7): start, first, end, piece, label, repetition, session."""
    to_class = _class_ids(recording, manifest)
    rest = manifest.classes.index(manifest.rest_class)
    found = [np.zeros((0, 7), np.int64)]
    for piece in recording.pieces:
        segments = _segments(recording, piece, to_class)
        for (first, end, label), repetition in zip(
            segments, _repetitions(recording, segments, rest), strict=True
        ):
            starts = np.arange(first, end - manifest.length + 1, hop)
            if label == UNLABELLED or not len(starts):
                continue
            same = np.ones_like(starts)
            numbers = recording.repetition[starts].astype(np.int64)
            numbers[numbers == 0] = repetition
            session = recording.session[starts].astype(np.int64)
            bounds = [first * same, end * same, piece.start * same]
            found.append(np.column_stack([starts, *bounds, label * same, numbers, session]))
    return np.concatenate(found)


def _class_ids(recording: Recording, manifest: Manifest) -> Ids:
    """Return the model's class of each label id of the recording; the last entry is for UNLABELLED (-1)."""
    used = {recording.gesture_names[k] for k in np.unique(recording.label) if k != UNLABELLED}
    unknown = sorted(used - set(manifest.classes))
    if unknown:
        raise DataError(
            f"{recording.name}: holds {', '.join(unknown[:5])}, which {manifest.name} lacks; "
            f"it knows {', '.join(manifest.classes)}"
        )
    known = {name: k for k, name in enumerate(manifest.classes)}
    return np.array([known.get(name, UNLABELLED) for name in recording.gesture_names] + [UNLABELLED])


def _segments(recording: Recording, piece: slice, to_class: Ids) -> list[tuple[int, int, int]]:
    """(first, end, class) of every stretch of one label and one session in a piece."""
    labels, sessions = recording.label[piece], recording.session[piece]
    edges = np.flatnonzero((np.diff(labels) != 0) | (np.diff(sessions) != 0)) + 1
    bounds = [0, *edges.tolist(), len(labels)]
    return [(piece.start + a, piece.start + b, int(to_class[labels[a]])) for a, b in pairwise(bounds)]


def _repetitions(recording: Recording, segments: list[tuple[int, int, int]], rest: int) -> list[int]:
    """Return a number for stretches that have none (Ninapro's rest): that of the gesture that follows, or led."""
    numbers = [0 if label == rest else int(recording.repetition[first]) for first, _, label in segments]
    following = 0
    for k in reversed(range(len(numbers))):
        numbers[k] = following = numbers[k] or following
    last = 0
    for k, number in enumerate(numbers):
        numbers[k] = last = number or last
    return numbers
