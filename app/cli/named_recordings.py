"""Recordings that a command is told of: a file or folder by its path, or one of instance/recordings by its name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import DataError

if TYPE_CHECKING:
    from app.learning.recording_sets import RecordingSet

HELP = "A path, or the name of one in instance/recordings."


@contextmanager
def recording_path(text: str | Path) -> Iterator[Path]:
    """Yield where it can be read; one of instance/recordings is an `.npz` of that name for as long as the block runs.

    Raises:
        DataError: there is no such path, and no such recording.
    """
    from app.emg.recording import folder
    from app.emg.recording.export_npz import write_npz

    path, name = Path(text), str(text)
    if path.exists():
        yield path
        return
    root = _root()
    there = folder.names(root)
    if name not in there:
        held = ", ".join(there[:10]) or "none"
        raise DataError(f"there is no file {path}, and no recording of that name in {root}, which has {held}")
    with tempfile.TemporaryDirectory() as aside:
        made = Path(aside) / f"{name}.npz"
        write_npz(root, name, made)
        yield made


def sets_of(
    folders: Sequence[str],
    classes: Sequence[str],
    rest_class: str,
    gestures: Sequence[str] | None,
    rename: Mapping[str, str],
) -> tuple[RecordingSet, ...]:
    """Return the recordings of each folder or file, with a model's names for gestures.

    Raises:
        DataError: one cannot be used, or a name that is to be changed is nobody's.
    """
    from app.learning import datasets
    from app.learning.recording_sets import RecordingSet, called_alike, expect_renamed

    found = []
    for folder in folders:
        with recording_path(folder) as path:
            people = datasets.load_people(path, gestures)
        found.append(RecordingSet(Path(folder).resolve().name, people))
    expect_renamed(found, rename)
    alike = [called_alike(one, classes, rename) for one in found]
    return tuple(RecordingSet(one.name, datasets.named(one.recordings, classes, rest_class)) for one in alike)


def _root() -> Path:
    from app.config import Settings

    return Settings.from_env().instance / "recordings"
