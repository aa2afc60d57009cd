"""Files and folders for this user alone, whatever the umask: recordings and models are of people."""

from __future__ import annotations

import os
from pathlib import Path

FILE, FOLDER = 0o600, 0o700


def make_folder(path: Path) -> None:
    """Make the folder, and those above it that are missing; one that is there stays as it is.

    Raises:
        FileExistsError: it is a file.
        OSError: it cannot be made.
    """
    if not path.parent.exists():
        make_folder(path.parent)
    path.mkdir(mode=FOLDER, exist_ok=True)


def opener(path: str, flags: int) -> int:
    """Return a descriptor, for `open(..., opener=opener)`."""
    return os.open(path, flags | os.O_CLOEXEC, FILE)


def write(path: Path, content: bytes) -> None:
    """Write a new file; its folder is made where it is missing.

    Raises:
        FileExistsError: it is there already.
        OSError: it cannot be written.
    """
    make_folder(path.parent)
    with open(path, "xb", opener=opener) as file:
        file.write(content)
