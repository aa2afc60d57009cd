"""The file of keys: changed by the commands, read again by a running server when it has changed."""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app import private_files
from app.errors import ConfigError
from app.keys import Key, Keyring, read_file

log = logging.getLogger(__name__)

FILE_POLL_S = 1.0  # a revoked key is refused after so long at the latest


class WatchedKeys:
    """The keys of the settings and of the file as it is now, so that a key is revoked without a restart.

    A file that cannot be read lets nobody new in: its last sound state goes on, and the log says so.
    """

    def __init__(
        self, own: tuple[Key, ...], path: Path | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._own, self._path, self._clock = own, path, clock
        self._ring = Keyring(own)
        self._seen: tuple[int, int, int] | None = None  # of the file: time, size, inode
        self._looked_at = float("-inf")
        self._failed = ""  # what the log has said of it

    @property
    def ring(self) -> Keyring:
        if self._path is not None and self._clock() - self._looked_at >= FILE_POLL_S:
            self._looked_at = self._clock()
            self._look(self._path)
        return self._ring

    def _look(self, path: Path) -> None:
        try:
            found = path.stat()
            state = (found.st_mtime_ns, found.st_size, found.st_ino)
            if state == self._seen:
                return
            self._ring, self._seen, self._failed = Keyring((*self._own, *read_file(path))), state, ""
        except (OSError, ConfigError) as error:
            if str(error) != self._failed:  # once, not every second
                log.error("the API keys stay as they were: %s", error)
            self._failed = str(error)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let nobody else change the file from when it is read until it is written; what was is on the disk then.

    The lock is on its folder: the file itself is another after each change.

    Raises:
        ConfigError: there is no such folder, and none can be made.
    """
    try:
        private_files.make_folder(path.parent)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
        os.fsync(folder)  # or a key that was revoked is back after a power cut
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        os.close(folder)


def write_file(path: Path, keys: tuple[Key, ...]) -> None:
    """Replace the file in one step: a new one is readable for its owner only, another for whom it was before.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        _replace(path, keys)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"EMG_API_KEYS_FILE={path} cannot be written: {error.strerror or error}")


def _replace(path: Path, keys: tuple[Key, ...]) -> None:
    private_files.make_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # of mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            if path.exists():
                _let_read(file.fileno(), path.stat())
            file.write("# name:scopes:hash; `flask --app wsgi keys new|list|revoke`\n")
            file.writelines(f"{key}\n" for key in keys)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _let_read(handle: int, before: os.stat_result) -> None:
    """Keep owner and mode: a server that runs as another user would go on with the old keys."""
    os.fchown(handle, before.st_uid, before.st_gid)
    os.fchmod(handle, before.st_mode & 0o777)
