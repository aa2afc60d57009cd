"""From a recording's own form to the `.npz` that everything here reads (`recordings.py`, `model train`)."""

from __future__ import annotations

import secrets
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from app.emg.files.recordings import MAX_ID
from app.emg.recording import folder as folders
from app.emg.recording.folder import LOG, RecordingHeader
from app.emg.recording.log_format import RecordedPrediction, read
from app.emg.source import UNLABELLED, Chunk, Labels
from app.errors import DataError

Indices = npt.NDArray[np.int64]

PIECE_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contents:
    """All that a recording holds but its samples, which may be too many for the memory; one row a sample."""

    header: RecordingHeader
    sample_index: Indices  # (n,) of the source
    label: Labels  # (n,) ids into gesture_names: the plan's, or else the source's
    repetition: Labels  # (n,) of the plan; 0 without
    piece: Labels  # (n,) 0, 1, ... and from 0 again: no window crosses a change
    source_label: Labels  # (n,) ids into the source's names
    gesture_names: tuple[str, ...]
    gaps: Indices  # (gaps, 2): sample index of the first sample lost, and how many
    restarts: Indices  # (restarts,): sample index of the first sample of another signal
    predictions: tuple[RecordedPrediction, ...]

    @property
    def samples(self) -> int:
        return len(self.sample_index)

    @property
    def lost_samples(self) -> int:
        return int(self.gaps[:, 1].sum())

    @property
    def seconds(self) -> float:
        return self.samples / self.header.sampling_rate


def contents(root: Path, name: str) -> Contents:
    """Return what a recording holds, as far as its log is whole.

    Raises:
        DataError: there is no such recording, or it holds no sample.
    """
    header = folders.read_header(root, name)
    starts: list[tuple[int, int, bool]] = []  # sample index, samples, restart
    labels: list[Labels] = [np.zeros(0, np.int16)]
    predictions = []
    with folders.open_file(root, name, LOG) as file:
        for entry in read(file, header.channels):
            if isinstance(entry, RecordedPrediction):
                predictions.append(entry)
                continue
            count = len(entry.samples)
            starts.append((entry.index, count, entry.restart))
            labels.append(np.full(count, UNLABELLED, np.int16) if entry.labels is None else entry.labels)
    if not starts:
        raise DataError(f"the recording {name} holds no sample")
    index, counts, restart = (np.array(column) for column in zip(*starts, strict=True))
    ends = index + counts
    lost = np.zeros(len(index), np.int64)
    lost[1:] = index[1:] - ends[:-1]
    breaks = (lost > 0) | (restart & (np.arange(len(index)) > 0))
    before = np.cumsum(counts) - counts
    rows = np.repeat(index - before, counts) + np.arange(counts.sum())
    own = _known(np.concatenate(labels), len(header.gesture_names))
    label, repetition, names = _labelled(header, rows, own)
    return Contents(
        header=header,
        sample_index=rows,
        label=label,
        repetition=repetition,
        piece=np.repeat(np.cumsum(breaks) % (MAX_ID + 1), counts).astype(np.int16),
        source_label=own,
        gesture_names=names,
        gaps=np.column_stack([ends[:-1], lost[1:]])[lost[1:] > 0],
        restarts=index[1:][restart[1:]],
        predictions=tuple(predictions),
    )


def write_npz(root: Path, name: str, target: Path) -> Contents:
    """Write the recording to `target`, which is there in full or not at all; its contents.

    The samples are copied from log to file piece by piece: an hour needs no more memory than a minute.

    Raises:
        DataError: there is no such recording, or it holds no sample.
        OSError: the target cannot be written.
    """
    held = contents(root, name)
    with replacing(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED, allowZip64=True) as file:
        _write_emg(root, held, file)
        for key, array in _arrays(held).items():
            with file.open(f"{key}.npy", "w", force_zip64=True) as member:
                _write_npy(member, np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array))
    return held


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield the path of a new file beside `target` that takes its place, unless the block fails.

    Nobody can guess its name, and plant a link there to a file that would then be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    part.open("xb").close()
    try:
        yield part
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def chunks(root: Path, held: Contents) -> Iterator[Chunk]:
    """Yield the samples that `held` describes, in order."""
    left = held.samples
    with folders.open_file(root, held.header.name, LOG) as file:
        for entry in read(file, held.header.channels):
            if isinstance(entry, Chunk) and left >= len(entry.samples):  # a running one has grown meanwhile
                left -= len(entry.samples)
                yield entry


def _write_emg(root: Path, held: Contents, file: zipfile.ZipFile) -> None:
    with file.open("emg.npy", "w", force_zip64=True) as member:
        shape = (held.samples, held.header.channels)
        _write_npy_head(member, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for chunk in chunks(root, held):
            member.write(chunk.samples.tobytes())


def _write_npy(file: IO[bytes], array: npt.NDArray[Any]) -> None:
    """In small pieces: numpy's own 16 MiB at a time hold the interpreter, and every stream with it, for 30 ms."""
    _write_npy_head(file, np.lib.format.header_data_from_array_1_0(array))
    rows = array.reshape(-1)
    step = max(1, PIECE_BYTES // max(rows.itemsize, 1))
    for at in range(0, len(rows), step):
        file.write(rows[at : at + step].tobytes())


def _write_npy_head(file: IO[bytes], about: dict[str, Any]) -> None:
    np.lib.format.write_array_header_1_0(file, about)


def _arrays(held: Contents) -> Mapping[str, Any]:
    header, predictions = held.header, held.predictions
    model = header.model
    return {
        "label": held.label,
        "repetition": held.repetition,
        "session": np.ones(held.samples, np.int16),
        "recording": held.piece,
        "fs": np.float64(header.sampling_rate),
        "gesture_names": np.array(held.gesture_names),
        "subject": np.array(header.subject or header.name),
        "units": np.array(header.units),
        "sample_index": held.sample_index,
        "source": np.array(header.source),
        "source_label": held.source_label,
        "source_gesture_names": np.array(header.gesture_names or ("",)),
        "started_at": np.float64(header.started_at),
        "gaps": held.gaps,
        "restarts": held.restarts,
        "prediction_sample_index": np.array([p.sample_index for p in predictions], np.int64),
        "prediction": np.array([p.prediction for p in predictions], np.int32),
        "confidence": np.array([p.confidence for p in predictions], np.float32),
        "decision": np.array([p.decision for p in predictions], np.int32),
        "model": np.array(model.name if model else ""),
        "model_sha256": np.array(model.sha256 if model else ""),
        "model_classes": np.array(model.classes if model else ("",)),
    }


def _known(labels: Labels, classes: int) -> Labels:
    return np.where((labels >= 0) & (labels < classes), labels, UNLABELLED).astype(np.int16)


def _labelled(header: RecordingHeader, rows: Indices, own: Labels) -> tuple[Labels, Labels, tuple[str, ...]]:
    """Label, repetition and names: the plan's where there is one, else what the source itself says."""
    if header.plan is not None:
        label, repetition = header.plan.label_rows(rows - rows[0], header.sampling_rate)
        return label, repetition, header.plan.gesture_names
    names = header.gesture_names or (header.model.classes if header.model else ("rest",))
    return own, np.zeros(len(rows), np.int16), names
