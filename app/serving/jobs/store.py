"""Where jobs lie: `<instance>/jobs/<id>.json`, for this user alone, written by the worker that has it, read by all.

Beside them, `.<owner>.worker` is locked for as long as that worker lives, `.<id>.cancel` asks it to end a job, and
`.<id>.work` is the folder in which the job is done. It blocks: in a server everything here runs on a native thread.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from app import private_files
from app.errors import BusyError, DataError
from app.serving.jobs.job import FAILED, QUEUED, RESTARTED, Job, QueueFullError, decode, encode, failure_of

MOST_KEPT = 100
MOST_WAITING = 4  # in all workers, beside the one that runs
RETRY_S = 5.0
MAX_BYTES = 2**20
SUFFIX, CANCEL, WORKER, WORK = ".json", ".cancel", ".worker", ".work"
_LOST: dict[str, Any] = {
    "state": FAILED,
    "error": RESTARTED,
    "failure": failure_of("restarted"),
    "stage": None,
}


class JobStore:
    """The jobs of an instance, as one worker, `owner`, reads and writes them."""

    def __init__(
        self, instance: Path, owner: str, wall: Callable[[], float] = time.time, *, run: str = ""
    ) -> None:
        self.folder, self.owner, self._wall, self.run = instance / "jobs", owner, wall, run
        self._lock: int | None = None  # descriptor of the file that says that this worker lives

    def add(self, name: str, make: Callable[[str], Job]) -> Job:
        """Keep a new job for a model of that name, unless as many wait as may; `make` makes it of its id.

        Raises:
            TooFastError: as many wait.
            BusyError: one of them makes a model of that name.
            OSError: the disk does not take it.
        """
        private_files.make_folder(self.folder)
        self._live()
        with private_files.locked(self.folder):
            there = self.all()
            waiting = [job for job in there if not job.over]
            if any(job.name == name for job in waiting):
                raise BusyError(f"a training makes a model {name} already; choose another name, or cancel it")
            if len(waiting) > MOST_WAITING:
                words = f"{len(waiting)} trainings are under way or wait, as many as may; ask again"
                raise QueueFullError(words, RETRY_S)
            taken = {job.id for job in there}
            number = next(k for k in range(1, len(taken) + 2) if f"{name}-{k}" not in taken)
            job = make(f"{name}-{number}")
            self._write(job)
            self._prune(there)
        return job

    def put(self, job: Job) -> None:
        """Write down how it stands with a job of this worker.

        Raises:
            OSError: the disk does not take it.
        """
        with private_files.locked(self.folder):
            self._write(job)

    def find(self, job_id: str) -> Job | None:
        """Return that job, None where there is none.

        One whose worker has gone has no owner, and can be taken up; of another start of the server it has failed.
        """
        job = self._read(job_id)
        if job is None or job.over or job.owner == self.owner or self._lives(job.owner):
            return job
        if job.run == self.run:
            return replace(job, owner="")
        lost = replace(job, **_LOST, ended_at=self._wall())
        shutil.rmtree(self.work(job_id), ignore_errors=True)
        with suppress(OSError):
            self._write(lost)
        return lost

    def take_up(self, job_id: str) -> Job | None:
        """Make a job this worker's own whose worker has gone, and have it wait; None where it is not to be had.

        Raises:
            OSError: the disk does not take it.
        """
        self._live()
        with private_files.locked(self.folder):
            found = self.find(job_id)
            if found is None or not found.left:
                return None
            self.forget_work(job_id, but_cancel=True)
            again = found.taken_up + 1
            job = replace(found, owner=self.owner, state=QUEUED, stage=None, started_at=None, taken_up=again)
            self._write(job)
        return job

    def left(self) -> list[str]:
        """Return the jobs that can be taken up, the oldest first."""
        return [job.id for job in reversed(self.all()) if job.left]

    def fail_all(self) -> None:
        """Say of the jobs of this start of the server that they have failed, whoever has them."""
        for job in self.all():
            if not job.over and job.run == self.run:
                self.forget_work(job.id)
                failed = replace(job, **_LOST, ended_at=self._wall())
                with suppress(OSError):
                    self._write(failed)

    def all(self) -> list[Job]:
        """Return the jobs there are, the newest first."""
        try:
            names = [entry.name for entry in os.scandir(self.folder) if entry.name.endswith(SUFFIX)]
        except OSError:
            return []
        found = [self.find(name.removesuffix(SUFFIX)) for name in names if not name.startswith(".")]
        return sorted((job for job in found if job is not None), key=lambda job: job.created_at, reverse=True)

    def work(self, job_id: str) -> Path:
        """Return the folder in which a job is done."""
        return self.folder / f".{job_id}{WORK}"

    def ask_to_cancel(self, job_id: str) -> None:
        """Ask the worker that has a job to end it.

        Raises:
            OSError: the disk does not take it.
        """
        with suppress(FileExistsError):
            private_files.write(self._cancel(job_id), b"")

    def is_to_cancel(self, job_id: str) -> bool:
        """Whether somebody has asked for that."""
        return self._cancel(job_id).exists()

    def forget_work(self, job_id: str, *, but_cancel: bool = False) -> None:
        """Delete what a job has left beside its state; `but_cancel`: not that somebody has asked to end it."""
        shutil.rmtree(self.work(job_id), ignore_errors=True)
        if but_cancel:
            return
        with suppress(OSError):
            self._cancel(job_id).unlink(missing_ok=True)

    def close(self) -> None:
        """Say that this worker is gone. Safe to call twice."""
        handle, self._lock = self._lock, None
        if handle is not None:
            with suppress(OSError):
                self._worker(self.owner).unlink(missing_ok=True)
            os.close(handle)

    def _read(self, job_id: str) -> Job | None:
        try:
            with open(self.folder / f"{job_id}{SUFFIX}", "rb", opener=_no_link) as file:
                job = decode(file.read(MAX_BYTES))
        except (FileNotFoundError, DataError, OSError):
            return None
        return job if job.id == job_id else None

    def _live(self) -> None:
        """Lock the file that says that this worker lives; the lock goes with the process."""
        if self._lock is None:
            handle = private_files.opener(str(self._worker(self.owner)), os.O_RDWR | os.O_CREAT)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._lock = handle

    def _lives(self, owner: str) -> bool:
        try:
            handle = os.open(self._worker(owner), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError:
            return True  # nobody can tell
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        with suppress(OSError):
            self._worker(owner).unlink(missing_ok=True)
        return False

    def _worker(self, owner: str) -> Path:
        return self.folder / f".{owner}{WORKER}"

    def _cancel(self, job_id: str) -> Path:
        return self.folder / f".{job_id}{CANCEL}"

    def _write(self, job: Job) -> None:
        """Write a job's file whole or not at all; not over a power cut, after which no job goes on anyway."""
        path = self.folder / f"{job.id}{SUFFIX}"
        new = path.with_name(f".{path.name}.{self.owner}.new")
        try:
            with open(new, "wb", opener=private_files.opener) as file:
                file.write(encode(job))
            if os.geteuid() == 0 and path.exists():  # the master may be root, and the workers another user's
                os.chown(new, path.stat().st_uid, path.stat().st_gid)
            new.replace(path)
        except BaseException:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise

    def _prune(self, there: list[Job]) -> None:
        """Delete the oldest of those that are over, and their traces."""
        for job in [one for one in there if one.over][MOST_KEPT - 1 :]:
            self.forget_work(job.id)
            with suppress(OSError):
                (self.folder / f"{job.id}{SUFFIX}").unlink(missing_ok=True)


def mark_of(run: str) -> str:
    """Return what names a start of the server in its jobs; the run's own name stays a secret."""
    return hashlib.sha256(f"jobs of {run}".encode()).hexdigest()[:16]


def fail_jobs(instance: Path, run: str) -> None:
    """Say of the jobs of a server that has ended that they have failed; its workers may be dying still."""
    JobStore(instance, "", run=mark_of(run)).fail_all()


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
