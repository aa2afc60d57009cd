"""Imports a file as a person would: finds its format by its content, reads it, and puts its chunks together."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.emg.files.binary import BINARY_FORMATS
from app.emg.files.imported import HEAD_BYTES, FileFormat, FileHead, ImportedFile, ImportHints

SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "files"


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the shared file {name} is not there")
    return path


def needs(*packages: str) -> None:
    """Skip where a package of requirements-files.txt is absent."""
    absent = [package for package in packages if importlib.util.find_spec(package) is None]
    if absent:
        pytest.skip(f"{', '.join(absent)} of requirements-files.txt is not there", allow_module_level=True)


def head_of(path: Path) -> FileHead:
    with path.open("rb") as file:
        return FileHead(path=path, size=path.stat().st_size, head=file.read(HEAD_BYTES))


def format_of(path: Path) -> FileFormat | None:
    return next((form for form in BINARY_FORMATS if form.matches(head_of(path))), None)


def read(path: Path, **hints: Any) -> ImportedFile:
    form = format_of(path)
    assert form is not None, f"{path.name} is of no format"
    return form.read(path, ImportHints(**hints))


@dataclass
class Whole:
    """All chunks of a file, one behind the other."""

    file: ImportedFile
    index: npt.NDArray[np.int64]  # (n,) of each sample
    samples: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int16] | None
    restarts: list[int]  # sample indices
    aux: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]]  # place and samples of each stream

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Where samples are missing: the index behind, and how many."""
        steps = np.diff(self.index)
        return [(int(self.index[k] + 1), int(steps[k] - 1)) for k in np.flatnonzero(steps != 1)]

    def spans(self) -> list[tuple[str | None, int, int]]:
        """Runs of one label: its name, and the first and last sample index."""
        assert self.labels is not None
        edges = [0, *(np.flatnonzero(np.diff(self.labels)) + 1).tolist(), len(self.labels)]
        named = [self.file.gesture_names[k] if k >= 0 else None for k in self.labels[edges[:-1]].tolist()]
        return [
            (name, int(self.index[a]), int(self.index[b - 1]))
            for name, a, b in zip(named, edges, edges[1:], strict=False)
        ]


def whole(path: Path, **hints: Any) -> Whole:
    file = read(path, **hints)
    chunks = list(file.chunks())
    again = list(file.chunks())
    assert [(c.index, len(c.samples)) for c in chunks] == [(c.index, len(c.samples)) for c in again]
    assert all(c.samples.dtype == np.float32 and np.isfinite(c.samples).all() for c in chunks)
    assert all((c.labels is None) == (not file.gesture_names) for c in chunks)
    labelled = [c.labels for c in chunks if c.labels is not None]
    return Whole(
        file=file,
        index=np.concatenate([np.arange(c.index, c.index + len(c.samples)) for c in chunks]),
        samples=np.concatenate([c.samples for c in chunks]),
        labels=np.concatenate(labelled) if labelled else None,
        restarts=[c.index for c in chunks if c.restart],
        aux=[_stream(file, chunks, number) for number in range(len(file.aux))],
    )


def _stream(
    file: ImportedFile, chunks: list[Any], number: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    step = file.sampling_rate / file.aux[number].sampling_rate
    parts = [part for chunk in chunks for part in chunk.aux if part.stream == number]
    places = [part.at + np.arange(len(part.samples)) * step for part in parts]
    return np.concatenate(places), np.concatenate([part.samples for part in parts])


def refusal(do: Callable[[], object]) -> str:
    """Return the one line that a DataError says."""
    from app.errors import DataError

    with pytest.raises(DataError) as refused:
        do()
    said = str(refused.value)
    assert "\n" not in said
    assert len(said) < 1500
    return said
