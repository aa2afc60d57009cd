"""Files and folders for this user alone, whatever the umask: recordings and models are of people."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


def replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, also where the process or the machine dies half way; it is on the disk then.

    It waits for whoever writes in that folder: on a native thread.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    make_folder(path.parent)
    with locked(path.parent) as folder:
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)  # of a writer that died
        try:
            with open(new, "xb", opener=opener) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.rename(path)
        except BaseException:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise
        os.fsync(folder)  # only then is the new name there after a power cut


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Yield the folder's descriptor, with its lock, which goes with the process that holds it.

    Raises:
        OSError: the folder is not there, or may not be read.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system without locks: of two who write at once the last one counts
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
