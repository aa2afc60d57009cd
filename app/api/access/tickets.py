"""One-use tickets for streams: a native EventSource sends no headers, and a key must never be in a URL.

A ticket is a random text that is good once, for 30 s. It is kept as a file whose name is the ticket's hash, in a folder
of this server's user that all its workers share: whoever removes the file has used the ticket, and only one can. With
EMG_REDIS_URL it is kept in Redis, for several machines behind one address.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from app import ticket_folder
from app.errors import NotReadyError, OverloadedError
from app.keys import hash_of

VALID_S = 30
MOST = 10_000  # not yet used, when swept last; every one is a small file
SWEEP_S = 1.0
FOLDER = "MYOSTREAM_TICKETS"  # set by gunicorn's master for its workers; no setting


class Tickets(Protocol):
    """Where tickets are kept."""

    def issue(self, name: str) -> str:
        """Return a ticket for the holder of the key of that name."""

    def redeem(self, ticket: str) -> str | None:
        """Return the name that the ticket was issued for; None when it is used, too old or not ours."""


class FileTickets:
    """For the workers of one machine."""

    def __init__(self, folder: Path | None = None, wall: Callable[[], float] = time.time) -> None:
        self._path, self._wall = folder, wall
        self._handle = -1  # of the folder, once it is held
        self._lock = threading.Lock()
        self._swept_at = 0.0

    def issue(self, name: str) -> str:
        ticket = secrets.token_urlsafe(32)
        try:
            folder = self._folder()
            self._sweep(folder)
            handle = os.open(hash_of(ticket), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=folder)
            with os.fdopen(handle, "w") as file:
                file.write(f"{self._wall() + VALID_S}\n{name}")
        except OSError as error:
            raise _unkept(error) from None
        return ticket

    def redeem(self, ticket: str) -> str | None:
        if self._path is None or not os.path.lexists(self._path):  # it is made for a ticket only
            return None
        try:
            folder = self._folder()
            with os.fdopen(os.open(hash_of(ticket), os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)) as file:
                ends, _, name = file.read().partition("\n")
            os.unlink(hash_of(ticket), dir_fd=folder)  # only one can
            return name if self._wall() < float(ends) else None
        except (FileNotFoundError, ValueError):  # ValueError: the disk was full when it was written
            return None
        except OSError as error:
            raise _unkept(error) from None

    def _folder(self) -> int:
        """Return the descriptor of the folder, which this process holds from now on."""
        with self._lock:
            if self._path is None:
                self._path, self._handle = ticket_folder.make()
                weakref.finalize(self, shutil.rmtree, self._path, ignore_errors=True)
            elif self._handle < 0 or not ticket_folder.is_at(self._handle, self._path):
                gone, self._handle = self._handle, -1
                if gone >= 0:
                    os.close(gone)
                self._handle = ticket_folder.hold(self._path)
            ticket_folder.expect_own(self._handle, self._path)  # its mode may be another by now
            return self._handle

    def __del__(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)

    def _sweep(self, folder: int) -> None:
        """Remove what is too old, once in a while: with thousands of tickets it takes some milliseconds."""
        if 0 <= self._wall() - self._swept_at < SWEEP_S:
            return
        self._swept_at = self._wall()
        oldest, kept = self._wall() - VALID_S, 0
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                if os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < oldest:
                    os.unlink(name, dir_fd=folder)
                else:
                    kept += 1
        if kept >= MOST:
            raise OverloadedError(f"{MOST} tickets wait to be used; try again in {VALID_S} s")


class RedisTickets:
    """For the workers of several machines."""

    def __init__(self, url: str) -> None:
        import redis

        self._failures: type[Exception] = redis.RedisError
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=1.0)

    def issue(self, name: str) -> str:
        ticket = secrets.token_urlsafe(32)
        self._asked(lambda: self._redis.set(_at(ticket), name, ex=VALID_S))
        return ticket

    def redeem(self, ticket: str) -> str | None:
        found = self._asked(lambda: self._redis.getdel(_at(ticket)))
        return None if found is None else found.decode()

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except self._failures as error:
            raise NotReadyError(
                f"tickets are kept in Redis, which does not answer ({type(error).__name__}); "
                "send your key in X-API-Key instead, or try again"
            ) from None


def open_tickets(redis_url: str | None) -> Tickets:
    """Return the tickets of all workers: in Redis, in a folder that they share, or in this process alone."""
    if redis_url:
        return RedisTickets(redis_url)
    shared = os.environ.get(FOLDER)
    return FileTickets(Path(shared) if shared else None)


def _unkept(error: OSError) -> NotReadyError:
    return NotReadyError(
        f"no ticket can be kept ({error.strerror}); send your key in X-API-Key instead, or try again"
    )


def _at(ticket: str) -> str:
    return f"emg:ticket:{hash_of(ticket)}"
