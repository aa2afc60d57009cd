"""What a setting such as EMG_RECORDING names, in memory: recordings as they are, any other file imported."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.files.arrays import MAX_BYTES, SUFFIXES
from app.emg.files.imported import ImportedFile
from app.emg.files.recordings import MAX_ID, Recording, load, load_folder, numbered
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
        return load_folder(path, **options)
    if not _is_ours(path):
        return (load_imported(path),)
    try:
        return (load(path, **options),)
    except DataError:
        try:
            return (load_imported(path),)
        except DataError:
            pass  # what was wrong with it as a recording says more
        raise


def load_imported(path: Path) -> Recording:
    """Return a file that is imported, or a folder of files, as one recording in memory; aux is left out.

    Raises:
        DataError: it cannot be imported, or is too large.
    """
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
        **columns,
    )


def _is_ours(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES
