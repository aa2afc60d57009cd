"""Ninapro's `.mat` and our own `.npz`, which say themselves what is what, as files to import."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from app.emg.files.binary import mat_variables
from app.emg.files.binary.channel_choice import chosen, expect_few
from app.emg.files.binary.damage import in_one_line
from app.emg.files.binary.event_labels import NO_LABELS, rest_among
from app.emg.files.binary.layout import Layout, Segment, survey
from app.emg.files.binary.npy_arrays import is_npz
from app.emg.files.gesture_names import only_numbered
from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.emg.files.recordings import UNKNOWN_UNITS, Recording, load
from app.emg.source import Labels, Samples
from app.emg.units import standard
from app.errors import DataError

NAME = "Ninapro files and our own recordings"
KIND = "a sound recording"
_NINAPRO = ({"emg", "stimulus"}, {"emg", "restimulus"})
_OURS = ({"emg", "label"}, {"emg", "label_refined"}, {"emg", "recording"})


def matches(head: FileHead) -> bool:
    """Return whether it has the arrays of a Ninapro file or of one of ours."""
    try:
        if mat_variables.is_mat5(head.head):
            return any(keys <= mat_variables.names(head.path) for keys in _NINAPRO)
        if is_npz(head):
            with zipfile.ZipFile(head.path) as members:
                names = {name.removesuffix(".npy") for name in members.namelist()}
            return any(keys <= names for keys in _OURS)
    except (DataError, OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False  # said when the file is read for what it is
    return False


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Return the recording; `hints.emg` names channels by number.

    Raises:
        DataError: it cannot be used, or has no rate.
    """
    with in_one_line(path, KIND):
        names = hints.gesture_names
        try:
            recording = load(
                path, fs=hints.rate_hz, gesture_names=names, labelled=False, matlab=_is_matlab(path)
            )
        except DataError as error:
            asked = hints.rate_hz is None and "has no sampling rate" in str(error)
            raise DataError(f"{error}, or say it with --rate" if asked else str(error)) from None
        return _imported(path, recording, hints)


def _is_matlab(path: Path) -> bool:
    with path.open("rb") as file:
        return mat_variables.is_mat5(file.read(256))


def _imported(path: Path, recording: Recording, hints: ImportHints) -> ImportedFile:
    names = tuple(f"ch{k}" for k in range(1, recording.channels + 1))
    places = chosen(path, names, hints.emg) if hints.emg else tuple(range(recording.channels))
    expect_few(path, len(places))
    labelled = hints.label != NO_LABELS and bool((recording.label >= 0).any())

    def rows(begin: int, end: int) -> Samples:
        part = recording.emg[begin:end]
        return part if len(places) == recording.channels else np.ascontiguousarray(part[:, list(places)])

    def sliced(values: Labels, row: int, count: int) -> Labels:
        return values[row : row + count]

    layout = Layout(
        channels=len(places),
        segments=tuple(Segment(p.start, p.stop - p.start, p.start, p.start > 0) for p in recording.pieces),
        read=rows,
        labels=(lambda row, _index, count: sliced(recording.label, row, count)) if labelled else None,
        repetitions=(lambda row, _index, count: sliced(recording.repetition, row, count))
        if labelled
        else None,
    )
    seen = survey(path, layout, tuple(names[k] for k in places))
    gestures = recording.gesture_names if labelled else ()
    return ImportedFile(
        path=path,
        format=f"Ninapro {recording.database}" if recording.database else "recording with labels",
        channel_names=tuple(names[k] for k in places),
        units=standard(hints.units) if hints.units else recording.units,
        sampling_rate=recording.fs,
        rate_source="from the file" if recording.fs != hints.rate_hz else "as given",
        chunks=layout.chunks,
        gesture_names=gestures,
        rest=rest_among(gestures, hints),
        subject=recording.subject,
        found=(*_pieces(recording), *seen.lines),
        assumed=tuple(_assumed(recording, hints, labelled)),
    )


def _assumed(recording: Recording, hints: ImportHints, labelled: bool) -> Iterator[str]:
    if labelled:
        named = "; --gestures names them" if only_numbered(recording) else ""
        yield f"its labels are taken: {', '.join(recording.gesture_names)}{named}; --label none leaves them out"
    if not hints.units and recording.units == UNKNOWN_UNITS:
        yield "units are unknown; --units says them"


def _pieces(recording: Recording) -> Iterator[str]:
    if len(recording.pieces) > 1:
        yield f"{len(recording.pieces)} recordings one after the other"
