"""Finds out by its content what a file is, and has it read; several files, or a folder of them, as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from app.emg.files.file_choice import TEXT, data_files, files_of
from app.emg.files.formats import FORMATS
from app.emg.files.imported import (
    HEAD_BYTES,
    NOTHING_SAID,
    FileFormat,
    FileHead,
    ImportedFile,
    ImportHints,
    aux_rates,
    rates_differ,
)
from app.emg.files.merged import merged
from app.emg.units import UNKNOWN, accepted
from app.errors import DataError

PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf")  # gzip, bzip2, xz, 7z


def import_files(
    paths: Sequence[Path], hints: ImportHints = NOTHING_SAID, formats: Sequence[FileFormat] = FORMATS
) -> tuple[ImportedFile, tuple[Path, ...]]:
    """Return what the files, and those of the folders among them, hold as one, and which files were read.

    Raises:
        DataError: one line that says what is wrong with which of them, and what would be right.
    """
    files = data_files(paths)
    hints = replace(hints, together=tuple(dict.fromkeys(path.stem for path in files)))
    units = dict.fromkeys(_units(paths, set(files), formats))
    found = [import_file(path, hints, formats) for path in units]
    if rates_differ([aux_rates(one) for one in found]):
        found = [import_file(path, replace(hints, aux_rows=True), formats) for path in units]
    return merged(found), files


def _units(paths: Sequence[Path], files: set[Path], formats: Sequence[FileFormat]) -> Iterator[Path]:
    """Yield what is read for itself: a file, or a folder of text files which a format reads as one."""
    for path in paths:
        if not path.is_dir():
            yield from {path} & files
        elif _is_one(path, formats):
            yield path
        else:
            yield from files_of(path)


def _is_one(folder: Path, formats: Sequence[FileFormat]) -> bool:
    files = files_of(folder)
    text = len(files) > 1 and all(path.suffix.lower() in TEXT for path in files)
    return text and any(known.matches(_head_of_folder(folder)) for known in formats)


def import_file(
    path: Path, hints: ImportHints = NOTHING_SAID, formats: Sequence[FileFormat] = FORMATS
) -> ImportedFile:
    """Return what one file holds, or a folder that is one recording.

    Raises:
        DataError: it cannot be read, is of no known format, or cannot be used; one line says what would be right.
    """
    try:
        head = _head_of_folder(path) if path.is_dir() else head_of(path)
        return _told_units(_format_of(head, formats).read(path, hints))
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error.strerror or error}") from None


def _told_units(found: ImportedFile) -> ImportedFile:
    """Return the file, with a word on units that it says and nobody knows."""
    if accepted(found.units or UNKNOWN) is not None:
        return found
    strange = f"the file's units are {found.units!r}, which cannot be made into volts; --units says others"
    return replace(found, assumed=(*found.assumed, strange))


def head_of(path: Path) -> FileHead:
    """Return the beginning of a file.

    Raises:
        DataError: it is empty, or no file.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise DataError(f"{path.name}: is {'a folder' if path.is_dir() else 'no plain file'}")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise DataError(f"{path.name}: is empty")
    return FileHead(path=path, size=path.stat().st_size, head=head)


def _head_of_folder(folder: Path) -> FileHead:
    return FileHead(path=folder, size=0, head=b"")


def _format_of(head: FileHead, formats: Sequence[FileFormat]) -> FileFormat:
    for known in formats:
        if known.matches(head):
            return known
    if head.head.startswith(PACKED) or head.path.suffix.lower() == ".zip":
        raise DataError(f"{head.path.name}: is packed; unpack it, and import what is in it")
    names = ", ".join(dict.fromkeys(known.NAME for known in formats))
    raise DataError(f"{head.path.name}: is of no format that is read here; those are {names}")
