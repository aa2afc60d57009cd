"""Where an export or import is made: a folder of its own, which no other process writes into or finds by guessing."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from app.emg.recording import folder as folders

PREFIX = ".export-"  # nothing that a recording may be called


@contextmanager
def export_folder(root: Path) -> Iterator[Path]:
    """Yield a new folder below `root` that only this user may enter; it is deleted in the end, with all that is in it.

    Its lock says that somebody writes there. The system gives it back when the process dies.

    Raises:
        OSError: it cannot be made.
    """
    with ExitStack() as held:
        with folders.beginning(root):  # nobody clears it before it is locked
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))  # 0700
            held.enter_context(_locked(folder))
        held.callback(shutil.rmtree, folder, ignore_errors=True)  # what stays is cleared at the next start
        yield folder


def clear_exports(root: Path) -> None:
    """Delete the folders of exports whose process was killed.

    Raises:
        OSError: `root` may not be read.
    """
    left = [Path(entry) for entry in os.scandir(root) if _is_export(entry)] if root.is_dir() else []
    if not left:
        return
    with folders.beginning(root):
        for folder in left:
            with suppress(OSError), _locked(folder):  # it is gone, or another process writes there
                shutil.rmtree(folder)


def _is_export(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
