"""A recording that a command is told of: a file or folder by its path, or one of instance/recordings by its name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import DataError

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


def _root() -> Path:
    from app.config import Settings

    return Settings.from_env().instance / "recordings"
