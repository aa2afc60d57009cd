"""What EMG_RECORDING names: a file, a folder of files, or one of the recordings that were made or imported here."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from app.emg.files.loading import load_path
from app.emg.files.recordings import Recording
from app.emg.recording import folder
from app.emg.recording.export_npz import write_npz
from app.errors import DataError

MOST_NAMED = 10  # recordings in a message


def played_recordings(path: Path, root: Path) -> tuple[Recording, ...]:
    """Return what is to be played, in memory; `root` is `instance/recordings`.

    Raises:
        DataError: there is no such path and no recording of that name, or it cannot be played.
    """
    if not path.exists():
        return _made_here(root, str(path))
    if path.is_dir() and folder.has_header(path.resolve().parent, path.resolve().name):
        return _made_here(path.resolve().parent, path.resolve().name)
    return load_path(path, labelled=False)


def _made_here(root: Path, name: str) -> tuple[Recording, ...]:
    there = folder.names(root)
    if name not in there:
        held = ", ".join(there[:MOST_NAMED]) or "none"
        raise DataError(
            f"EMG_RECORDING={name}: there is no such file or folder seen from {Path.cwd()}, and no recording of that "
            f"name in {root}, which has {held}"
        )
    with tempfile.TemporaryDirectory() as aside:
        made = Path(aside) / f"{name}.npz"
        write_npz(root, name, made)
        return tuple(replace(one, path=root / name) for one in load_path(made, labelled=False))
