"""Our own `.npz`, such as another server's recording: with its gaps, repetitions and what came beside the EMG."""

from __future__ import annotations

import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.files.arrays import MAX_BYTES, expect_signal
from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.emg.files.recordings import RecordedAux, Recording, load
from app.emg.source import UNLABELLED, Chunk
from app.errors import DataError

NAME = "Myostream recording (.npz)"
ROWS = 2**14  # samples in a chunk
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True, eq=False)
class _Aux:
    about: AuxStream
    samples: npt.NDArray[np.float32]  # (n, channels)
    at: npt.NDArray[np.float64]  # (n,)


def matches(head: FileHead) -> bool:
    """Return whether it is a zip file with the arrays that an export of ours has, and nobody else's."""
    if not head.head.startswith(_ZIP):
        return False
    try:
        with zipfile.ZipFile(head.path) as file:
            return {"emg.npy", "sample_index.npy"} <= set(file.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Look through the file once and return what it holds.

    Raises:
        DataError: it is damaged, or lacks its rate; one line says which.
    """
    held = _loaded(path, hints)
    more = _more(path)
    labelled = bool((held.label != UNLABELLED).any())
    names = held.gesture_names if labelled else ()
    return ImportedFile(
        path=path,
        format=NAME,
        channel_names=_channel_names(more, held.channels),
        units=hints.units or held.units,
        sampling_rate=hints.rate_hz or held.fs,
        rate_source="as told" if hints.rate_hz else "from the file's fs",
        chunks=lambda: _chunks(path, hints),
        gesture_names=names,
        rest=hints.rest or ("rest" if "rest" in names else None),
        subject=held.subject,
        aux=tuple(stream.about for stream in _aux(more)),
    )


def _loaded(path: Path, hints: ImportHints) -> Recording:
    if path.suffix.lower() != ".npz":
        raise DataError(f"{path.name}: is an .npz file under another name; give it that ending")
    return load(path, fs=hints.rate_hz, gesture_names=hints.gesture_names, labelled=False)


def _more(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that only an export of ours has; of other files what there is of them."""

    def wanted(key: str) -> bool:
        return key in ("sample_index", "channel_names") or key.startswith("aux_")

    with zipfile.ZipFile(path) as members:
        infos = [member for member in members.infolist() if wanted(member.filename.removesuffix(".npy"))]
    for member in infos:
        expect_signal(path, member)
    if sum(member.file_size for member in infos) > MAX_BYTES:
        raise DataError(f"{path.name}: what it holds beside the EMG is over {MAX_BYTES / 2**30:g} GiB")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files if wanted(key)}
    except Exception as error:  # numpy raises nearly anything on a damaged file
        raise DataError(f"{path.name}: is damaged ({str(error).splitlines()[0][:200]})") from None


def _channel_names(more: Mapping[str, npt.NDArray[Any]], channels: int) -> tuple[str, ...]:
    names = more.get("channel_names")
    if names is not None and names.dtype.kind == "U" and names.shape == (channels,):
        return tuple(str(name) for name in names)
    return tuple(f"ch{k}" for k in range(1, channels + 1))


def _aux(more: Mapping[str, npt.NDArray[Any]]) -> list[_Aux]:
    """Return the auxiliary streams that are whole: with samples, places, rate, channels and units."""
    found = []
    for key, samples in more.items():
        parts = [more.get(f"{key}_{end}") for end in ("at", "fs", "channels", "units")]
        at, rate, channels, units = parts
        if at is None or rate is None or channels is None or units is None:
            continue
        sound = samples.ndim == 2 and samples.dtype.kind == "f" and at.shape == samples.shape[:1]
        if not sound or rate.size != 1 or channels.shape != samples.shape[1:] or not np.isfinite(at).all():
            continue
        about = AuxStream(
            name=key.removeprefix("aux_"),
            channel_names=tuple(str(name) for name in channels),
            units=str(units),
            sampling_rate=float(rate),
        )
        found.append(_Aux(about, samples.astype(np.float32), at.astype(np.float64)))
    return found


def _chunks(path: Path, hints: ImportHints) -> Iterator[Chunk]:
    held = _loaded(path, hints)
    more = _more(path)
    index = _sample_index(more, held)
    beside = [
        chunk
        for number, stream in enumerate(_aux(more))
        for chunk in _aux_chunks(number, stream, (hints.rate_hz or held.fs) / stream.about.sampling_rate)
    ]
    beside.sort(key=lambda chunk: chunk.at)
    places, told = [chunk.at for chunk in beside], 0
    for piece in held.pieces:
        jumps = piece.start > 0 and index[piece.start] != index[piece.start - 1] + 1
        for begin in range(piece.start, piece.stop, ROWS):
            part = slice(begin, min(begin + ROWS, piece.stop))
            last = part.stop == len(index)
            due = len(beside) if last else bisect_right(places, int(index[part.stop - 1]))
            yield Chunk(
                index=int(index[begin]),
                samples=held.emg[part],
                labels=held.label[part],
                restart=begin == piece.start and piece.start > 0 and not jumps,
                repetitions=held.repetition[part],
                aux=tuple(beside[told:due]),
            )
            told = due


def aux_of(path: Path, recording: Recording) -> tuple[RecordedAux, ...]:
    """Return what an export of ours has beside the EMG, by the rows of the recording that was loaded from it."""
    more = _more(path)
    index = _sample_index(more, recording)
    return tuple(
        RecordedAux(stream=one.about, rows=rows_of(index, one.at), samples=one.samples) for one in _aux(more)
    )


def rows_of(index: npt.NDArray[np.int64], at: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return where places on the axis of sample indices lie among the rows, whose indices rise by one or jump.

    What lies in a gap is put before the row that follows it.
    """
    before = np.clip(np.searchsorted(index, at, side="right") - 1, 0, len(index) - 1)
    return np.asarray(before + np.minimum(at - index[before], 1.0), dtype=np.float64)


def _aux_chunks(number: int, stream: _Aux, step: float) -> Iterator[AuxChunk]:
    """Yield what continues as one, in pieces of up to ROWS samples."""
    breaks = np.flatnonzero(np.abs(np.diff(stream.at) - step) > 0.01) + 1
    for part in np.split(np.arange(len(stream.at)), breaks):
        for begin in range(0, len(part), ROWS):
            rows = part[begin : begin + ROWS]
            yield AuxChunk(stream=number, at=float(stream.at[rows[0]]), samples=stream.samples[rows])


def _sample_index(more: Mapping[str, npt.NDArray[Any]], held: Recording) -> npt.NDArray[np.int64]:
    """Return the sample index of each row; they count on where the file has none that only grows."""
    found = more.get("sample_index")
    sound = found is not None and found.shape == (len(held.emg),) and found.dtype.kind in "iu"
    if (
        not sound
        or found is None
        or (np.diff(found) < 1).any()
        or not 0 <= int(found[0]) <= int(found[-1]) < 2**62
    ):
        return np.arange(len(held.emg), dtype=np.int64)
    within = np.ones(len(found), bool)  # a jump within a piece is none that we wrote
    within[[piece.start for piece in held.pieces]] = False
    if (np.diff(found)[within[1:]] != 1).any():
        return np.arange(len(held.emg), dtype=np.int64)
    return found.astype(np.int64)
