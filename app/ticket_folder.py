"""The folder of a server's tickets: made for this user alone, held while the server lives, cleared when it is dead.

All who use one hold a shared lock on it, so one that can be locked for oneself belongs to nobody who lives. Imported by
gunicorn's master: nothing heavy here.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "myostream-tickets-"
_TICKET = re.compile(r"[0-9a-f]{64}")


def make() -> tuple[Path, int]:
    """Return a new folder of this user's, and the descriptor that holds it.

    Raises:
        OSError: it cannot be made.
    """
    path = Path(tempfile.mkdtemp(prefix=PREFIX))  # of mode 0700
    return path, hold(path)


def hold(path: Path) -> int:
    """Return a descriptor of the folder, which is made where it has gone. It is held until that is closed.

    Raises:
        OSError: it is a link, another user's, open to others, or cannot be made.
    """
    while True:
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)  # what is old in /tmp is swept by others, too
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            expect_own(handle, path)
            fcntl.flock(handle, fcntl.LOCK_SH)
            if is_at(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # cleared away by another start, just before it was held


def expect_own(handle: int, path: Path) -> None:
    """See that nobody else can put a ticket into it, or read one.

    Raises:
        PermissionError: somebody can.
    """
    found = os.fstat(handle)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(errno.EPERM, "their folder is not this user's alone", str(path))


def is_at(handle: int, path: Path) -> bool:
    """Whether the folder that is held is still the one at that path."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    held = os.fstat(handle)
    return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)


def clear_leftovers() -> None:
    """Delete what killed servers of this user have left behind; what anybody holds stays."""
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                with suppress(OSError):
                    _clear(Path(entry.path))


def _clear(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        expect_own(handle, path)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for name in filter(_TICKET.fullmatch, os.listdir(handle)):  # noqa: PTH208  of a descriptor
            os.unlink(name, dir_fd=handle)
        path.rmdir()  # while it is locked: whoever waits to hold it makes another
    finally:
        os.close(handle)
