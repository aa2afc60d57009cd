"""From files of the field to a recording in its folder, which is there in full or not at all."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np

from app.counted import counted
from app.emg.files.imported import ImportedFile
from app.emg.files.sound_rows import SoundRows
from app.emg.recording import folder as folders
from app.emg.recording.header import Imported, RecordingHeader
from app.emg.recording.header import encode as encode_header
from app.emg.recording.plain_text import plain
from app.emg.recording.progress import RecordingProgress
from app.emg.recording.prompts.label_plan import MAX_LABEL
from app.emg.recording.writer import RecordingWriter
from app.emg.source import Chunk
from app.errors import DataError

MAX_CHANNELS = 256
MAX_GESTURES = 256  # more are a column of numbers, taken for one of labels
MAX_LINES, MAX_LINE = 100, 400  # of what was found or assumed, and characters of each
BATCH_BYTES = 2**21
NAMES_TRIED = 1000


@dataclass(frozen=True, slots=True)
class Made:
    """What came of an import."""

    header: RecordingHeader
    progress: RecordingProgress

    @property
    def name(self) -> str:
        return self.header.name


def write_recording(
    found: ImportedFile,
    files: Sequence[Path],
    *,
    aside: Path,
    root: Path,
    name: str | None,
    called: str,
    now: float,
    most_bytes: int,
    tell: Callable[[int], object] | None = None,
) -> Made:
    """Make a recording below `root` of what the files hold; it takes `name`, or one like `called`.

    It is written in `aside`, an empty folder on the same file system, and moved when it is whole. `tell` is told of
    the samples as they are written.

    Raises:
        DataError: what is wrong with the files, or with the name.
        FileExistsError: there is a recording of that name.
        OSError: the disk does not take it.
    """
    header = header_of(found, files, _plain_name(called) if name is None else folders.check_name(name), now)
    writer = RecordingWriter(aside, header)
    sound = SoundRows(found)
    try:
        for batch in _batches(sound.checked()):
            writer.append(batch)
            if tell is not None:
                tell(sum(len(chunk.samples) for chunk in batch))
            if writer.bytes > most_bytes:
                raise DataError(
                    f"{found.path.name}: holds more than a recording may, {most_bytes / 2**30:.3g} GiB; "
                    "import a part of it"
                )
        sound.expect_signal()
    finally:
        progress = writer.finish("complete")
    if sound.lines:
        header = _also_found(header, sound.lines)
        folders.replace_header(aside, header.name, encode_header(header))
    return Made(_moved(aside, root, header, chosen=name is not None), progress)


def header_of(found: ImportedFile, files: Sequence[Path], name: str, now: float) -> RecordingHeader:
    """Return the header of a recording of what the files hold.

    Raises:
        DataError: a recording cannot hold that many channels or gestures, or samples at that rate.
    """
    file = found.path.name
    if not 1 <= found.channels <= MAX_CHANNELS:
        said = f"{file}: has {counted(found.channels, 'channel')}; 1 to {MAX_CHANNELS} are recorded"
        raise DataError(f"{said}: choose them, such as --emg 1-8")
    if len(found.gesture_names) > MAX_GESTURES:
        said = f"{file}: has {len(found.gesture_names)} labels; a recording has up to {MAX_GESTURES}"
        raise DataError(f"{said}: name the column of labels with --label, or --label none")
    if not (np.isfinite(found.sampling_rate) and 1e-3 <= found.sampling_rate <= 1e6):
        raise DataError(f"{file}: a rate of {found.sampling_rate:g} Hz cannot be right; say it with --rate")
    names = _distinct(found.gesture_names)
    at = found.gesture_names.index(found.rest) if found.rest in found.gesture_names else None
    return RecordingHeader(
        name=name,
        source=plain(found.format)[:64],
        subject=_subject(found.subject),
        started_at=now,
        sampling_rate=found.sampling_rate,
        channels=found.channels,
        units=plain(found.units)[:MAX_LABEL] or "unknown",
        gesture_names=names,
        mains_hz=None,
        model=None,
        plan=None,
        channel_names=tuple(plain(name).strip()[:MAX_LABEL] for name in found.channel_names),
        aux=found.aux,
        rest=None if at is None else names[at],
        imported=Imported(
            format=found.format,
            files=tuple(plain(file.name) for file in files),
            sha256=tuple(_sha256(file) for file in files),
            rate_source=found.rate_source,
            found=_lines(found.found),
            assumed=_lines(found.assumed),
        ),
    )


def _batches(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Yield chunks together that are worth a write."""
    batch: list[Chunk] = []
    size = 0
    for chunk in chunks:
        batch.append(chunk)
        size += chunk.samples.nbytes + sum(aux.samples.nbytes for aux in chunk.aux)
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _moved(aside: Path, root: Path, header: RecordingHeader, chosen: bool) -> RecordingHeader:
    """Return the header as it is after the recording is moved to where recordings are, under a name that is free."""
    with folders.beginning(root):
        free = header.name if chosen else _free_name(root, header.name)
        if free != header.name:
            renamed = replace(header, name=free)
            folders.replace_header(aside, header.name, encode_header(renamed))
        folders.move(aside / header.name, root / free)
    return replace(header, name=free)


def _free_name(root: Path, name: str) -> str:
    for number in range(1, NAMES_TRIED):
        tried = name if number == 1 else f"{name[:58]}-{number}"
        if not os.path.lexists(root / tried):
            return tried
    raise DataError(f"there are {NAMES_TRIED} recordings called {name}; choose another name")


def _plain_name(text: str) -> str:
    """Return what a recording may be called, as like the text as can be."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:64] or "imported"


def _also_found(header: RecordingHeader, lines: Sequence[str]) -> RecordingHeader:
    assert header.imported is not None
    return replace(header, imported=replace(header.imported, found=_lines([*header.imported.found, *lines])))


def _lines(lines: Sequence[str]) -> tuple[str, ...]:
    kept = tuple(plain(line, " ")[:MAX_LINE] for line in lines[:MAX_LINES])
    return (*kept, f"and {len(lines) - MAX_LINES} more") if len(lines) > MAX_LINES else kept


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names as gestures may have them, each once."""
    found: dict[str, None] = {}
    for number, name in enumerate(names):
        text = " ".join(plain(name, " ").split())[:MAX_LABEL].strip() or f"gesture_{number}"
        others = (text if k == 0 else f"{text[: MAX_LABEL - 5]}_{k}" for k in count())
        found[next(other for other in others if other not in found)] = None
    return tuple(found)


def _subject(text: str | None) -> str | None:
    code = re.sub(r"[^A-Za-z0-9]", "", text or "")[:32]
    return code or None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
