"""Text tables as people hold them, made up; and what an import of one gives, all in one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.files.imported import HEAD_BYTES, FileHead, ImportedFile, ImportHints
from app.emg.files.text import TEXT_FORMATS

SHARED = Path(__file__).parents[4].parent / "shared" / "data" / "files"
ABSENT = f"the shared files are not at {SHARED}"


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """All samples of an imported file."""

    index: npt.NDArray[np.int64]
    samples: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int16] | None
    repetitions: npt.NDArray[np.int16] | None
    restarts: list[int]  # indices at which another piece begins
    aux: dict[int, list[tuple[float, npt.NDArray[np.float32]]]]

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Row after each gap, and samples lost there; restarts are none."""
        jumps = np.diff(self.index)
        return [(int(k) + 1, int(jumps[k]) - 1) for k in np.flatnonzero(jumps != 1)]


def import_text(path: Path, **hints: Any) -> ImportedFile:
    """Return what the first format that matches makes of it."""
    head = path.read_bytes()[:HEAD_BYTES] if path.is_file() else b""
    one = FileHead(path=path, size=path.stat().st_size, head=head)
    form = next(form for form in TEXT_FORMATS if form.matches(one))
    return form.read(path, ImportHints(**hints))


def whole(file: ImportedFile) -> Whole:
    """Return its samples in one piece; chunks must go on from one another."""
    chunks = list(file.chunks())
    assert all(len(chunk.samples) and chunk.samples.dtype == np.float32 for chunk in chunks)
    ends = [chunk.index + len(chunk.samples) for chunk in chunks]
    assert all(chunk.index >= end for chunk, end in zip(chunks[1:], ends, strict=False))
    aux: dict[int, list[tuple[float, npt.NDArray[np.float32]]]] = {}
    for chunk in chunks:
        for one in chunk.aux:
            aux.setdefault(one.stream, []).append((one.at, one.samples))
    labelled = chunks[0].labels is not None
    repeated = chunks[0].repetitions is not None
    return Whole(
        index=np.concatenate([chunk.index + np.arange(len(chunk.samples)) for chunk in chunks]),
        samples=np.concatenate([chunk.samples for chunk in chunks]),
        labels=np.concatenate([chunk.labels for chunk in chunks]) if labelled else None,
        repetitions=np.concatenate([chunk.repetitions for chunk in chunks]) if repeated else None,
        restarts=[chunk.index for chunk in chunks if chunk.restart],
        aux=aux,
    )


def emg(rows: int, channels: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """Return a signal with two decimals."""
    return np.round(np.random.default_rng(seed).normal(0, 50, (rows, channels)), 2)


def write(
    path: Path,
    columns: list[npt.NDArray[np.float64] | list[str]],
    *,
    delimiter: str = ",",
    decimal: str = ".",
    header: str = "",
    newline: str = "\n",
    encoding: str = "utf-8",
    trailing: bool = False,
    decimals: dict[int, int] | None = None,
) -> Path:
    """Write columns of numbers (2 decimals, or as said) or words."""
    texts = []
    for k, column in enumerate(columns):
        places = (decimals or {}).get(k, 2)
        texts.append(
            [one if isinstance(one, str) else f"{one:.{places}f}".replace(".", decimal) for one in column]
        )
    lines = [delimiter.join(row) + (delimiter if trailing else "") for row in zip(*texts, strict=True)]
    text = (header + "\n" if header else "") + "\n".join(lines) + "\n"
    path.write_bytes(text.replace("\n", newline).encode(encoding))
    return path
