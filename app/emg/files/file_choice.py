"""Which files hold a signal, of those that a person names, and of the folders among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from app.errors import DataError

SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".dat", ".edf", ".bdf", ".xdf", ".xdfz", ".gz", ".mat", ".npz", ".h5", ".hdf5"),
    *(".c3d", ".acq"),
)  # of files that are looked at in a folder; one that is named itself may be called anything
MOST_FILES = 10_000
DEPTH = 6  # folders below the one that is named

TEXT = {".csv", ".tsv", ".txt", ".dat"}
_SIGNALS = {".edf", ".bdf", ".xdf", ".set"}  # beside which tables are about the signal
_ABOUT = {".tsv", ".json", ".md", ".bib"}
_PROSE = re.compile(r"(?i)(readme|licen[cs]e|changes|changelog|copying|authors|notice)\b")


def data_files(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return the files to be read, in natural order within each folder.

    Raises:
        DataError: there is no such file, or a folder holds none that could be read.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += files_of(path)
        elif path.exists():
            found.append(path)
        else:
            raise DataError(f"{path}: no such file")
    if not found:
        raise DataError("there is no file to import")
    return tuple(dict.fromkeys(_signals(found)))


def files_of(folder: Path) -> list[Path]:
    """Return the files of a folder and its folders that may be read, in natural order.

    Raises:
        DataError: it holds none, or too many.
    """
    files: list[Path] = []
    for path in _walk(folder, DEPTH):
        if path.suffix.lower() in SUFFIXES and not _PROSE.match(path.name):
            files.append(path)
        if len(files) > MOST_FILES:
            raise DataError(f"{folder}: holds over {MOST_FILES} files; name fewer of them")
    if not files:
        raise DataError(f"{folder}: holds no file that can be imported (such as {', '.join(SUFFIXES[:8])})")
    return _signals(files)


def _signals(files: list[Path]) -> list[Path]:
    """Leave out what only says what the signal beside it is, as BIDS has it."""
    if not any(path.suffix.lower() in _SIGNALS for path in files):
        return files
    return [path for path in files if path.suffix.lower() not in _ABOUT]


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    for path in sorted(_seen(folder), key=natural):
        if path.is_dir() and not path.is_symlink():
            if depth:
                yield from _walk(path, depth - 1)
        elif path.is_file():
            yield path


def _seen(folder: Path) -> Iterable[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: cannot be looked into: {error.strerror or error}") from None


def natural(path: Path) -> list[tuple[int, str]]:
    """Return what files are sorted by, so that S2 comes before S10."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in parts]
