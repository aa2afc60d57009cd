"""What a setting such as EMG_RECORDING names, in memory: recordings as they are, any other file imported."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.files.arrays import MAX_BYTES, SUFFIXES
from app.emg.files.imported import HEAD_BYTES, FileHead, ImportedFile
from app.emg.files.option_words import speaks_of_options
from app.emg.files.own_npz import aux_of, matches, rows_of
from app.emg.files.recordings import MAX_ID, RecordedAux, Recording, load, load_folder, numbered
from app.emg.files.sound_rows import SoundRows
from app.emg.source import UNLABELLED, Chunk
from app.errors import DataError

log = logging.getLogger(__name__)


def load_path(path: Path | str, **options: Any) -> tuple[Recording, ...]:
    """Return one file, or a folder of them; `options` as for `recordings.load`.

    Ninapro's `.mat` and our `.npz` are read as they are, each a recording of its own; what else there is, is imported
    as one, and what was found and assumed is logged.

    Raises:
        DataError: one line that names the file and says what would be right.
    """
    path = Path(path)
    if path.is_dir() and any(_is_ours(file) for file in path.iterdir()):
        return tuple(_with_aux(recording) for recording in load_folder(path, **options))
    if not _is_ours(path):
        return (load_imported(path),)
    try:
        return (_with_aux(load(path, **options)),)
    except DataError:
        try:
            return (load_imported(path),)
        except DataError:
            pass  # what was wrong with it as a recording says more
        raise


def load_imported(path: Path) -> Recording:
    """Return a file that is imported, or a folder of files, as one recording in memory.

    Raises:
        DataError: it cannot be imported, or is too large.
    """
    try:
        return _imported(path)
    except DataError as error:
        if not speaks_of_options(str(error)):
            raise
        raise DataError(
            f"{error}; `flask --app wsgi emg import` takes options, and makes a recording"
        ) from None


def _imported(path: Path) -> Recording:
    from app.emg.files.importing import (
        import_files,
    )  # all importers: 20 MB and half a second, which most never need

    found, _ = import_files([path])
    rows = SoundRows(found)
    chunks, size = [], 0
    for chunk in rows.checked():
        chunks.append(chunk)
        size += chunk.samples.nbytes
        if size > MAX_BYTES:
            raise DataError(f"{path.name}: holds over {MAX_BYTES / 2**30:g} GiB, more than is played")
    rows.expect_signal()
    for line in found.assumed:
        log.warning("%s: assumed: %s", path.name, line)
    for line in (*found.found, *rows.lines):
        log.info("%s: found: %s", path.name, line)
    return _recording(path, found, chunks)


def _recording(path: Path, found: ImportedFile, chunks: list[Chunk]) -> Recording:
    counts = [len(chunk.samples) for chunk in chunks]
    ends = [chunk.index + len(chunk.samples) for chunk in chunks]
    breaks = [
        chunk.restart or chunk.index != end
        for chunk, end in zip(chunks, [chunks[0].index, *ends], strict=False)
    ]
    label = np.concatenate(
        [
            np.full(n, UNLABELLED, np.int16) if chunk.labels is None else chunk.labels
            for chunk, n in zip(chunks, counts, strict=True)
        ]
    )
    label = np.where((label >= 0) & (label < len(found.gesture_names)), label, UNLABELLED).astype(np.int16)
    repetition = np.concatenate(
        [
            np.zeros(n, np.int16) if chunk.repetitions is None else chunk.repetitions
            for chunk, n in zip(chunks, counts, strict=True)
        ]
    )
    columns: dict[str, Any] = {
        "emg": np.concatenate([chunk.samples for chunk in chunks]),
        "label": label,
        "label_cue": label,
        "repetition": repetition,
        "session": np.ones(len(label), np.int16),
        "recording": np.repeat(np.cumsum(breaks) % (MAX_ID + 1), counts).astype(np.int16),
    }
    for column in columns.values():
        column.flags.writeable = False
    return Recording(
        path=path,
        fs=found.sampling_rate,
        gesture_names=found.gesture_names or numbered(0),
        subject=found.subject or path.stem,
        exercise=None,
        units=found.units,
        aux=_aux(found, chunks),
        **columns,
    )


def _aux(found: ImportedFile, chunks: list[Chunk]) -> tuple[RecordedAux, ...]:
    index = np.concatenate([np.arange(c.index, c.index + len(c.samples), dtype=np.int64) for c in chunks])
    return tuple(
        RecordedAux(stream=stream, rows=rows_of(index, at), samples=samples)
        for number, stream in enumerate(found.aux)
        for at, samples in [_joined(chunks, number, found.sampling_rate / stream.sampling_rate)]
        if len(at)
    )


def _joined(
    chunks: list[Chunk], number: int, step: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Return the places and the samples of one auxiliary stream, in order; `step` lies between two of them."""
    own = sorted(
        (aux for chunk in chunks for aux in chunk.aux if aux.stream == number), key=lambda aux: aux.at
    )
    if not own:
        return np.zeros(0), np.zeros((0, 1), np.float32)
    at = np.concatenate([aux.at + step * np.arange(len(aux.samples)) for aux in own])
    return np.maximum.accumulate(at), np.concatenate([aux.samples for aux in own])


def _with_aux(recording: Recording) -> Recording:
    """Return the recording with what our own export has beside the EMG."""
    path = recording.path
    with path.open("rb") as file:
        head = FileHead(path=path, size=path.stat().st_size, head=file.read(HEAD_BYTES))
    return replace(recording, aux=aux_of(path, recording)) if matches(head) else recording


def _is_ours(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES
