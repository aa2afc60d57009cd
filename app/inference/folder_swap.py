"""A folder that is replaced whole, or not at all: also where the process dies half way.

Beside `tiny` lie, for as long as it is written, `.tiny.new` (what is being written), then `.tiny.old` (what was there)
and `.tiny.gone` (the same, once it may be deleted). Who writes holds a lock on the folder above, so what lies there
while nobody holds it is of a writer that died.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app import private_files

NEW, OLD, GONE = "new", "old", "gone"


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder` at the end; an exception leaves all as it was."""
    private_files.make_folder(folder.parent)
    new = _beside(folder, NEW)
    with _lock(folder.parent):
        _settle(folder)
        try:
            new.mkdir(mode=private_files.FOLDER)
            yield new
            _put_in_place(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def removed(folder: Path) -> None:
    """Take a folder away whole: at once it is not there any more, also where the process dies half way.

    Raises:
        FileNotFoundError: it is not there.
        OSError: who runs this may not write there.
    """
    gone = _beside(folder, GONE)
    with _lock(folder.parent):
        _settle(folder)
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def settle(folder: Path) -> None:
    """Bring a folder back whose writer died between taking the old one away and putting the new one in its place.

    Who may not write there finds things as they are.
    """
    with suppress(OSError):
        if any(_beside(folder, part).is_dir() for part in (NEW, OLD, GONE)):
            with _lock(folder.parent, wait=not folder.exists()):
                _settle(folder)


def unsettled(parent: Path) -> list[Path]:
    """Return the folders of `parent` that a writer is replacing, or was when it died."""
    ending = f".{OLD}"
    return [
        parent / entry.name[1 : -len(ending)]
        for entry in parent.iterdir()
        if entry.name.startswith(".") and entry.name.endswith(ending)
    ]


def _settle(folder: Path) -> None:
    old = _beside(folder, OLD)
    if old.is_dir():
        old.rename(_beside(folder, GONE) if folder.exists() else folder)
    for part in (NEW, GONE):
        shutil.rmtree(_beside(folder, part), ignore_errors=True)


def _put_in_place(new: Path, folder: Path) -> None:
    """Two renames: a reader sees the old folder, for an instant none, or the new one; never a mixture."""
    if not folder.exists():
        new.rename(folder)
        return
    old, gone = _beside(folder, OLD), _beside(folder, GONE)
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    old.rename(gone)  # half deleted, it must never come back
    shutil.rmtree(gone, ignore_errors=True)


def _beside(folder: Path, part: str) -> Path:
    return folder.parent / f".{folder.name}.{part}"


@contextmanager
def _lock(parent: Path, wait: bool = True) -> Iterator[None]:
    """Hold the folder's lock, which goes with the process that has it.

    Raises:
        BlockingIOError: somebody else has it, and `wait` is false.
    """
    handle = os.open(parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise
        except OSError:  # a file system without locks: two writers at once are the operator's to avoid
            pass
        yield
    finally:
        os.close(handle)
