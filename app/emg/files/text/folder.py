"""A folder of text files that are one recording: a file for each repetition of a gesture, which its name tells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.counted import counted
from app.emg.auxiliary import AuxChunk
from app.emg.files.imported import (
    HEAD_BYTES,
    FileFormat,
    FileHead,
    ImportedFile,
    ImportHints,
    aux_rates,
    rates_differ,
)
from app.emg.files.table.labels import rest_of
from app.emg.files.table.layout import says_none
from app.emg.files.table.rates import alike
from app.emg.files.text import brainflow_text, csv_text, delsys, libemg, openbci, opensignals
from app.emg.files.text.labelled_names import NamedLabel, from_folder, from_name
from app.emg.source import UNLABELLED, Chunk
from app.errors import DataError

NAME = "folder of text files"

SUFFIXES = (".csv", ".txt", ".tsv", ".dat", ".asc")
FILE_FORMATS: tuple[FileFormat, ...] = (opensignals, openbci, delsys, libemg, brainflow_text, csv_text)
MOST_FILES = 10_000
_LEFT_OUT = re.compile(r"readme.*|licen[cs]e.*|metadata.*|collection_details.*|requirements.*", re.IGNORECASE)


def matches(head: FileHead) -> bool:
    """Return whether it is a folder with text files in it, or in its folders."""
    return head.path.is_dir() and bool(files_of(head.path))


def files_of(folder: Path) -> list[Path]:
    """Return the text files of a folder and its folders in natural order; LibEMG's alone where there are any."""
    found = [
        path
        for path in sorted([*folder.glob("*"), *folder.glob("*/*")], key=_natural)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not _LEFT_OUT.fullmatch(path.stem)
    ]
    return [path for path in found if libemg.is_named_so(path)] or found


def _natural(path: Path) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdigit() else (0, part.lower()) for part in re.split(r"(\d+)", str(path))
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    """A file of the folder, how it is read, and its ids in the folder's names."""

    path: Path
    form: FileFormat
    ids: np.ndarray[tuple[int], np.dtype[np.int16]]
    repetition: int | None


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Look through all files once and return what they hold together; each is another piece of the recording.

    Raises:
        DataError: a file cannot be read, or is not like the others: with its name.
    """
    files = files_of(path)
    if not files:
        raise DataError(
            f"{path}: holds no text files; .csv or .txt are expected, one recording or one repetition each"
        )
    if len(files) > MOST_FILES:
        raise DataError(f"{path}: holds {len(files)} files, at most {MOST_FILES} are read as one recording")
    hints = replace(hints, together=hints.together or tuple(file.stem for file in files))
    names: list[str] = list(hints.gesture_names or ())
    members: list[_Member] = []
    found: dict[str, int] = {}
    assumed: dict[str, None] = {}
    rates: list[tuple[float, ...]] = []  # beside the EMG
    first: ImportedFile | None = None
    rest: str | None = None
    for file in files:
        form = _form_of(file)
        one = form.read(file, hints)
        first = first or one
        rates.append(aux_rates(one))
        _expect_alike(path, first, one)
        label = None if one.gesture_names or says_none(hints.label) else _label_of(file, path, hints)
        own = one.gesture_names or ((label.gesture or f"gesture_{label.number}",) if label else ())
        names += [name for name in own if name not in names]
        rest = rest or one.rest
        ids = np.array([names.index(name) for name in own], np.int16)
        members.append(_Member(file, form, ids, label.repetition if label else None))
        for line in one.found:
            found[line] = found.get(line, 0) + 1
        assumed.update(dict.fromkeys(_general(one.assumed)))
        if label or any(_by_name(line) for line in one.assumed):
            assumed["gestures are named by the files' names or folders; --label none overrides"] = None
    assert first is not None
    if rates_differ(rates) and not hints.aux_rows:
        return read(path, replace(hints, aux_rows=True))
    return replace(
        first,
        path=path,
        format=f"{first.format}, {counted(len(members), 'file')}",
        chunks=lambda: _chunks(members, hints),
        gesture_names=tuple(names),
        rest=rest or rest_of(names),
        found=(
            f"{counted(len(members), 'file')}, each a piece of the recording",
            *(line for line, count in found.items() if count == len(members)),
            *_differing(found, len(members)),
        ),
        assumed=tuple(assumed),
    )


def _form_of(file: Path) -> FileFormat:
    with file.open("rb") as opened:
        head = FileHead(path=file, size=file.stat().st_size, head=opened.read(HEAD_BYTES))
    form = next((form for form in FILE_FORMATS if form.matches(head)), None)
    if form is None:
        raise DataError(
            f"{file.name}: is empty or no text; every file of the folder is expected to be a table of numbers"
        )
    return form


def _label_of(file: Path, folder: Path, hints: ImportHints) -> NamedLabel | None:
    return from_name(file, hints) or (from_folder(file) if file.parent != folder else None)


def _expect_alike(folder: Path, first: ImportedFile, one: ImportedFile) -> None:
    if one.channels != first.channels:
        raise DataError(
            f"{folder.name}: {one.path.name} has {counted(one.channels, 'channel')}, {first.path.name} has "
            f"{first.channels}; all files of a folder must have the same"
        )
    if not alike(one.sampling_rate, first.sampling_rate):
        raise DataError(
            f"{folder.name}: {one.path.name} runs at {one.sampling_rate:g} Hz, {first.path.name} at "
            f"{first.sampling_rate:g} Hz; all files of a folder must have one rate, --rate says it"
        )
    if len(one.aux) != len(first.aux):
        raise DataError(
            f"{folder.name}: {one.path.name} has other columns beside EMG than {first.path.name}; import them apart"
        )


def _general(assumed: Sequence[str]) -> Iterator[str]:
    """Yield what was assumed of every file alike: not what its own name says."""
    return (line for line in assumed if not _by_name(line))


def _by_name(line: str) -> bool:
    return line.startswith("the file's name says")


def _differing(found: dict[str, int], files: int) -> Iterator[str]:
    for line, count in found.items():
        if count < files and not _by_name(line):
            yield f"{line} (in {count} of {files} files)"


def _chunks(members: Sequence[_Member], hints: ImportHints) -> Iterator[Chunk]:
    """Yield the samples of all files one after the other; each file begins another piece."""
    begin = 0
    for number, member in enumerate(members):
        last = 0
        for place, chunk in enumerate(member.form.read(member.path, hints).chunks()):
            last = chunk.index + len(chunk.samples)
            yield _placed(chunk, member, begin, restart=chunk.restart or (place == 0 and number > 0))
        begin += last


def _placed(chunk: Chunk, member: _Member, begin: int, *, restart: bool) -> Chunk:
    labels, repetitions = chunk.labels, chunk.repetitions
    if labels is not None:
        labels = np.where(labels >= 0, member.ids[np.maximum(labels, 0)], np.int16(UNLABELLED))
    elif len(member.ids):
        labels = np.full(len(chunk.samples), member.ids[0], np.int16)
    if repetitions is None and member.repetition is not None:
        repetitions = np.full(len(chunk.samples), member.repetition, np.int16)
    aux = tuple(AuxChunk(stream=one.stream, at=one.at + begin, samples=one.samples) for one in chunk.aux)
    return replace(
        chunk, index=chunk.index + begin, labels=labels, restart=restart, repetitions=repetitions, aux=aux
    )
