"""Several files of one session as one: each begins another signal, and their gestures are counted together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from app.counted import counted
from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.files.imported import ImportedFile
from app.emg.source import UNLABELLED, Chunk, Labels
from app.emg.units import factor
from app.errors import DataError

RATE_ERROR = 0.005  # within which two rates that were measured are one
SHOWN_FILES = 3


def merged(files: Sequence[ImportedFile]) -> ImportedFile:
    """Return the files as one, in their order.

    Raises:
        DataError: their channels, rates or units differ; one line says which.
    """
    first = files[0]
    if len(files) == 1:
        return first
    for other in files[1:]:
        _expect_alike(first, other)
    names = tuple(dict.fromkeys(name for file in files for name in file.gesture_names))
    aux = tuple(
        stream
        for k, stream in enumerate(first.aux)
        if all(_find(k, first.aux, file.aux) is not None for file in files)
    )
    rests = {file.rest for file in files if file.rest is not None}
    subjects = {file.subject for file in files}
    return replace(
        first,
        gesture_names=names,
        rest=rests.pop() if len(rests) == 1 else None,
        subject=first.subject if len(subjects) == 1 else None,
        aux=aux,
        chunks=lambda: _chunks(files, names, aux),
        found=_lines(files, lambda file: file.found) + _left_out(files, aux),
        assumed=_lines(files, lambda file: file.assumed) + _rates(files),
    )


def _expect_alike(first: ImportedFile, other: ImportedFile) -> None:
    one, two = first.path.name, other.path.name
    if first.channel_names != other.channel_names:
        said = f"{one} has {_named(first)}, {two} has {_named(other)}"
        raise DataError(f"{said}; only files of the same channels become one recording: choose with --emg")
    if not math.isclose(first.sampling_rate, other.sampling_rate, rel_tol=RATE_ERROR):
        said = f"{one} has {first.sampling_rate:g} Hz, {two} has {other.sampling_rate:g} Hz"
        raise DataError(f"{said}; only files of one rate become one recording")
    if factor(other.units, first.units) is None:
        said = f"{one} is in {first.units}, {two} is in {other.units}"
        raise DataError(f"{said}; only files in units of one kind become one recording")


def _named(file: ImportedFile) -> str:
    more = ", ..." if file.channels > 4 else ""
    return f"{counted(file.channels, 'channel')} ({', '.join(file.channel_names[:4])}{more})"


def _chunks(
    files: Sequence[ImportedFile], names: tuple[str, ...], streams: tuple[AuxStream, ...]
) -> Iterator[Chunk]:
    end = 0
    for number, file in enumerate(files):
        ids = np.array([*(names.index(name) for name in file.gesture_names), UNLABELLED], np.int16)
        kept = {k: _find(k, file.aux, streams) for k in range(len(file.aux))}
        scale = factor(file.units, files[0].units) or 1.0
        shift: int | None = None
        for chunk in file.chunks():
            begins = shift is None
            shift = end - chunk.index if shift is None else shift
            yield replace(
                chunk,
                index=chunk.index + shift,
                samples=chunk.samples if scale == 1.0 else chunk.samples * np.float32(scale),
                labels=None if chunk.labels is None else _renumbered(chunk.labels, ids),
                restart=chunk.restart or (begins and number > 0),
                aux=tuple(_moved(chunk.aux, kept, shift)),
            )
            end = chunk.index + shift + len(chunk.samples)


def _renumbered(labels: Labels, ids: Labels) -> Labels:
    known = (labels >= 0) & (labels < len(ids) - 1)
    found: Labels = ids[np.where(known, labels, len(ids) - 1)]
    return found


def _moved(chunks: Sequence[AuxChunk], kept: dict[int, int | None], shift: int) -> Iterator[AuxChunk]:
    for chunk in chunks:
        stream = kept.get(chunk.stream)
        if stream is not None:
            yield replace(chunk, stream=stream, at=chunk.at + shift)


def _find(number: int, streams: Sequence[AuxStream], others: Sequence[AuxStream]) -> int | None:
    """Return the number of the same stream among others; of those described alike, the one that has its turn."""
    turn = sum(_alike(streams[number], one) for one in streams[:number])
    alike = [k for k, other in enumerate(others) if _alike(streams[number], other)]
    return alike[turn] if turn < len(alike) else None


def _alike(one: AuxStream, other: AuxStream) -> bool:
    described = replace(other, sampling_rate=one.sampling_rate) == one
    return described and math.isclose(other.sampling_rate, one.sampling_rate, rel_tol=RATE_ERROR)


def _lines(files: Sequence[ImportedFile], of: Callable[[ImportedFile], Sequence[str]]) -> tuple[str, ...]:
    """Return each line once, with the files that it is about where it is not about all."""
    about: dict[str, list[str]] = {}
    for file in files:
        for line in of(file):
            about.setdefault(line, []).append(file.path.name)
    return tuple(
        line if len(names) == len(files) else f"{_some(names)}: {line}" for line, names in about.items()
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_FILES} more" if len(names) > SHOWN_FILES else ""
    return ", ".join(names[:SHOWN_FILES]) + more


def _left_out(files: Sequence[ImportedFile], kept: Sequence[AuxStream]) -> tuple[str, ...]:
    names = dict.fromkeys(stream.name for file in files for stream in file.aux)
    gone = [name for name in names if max(_count(name, file.aux) for file in files) > _count(name, kept)]
    return (f"left out, since not all files have it alike: {', '.join(gone)}",) if gone else ()


def _count(name: str, streams: Sequence[AuxStream]) -> int:
    return sum(stream.name == name for stream in streams)


def _rates(files: Sequence[ImportedFile]) -> tuple[str, ...]:
    rates = [file.sampling_rate for file in files]
    if max(rates) == min(rates):
        return ()
    span = f"{min(rates):.6g} to {max(rates):.6g} Hz"
    return (f"the files' rates are {span}; all are taken as {rates[0]:.6g} Hz; --rate says another",)
