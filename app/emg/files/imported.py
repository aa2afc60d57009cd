"""A file of the field as its importer has found it: what it is, what was assumed, and its samples piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from app.emg.auxiliary import AuxStream
from app.emg.source import Chunk

HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportHints:
    """What a person says of a file; None is found out, and what was found is told.

    `emg`, `label` and `time` name columns, variables or streams of the file, by name or by number from 1
    (`1-8`, `3,1,2`, `raw`); `time="none"` says that no column is a clock. `together` is what the files are called,
    without suffix, that become one recording: what differs in their names is what they are of. With `aux_rows` what
    comes beside EMG has a value a row, even where values are held: files that become one must have one rate.
    """

    emg: str | None = None
    label: str | None = None
    time: str | None = None
    rest: str | None = None  # name or number of the class that is rest
    gesture_names: tuple[str, ...] | None = None  # of the classes by their numbers from 0
    rate_hz: float | None = None
    units: str | None = None
    board: str | None = None  # BrainFlow's name or number, of its files, which have no header
    together: tuple[str, ...] = ()
    aux_rows: bool = False


NOTHING_SAID = ImportHints()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHead:
    """A file's path, its size in bytes, and its first HEAD_BYTES: what formats are told apart by, not its suffix."""

    path: Path
    size: int
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImportedFile:
    """What a file holds. `chunks` reads it anew at each call, in bounded memory.

    A hole is a jump of `Chunk.index`, another beginning of the signal is `Chunk.restart`; ids in `Chunk.labels`
    count in `gesture_names`.
    """

    path: Path
    format: str  # such as "OpenBCI GUI text"
    channel_names: tuple[str, ...]
    units: str  # of the EMG; "unknown" where the file does not say
    sampling_rate: float  # Hz
    rate_source: str  # how it was found, such as "from the header" or "from the clock in column 9"
    chunks: Callable[[], Iterator[Chunk]]
    gesture_names: tuple[str, ...] = ()  # empty: the file has no labels
    rest: str | None = None  # which of them is rest, where that is known
    subject: str | None = None
    aux: tuple[AuxStream, ...] = ()
    found: tuple[str, ...] = ()  # one line each of what was seen: gaps, held values, columns left out
    assumed: tuple[str, ...] = ()  # one line each of what was assumed, and what overrides it

    @property
    def channels(self) -> int:
        return len(self.channel_names)


class FileFormat(Protocol):
    """A module of this package that reads one format."""

    NAME: str

    def matches(self, head: FileHead) -> bool:
        """Return whether the file is of this format, by its content alone."""

    def read(self, path: Path, hints: ImportHints) -> ImportedFile:
        """Look through the file once and return what it holds.

        Raises:
            DataError: one line that says what is wrong with it and what would be right.
        """


def aux_rates(file: ImportedFile) -> tuple[float, ...]:
    """Return the rates of what comes beside the EMG."""
    return tuple(stream.sampling_rate for stream in file.aux)


def rates_differ(rates: Sequence[tuple[float, ...]]) -> bool:
    """Return whether as many streams have other rates in some files: of a short one it may be less sure."""
    alike = (len(own) != len(rates[0]) or np.allclose(own, rates[0], rtol=0.005) for own in rates)
    return not all(alike)
