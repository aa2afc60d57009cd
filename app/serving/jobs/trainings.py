"""Trainings that clients ask for: one at a time in all workers, and what they make is used where it is to be."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from app import private_files
from app.config import Settings
from app.errors import (
    ArtefactError,
    BusyError,
    DataError,
    JobNameError,
    ModelNameError,
    MyostreamError,
    NotReadyError,
)
from app.inference import artefact
from app.inference.artefact import Artefact
from app.learning.jobs.order import TrainingOrder, too_much
from app.serving.counters.worker_group import WorkerGroup
from app.serving.jobs import job as jobs
from app.serving.jobs.child import TrainingProcess
from app.serving.jobs.job import PROGRESS, RESTARTED, Job, TrainingRequest
from app.serving.jobs.material import TrainingFieldError, expect_material
from app.serving.jobs.outcome import result_of, why_not
from app.serving.jobs.store import JobStore
from app.serving.models.shelf import ModelShelf
from app.serving.pipelines.source_models import SourceModels
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.process.offload import BlockingWorker

log = logging.getLogger(__name__)

MEMORY = 6 * 2**30  # bytes that a process may map, of which PyTorch's libraries can take half
SECONDS = 120  # of a processor
LOOK_S = 0.05  # between two looks at a process, or at a job
CANCELLED_S = 10.0  # in which a job ends that is told to
SWAP_TRIES, SWAP_AGAIN_S = 20, 0.25  # while another change of a model is under way
TURN = "training"  # what one worker does at a time


class _CancelledError(Exception):
    """Somebody has asked for the end of a job."""


class _ClosedError(Exception):
    """The server ends."""


@dataclass(slots=True, eq=False)
class _Task:
    """A job of this worker."""

    job: Job
    asked: TrainingRequest
    cancel: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


class Trainings:
    """The trainings of this server, as one worker has them."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        shelf: ModelShelf,
        pipelines: SourcePipelines,
        source_models: SourceModels,
        worker_group: WorkerGroup,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._shelf, self._pipelines = settings, shelf, pipelines
        self._models, self._group, self._wall = source_models, worker_group, wall
        self._store = JobStore(settings().instance, secrets.token_hex(8), wall)
        self._disk, self._turn = BlockingWorker(), BlockingWorker()
        self._lock = threading.Lock()
        self._queue: deque[_Task] = deque()
        self._own: dict[str, _Task] = {}  # that are not over, or whose end the disk has not taken
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(self, asked: TrainingRequest) -> Job:
        """Queue a training.

        Raises:
            TrainingFieldError: what is asked for cannot be; says which field.
            BusyError: there is a model of that name, or a training that makes one.
            TooFastError: as many wait as may.
            NotReadyError: the disk does not take it.
        """
        base = self._base(asked.base)
        self._expect_free(asked.name)
        root = self._recordings
        try:
            self._disk.do(lambda: expect_material(root, asked, None if base is None else base.manifest))
            job = self._disk.do(lambda: self._store.add(asked.name, lambda named: self._new(named, asked)))
        except OSError as error:
            raise NotReadyError(f"the training cannot be kept: {error.strerror or error}") from None
        task = _Task(job, asked)
        with self._lock:
            self._own[job.id] = task
            self._queue.append(task)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="trainings", daemon=True)
                self._thread.start()
        return job

    def all(self) -> list[Job]:
        """Return the jobs of all workers, the newest first."""
        found = {job.id: job for job in self._disk.do(self._store.all)}
        own = {name: task.job for name, task in list(self._own.items())}
        return sorted({**found, **own}.values(), key=lambda job: job.created_at, reverse=True)

    def find(self, job_id: str) -> Job:
        """Return a job of any worker.

        Raises:
            JobNameError: there is none.
        """
        task = self._own.get(job_id)
        found = task.job if task is not None else self._disk.do(lambda: self._store.find(job_id))
        if found is None:
            raise JobNameError(f"no job {job_id[:80]!r}; GET /jobs has those there are")
        return found

    def watch(self, job_id: str, stopping: Callable[[], bool]) -> Iterator[Job | None]:
        """Yield a job whenever it has changed, and None while it has not; ends with it, and with the server."""
        last: Job | None = None
        while not stopping():
            try:
                job = self.find(job_id)
            except JobNameError:  # it is over for long
                return
            yield None if job == last else job
            if job.over:
                return
            last = job
            time.sleep(LOOK_S)

    def cancel(self, job_id: str) -> Job:
        """End a job of any worker; one that is over stays as it is.

        Raises:
            JobNameError: there is none.
            NotReadyError: the disk does not take it.
        """
        if self.find(job_id).over:
            return self.find(job_id)
        task = self._own.get(job_id)
        if task is not None:
            task.cancel.set()
            if self._take_back(task):
                self._end(task, state=jobs.CANCELLED)
            task.over.wait(CANCELLED_S)
            return task.job
        try:
            self._disk.do(lambda: self._store.ask_to_cancel(job_id))
        except OSError as error:
            raise NotReadyError(f"the job cannot be cancelled: {error.strerror or error}") from None
        ends = time.monotonic() + CANCELLED_S
        while not self.find(job_id).over and time.monotonic() < ends:
            time.sleep(LOOK_S)
        return self.find(job_id)

    def close(self) -> None:
        """End the jobs of this worker; nothing is left of them but that they failed. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        thread = self._thread
        if thread is not None:
            thread.join(CANCELLED_S)
        for task in list(self._own.values()):
            self._end(task, state=jobs.FAILED, error=RESTARTED)
        self._disk.do(self._store.close)
        for worker in (self._turn, self._disk):
            worker.close()

    @property
    def _recordings(self) -> Path:
        return (self._settings().instance / "recordings").resolve()

    def _new(self, job_id: str, asked: TrainingRequest) -> Job:
        return Job(
            id=job_id,
            owner=self._store.owner,
            name=asked.name,
            recordings=asked.recordings,
            base=asked.base,
            person=asked.person,
            use=asked.use,
            source=asked.source,
            unlabelled=asked.unlabelled,
            created_at=round(self._wall(), 3),
        )

    def _base(self, name: str | None) -> Artefact | None:
        """Return the model that is to be made a person's own.

        Raises:
            TrainingFieldError: there is none of that name, or it is of another kind.
        """
        if name is None:
            return None
        try:
            found = self._shelf.sound(name)
        except (ModelNameError, NotReadyError) as error:
            raise TrainingFieldError("base", str(error)) from None
        if found.manifest.architecture != "covariance":
            raise TrainingFieldError(
                "base",
                f"{name} is no covariance model, which alone learns any gestures; null makes one from nothing, and "
                "`flask model calibrate` adapts networks",
            )
        return found

    def _expect_free(self, name: str) -> None:
        if any(entry.name == name for entry in self._shelf.entries()):
            raise BusyError(f"there is a model {name} already; choose another name, or delete it")

    def _work(self) -> None:
        """Do the jobs of this worker, one after the other, until none is left."""
        while True:
            with self._lock:
                if not self._queue:
                    self._thread = None
                    return
                task = self._queue.popleft()
            try:
                self._do(task)
            except _CancelledError:
                self._end(task, state=jobs.CANCELLED)
            except _ClosedError:
                self._end(task, state=jobs.FAILED, error=RESTARTED)
            except MyostreamError as error:
                self._end(task, state=jobs.FAILED, error=str(error))
            except OSError as error:
                self._end(
                    task, state=jobs.FAILED, error=f"the disk does not take it: {error.strerror or error}"
                )
            except Exception:  # the jobs after it are none the worse
                log.exception("a training failed")
                self._end(
                    task, state=jobs.FAILED, error="the training failed; the server's log has the reason"
                )

    def _do(self, task: _Task) -> None:
        while (turn := self._group.try_lock(TURN)) is None:
            self._wait(task)
        with turn:
            self._expect_wanted(task)
            self._set(task, state=jobs.RUNNING, started_at=round(self._wall(), 3))
            found = self._made(task)
            self._advance(task, jobs.KEEPING)
            model = self._turn.do(lambda: artefact.load(Path(found["folder"])))
            self._expect_wanted(task)
            try:
                kept = self._shelf.install(model, replacing=False)
            except ArtefactError as error:  # another has written it meanwhile
                raise BusyError(str(error)) from None
            result = {**result_of(kept, found), **self._used(task.asked, result_of(kept, found))}
        self._end(task, state=jobs.DONE, result=result)

    def _made(self, task: _Task) -> dict[str, Any]:
        """Return what the process says of the model that it has made."""
        work = self._store.work(task.job.id)
        self._turn.do(lambda: private_files.make_folder(work))
        order = self._order(task.asked, work)
        process = self._turn.do(lambda: TrainingProcess(order))
        try:
            while True:
                lines, ended = self._turn.do(process.look)
                for line in lines:
                    if "stage" in line:
                        self._advance(task, line["stage"])
                    elif "error" in line:
                        raise DataError(line["error"])
                    elif "result" in line:
                        found: dict[str, Any] = line["result"]
                        return found
                if ended:
                    raise DataError(too_much(MEMORY, SECONDS))
                self._wait(task)
        finally:
            self._turn.do(process.end)

    def _order(self, asked: TrainingRequest, work: Path) -> TrainingOrder:
        settings, base = self._settings(), self._base(asked.base)
        return TrainingOrder(
            recordings=asked.recordings,
            root=str(self._recordings),
            aside=str(work.resolve()),
            name=asked.name,
            base=None if base is None else str(base.path.resolve()),
            rival=self._rival(asked) if base is None and asked.use != jobs.YES else None,
            person=asked.person,
            classes=asked.classes,
            mains=settings.mains_hz,
            unlabelled=asked.unlabelled,
            memory=MEMORY,
            seconds=SECONDS,
        )

    def _rival(self, asked: TrainingRequest) -> str | None:
        """Return the folder of the model that reads the source now; None where none does."""
        try:
            use = self._pipelines.named(asked.source).use
        except MyostreamError:
            return None
        return None if use.model is None else str(use.model.artefact.path.resolve())

    def _used(self, asked: TrainingRequest, result: dict[str, Any]) -> dict[str, Any]:
        """Put the model into use where it is to be; return what came of that."""
        why = why_not(asked.use, result)
        if why is not None:
            return {"why_not_used": why}
        for again in range(SWAP_TRIES, 0, -1):
            try:
                pipeline = self._pipelines.named(asked.source)
                swap = self._models.swaps.put(pipeline, asked.name)
            except BusyError as error:  # another change is under way
                if again > 1 and not self._closed:
                    time.sleep(SWAP_AGAIN_S)
                why = str(error)
            except MyostreamError as error:
                return {"why_not_used": str(error)}
            else:
                return {
                    "used": True,
                    "source": pipeline.name,
                    "previous": swap.previous,
                    "from_sample": swap.from_sample,
                }
        return {"why_not_used": why}

    def _expect_wanted(self, task: _Task) -> None:
        if self._closed:
            raise _ClosedError
        if task.cancel.is_set() or self._disk.do(lambda: self._store.is_to_cancel(task.job.id)):
            raise _CancelledError

    def _take_back(self, task: _Task) -> bool:
        """Take a job out of the queue; whether it was still there."""
        with self._lock:
            if task not in self._queue:
                return False
            self._queue.remove(task)
            return True

    def _cancel_waiting(self) -> None:
        """End the jobs of the queue that another worker was told to cancel."""
        for task in list(self._queue):
            if self._disk.do(partial(self._store.is_to_cancel, task.job.id)) and self._take_back(task):
                self._end(task, state=jobs.CANCELLED)

    def _wait(self, task: _Task) -> None:
        """Let a moment go by.

        Raises:
            _CancelledError, _ClosedError: the job is not wanted any more.
        """
        self._expect_wanted(task)
        self._cancel_waiting()
        task.cancel.wait(LOOK_S)

    def _advance(self, task: _Task, stage: str) -> None:
        progress = max(task.job.progress, PROGRESS.get(stage, 0.0))
        self._set(task, stage=stage, progress=progress)

    def _end(self, task: _Task, **changes: Any) -> None:
        """Write down how a job has ended, and delete what it has left."""
        progress = 1.0 if changes["state"] == jobs.DONE else task.job.progress
        self._disk.do(lambda: self._store.forget_work(task.job.id))
        if self._set(task, ended_at=round(self._wall(), 3), stage=None, progress=progress, **changes):
            self._own.pop(task.job.id, None)
        task.over.set()
        log.info("the training %s is over: %s", task.job.id, task.job.error or task.job.state)

    def _set(self, task: _Task, **changes: Any) -> bool:
        """Note how it stands with a job; whether the disk has taken it."""
        task.job = replace(task.job, **changes)
        try:
            self._disk.do(lambda: self._store.put(task.job))
        except OSError as error:  # this worker knows it all the same
            log.warning("how it stands with the job %s cannot be written: %s", task.job.id, error)
            return False
        return True
