"""Trainings that clients ask for: one at a time in all workers, and what they make is used where it is to be."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from app import private_files
from app.config import Settings
from app.errors import JobNameError, MyostreamError, NotReadyError
from app.inference import artefact
from app.serving.counters.worker_group import WorkerGroup
from app.serving.jobs import job as jobs
from app.serving.jobs.changes import JobsElsewhere, watched
from app.serving.jobs.edges import keep_edges
from app.serving.jobs.job import PROGRESS, RESTARTED, Job, JobNotKeptError, TrainingRequest, request_of
from app.serving.jobs.material import expect_material
from app.serving.jobs.nursery import Nursery
from app.serving.jobs.outcome import result_of
from app.serving.jobs.store import JobStore, mark_of
from app.serving.jobs.task import CancelledError, ClosedError, Task, new_job, order_of
from app.serving.jobs.training_models import TrainingModels
from app.serving.models.shelf import ModelShelf
from app.serving.pipelines.source_models import SourceModels
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.process.offload import BlockingWorker

log = logging.getLogger(__name__)

LOOK_S = 0.05  # between two looks at a process, or at a job
CANCELLED_S = 10.0  # in which a job ends that is told to
TIDY_S = 1.0  # between two looks at what is left over
MOST_TAKEN_UP = 2  # times, when the worker that had the job has died
TURN = "training"  # what one worker does at a time


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
        self._models = TrainingModels(settings, shelf, pipelines, source_models)
        self._group, self._wall = worker_group, wall
        self.elsewhere: JobsElsewhere | None = None  # with a bus
        self._store = JobStore(settings().instance, secrets.token_hex(8), wall, run=mark_of(worker_group.run))
        self._disk, self.nursery = BlockingWorker(), Nursery()
        self._lock = threading.Lock()
        self._queue: deque[Task] = deque()
        self._own: dict[str, Task] = {}  # that are not over, or whose end the disk has not taken
        self._thread: threading.Thread | None = None
        self._closed = False
        self._tidied, self._left = 0.0, -1.0
        self._tidying = threading.Lock()

    def start(self, asked: TrainingRequest) -> Job:
        """Queue a training.

        Raises:
            TrainingFieldError: what is asked for cannot be; says which field.
            BusyError: there is a model of that name, or a training that makes one.
            QueueFullError: as many wait as may.
            JobNotKeptError: the disk does not take it.
        """
        base = self._models.base(asked.base)
        self._models.expect_free(asked.name)
        root = self._models.recordings
        try:
            self._disk.do(lambda: expect_material(root, asked, None if base is None else base.manifest))
            job = self._disk.do(
                lambda: self._store.add(
                    asked.name,
                    lambda named: new_job(
                        named, asked, owner=self._store.owner, run=self._store.run, now=self._wall()
                    ),
                )
            )
        except OSError as error:
            raise JobNotKeptError(f"the training cannot be kept: {error.strerror or error}") from None
        self._enqueue(Task(job, asked))
        return job

    def expect(self) -> None:
        """Have what a training needs loaded, since one is likely to come; not in a worker that is alone."""
        if self._group.shares and not self._closed:
            with suppress(OSError):  # then it is loaded when the training comes
                self.nursery.expect()

    def all(self) -> list[Job]:
        """Return the jobs of all workers, the newest first."""
        found = {job.id: job for job in self._disk.do(self._store.all)}
        own = {name: task.job for name, task in list(self._own.items())}
        return sorted({**found, **own}.values(), key=lambda job: job.created_at, reverse=True)

    def find(self, job_id: str) -> Job:
        """Return a job of any worker, of any machine.

        Raises:
            JobNameError: there is none.
            NotReadyError: another machine may have it, and does not answer.
        """
        try:
            return self.find_here(job_id)
        except JobNameError:
            if self.elsewhere is None:
                raise
            return self.elsewhere.find(job_id)

    def find_here(self, job_id: str) -> Job:
        """Return a job of any worker of this machine.

        Raises:
            JobNameError: there is none.
        """
        task = self._own.get(job_id)
        found = task.job if task is not None else self._disk.do(lambda: self._store.find(job_id))
        if found is not None and found.left and self._take_up(job_id):
            return self.find_here(job_id)
        if found is None:
            raise JobNameError(f"no job {job_id[:80]!r}; GET /jobs has those there are")
        return found

    def watch(self, job_id: str, stopping: Callable[[], bool]) -> Iterator[Job | None]:
        """Yield a job at once and at each change, and None while there is none; ends with it, and with the server."""
        return watched(lambda: self.find(job_id), stopping, LOOK_S)

    def cancel(self, job_id: str) -> Job:
        """End a job of any worker, of any machine; one that is over stays as it is.

        Raises:
            JobNameError: there is none.
            NotReadyError: the disk does not take it, or another machine may have it and does not answer.
        """
        try:
            return self.cancel_here(job_id)
        except JobNameError:
            if self.elsewhere is None:
                raise
            return self.elsewhere.cancel(job_id)

    def cancel_here(self, job_id: str) -> Job:
        """End a job of any worker of this machine; one that is over stays as it is.

        Raises:
            JobNameError: there is none.
            NotReadyError: the disk does not take it.
        """
        if self.find_here(job_id).over:
            return self.find_here(job_id)
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
        while not self.find_here(job_id).over and time.monotonic() < ends:
            time.sleep(LOOK_S)
        return self.find_here(job_id)

    def tick(self) -> None:
        """Look for jobs that workers have left behind, and for a process that is idle. It does not wait."""
        now = time.monotonic()
        if self._closed or now - self._tidied < TIDY_S:
            return
        self._tidied = now
        if self._tidying.acquire(blocking=False):
            threading.Thread(target=self._tidy, name="trainings, tidying", daemon=True).start()

    def close(self) -> None:
        """Leave the jobs of this worker to the others; where it is alone they have failed. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        thread = self._thread
        if thread is not None:
            thread.join(CANCELLED_S)
        for task in list(self._own.values()):
            self._let_go(task)
        self._disk.do(self._store.close)
        self.nursery.close()
        self._disk.close()

    def _enqueue(self, task: Task) -> None:
        with self._lock:
            self._own[task.job.id] = task
            self._queue.append(task)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="trainings", daemon=True)
                self._thread.start()

    def _tidy(self) -> None:
        try:
            self.nursery.tidy()
            left = sum(slot.doubles("jobs_left")[0] for slot in self._group.slots)
            if left != self._left:  # by a worker of now, or by whoever had this one's place before
                self._left = left
                for job_id in self._disk.do(self._store.left):
                    self._take_up(job_id)
        finally:
            self._tidying.release()

    def _take_up(self, job_id: str) -> bool:
        """Make a job one's own whose worker has gone; whether it was to be had."""
        if self._closed:
            return False
        try:
            job = self._disk.do(lambda: self._store.take_up(job_id))
        except OSError as error:
            log.warning("the job %s cannot be taken up: %s", job_id, error)
            return False
        if job is None:
            return False
        task = Task(job, request_of(job))
        if job.taken_up > MOST_TAKEN_UP:
            self._own[job_id] = task
            said = f"the worker that did it has died {job.taken_up} times"
            failure = jobs.failure_of("died", times=job.taken_up)
            self._end(task, state=jobs.FAILED, error=said, failure=failure)
        else:
            log.info("the training %s, whose worker has gone, begins anew", job_id)
            self._enqueue(task)
        return True

    def _let_go(self, task: Task) -> None:
        """Leave a job to the other workers, who begin it anew; where there are none it has failed."""
        if task.job.over:  # the disk has not taken it
            self._set(task)
            return
        if not self._group.shares:
            self._end(task, state=jobs.FAILED, error=RESTARTED, failure=jobs.failure_of("restarted"))
            return
        self._disk.do(lambda: self._store.forget_work(task.job.id, but_cancel=True))
        self._set(task, owner="", state=jobs.QUEUED, stage=None, started_at=None)
        self._own.pop(task.job.id, None)
        self._group.own.doubles("jobs_left")[0] += 1
        task.over.set()

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
            except CancelledError:
                self._end(task, state=jobs.CANCELLED)
            except ClosedError:
                self._let_go(task)
            except MyostreamError as error:
                failure = getattr(error, "failure", None) or jobs.failure_by(error)
                self._end(task, state=jobs.FAILED, error=str(error), failure=failure)
            except OSError as error:
                said = f"the disk does not take it: {error.strerror or error}"
                self._end(task, state=jobs.FAILED, error=said, failure=jobs.failure_of("disk"))
            except Exception:  # the jobs after it are none the worse
                log.exception("a training failed")
                said = "the training failed; the server's log has the reason"
                self._end(task, state=jobs.FAILED, error=said, failure=jobs.failure_of("unexpected"))

    def _do(self, task: Task) -> None:
        while (turn := self._group.try_lock(TURN)) is None:
            self._wait(task)
        with turn:
            self._expect_wanted(task)
            self._set(task, state=jobs.RUNNING, started_at=round(self._wall(), 3))
            result = self._kept(task) or self._made(task)
            result |= self._models.used(task.asked, result, lambda: self._closed)
        self._end(task, state=jobs.DONE, result=result)

    def _kept(self, task: Task) -> dict[str, Any] | None:
        """Return what came of a training whose worker has died after the model was kept; None where it was not."""
        said = task.job.result
        if said is None or not self._models.has(task.job.name, said["sha256"]):
            return None
        return dict(said)

    def _made(self, task: Task) -> dict[str, Any]:
        """Make the model and keep it; return what is told of it."""
        work = self._store.work(task.job.id)
        self._disk.do(lambda: private_files.make_folder(work))
        found = self.nursery.do(
            order_of(task.asked, work, self._models), partial(self._advance, task), partial(self._wait, task)
        )
        model = self._disk.do(lambda: artefact.load(Path(found["folder"])))
        self._expect_wanted(task)
        result = result_of(model, found)
        self._advance(task, jobs.KEEPING, result=result)
        self._models.keep(model)
        self._disk.do(lambda: keep_edges(self._models.recordings, model, found.get("edges", {})))
        return result

    def _expect_wanted(self, task: Task) -> None:
        if self._closed:
            raise ClosedError
        if task.cancel.is_set() or self._disk.do(lambda: self._store.is_to_cancel(task.job.id)):
            raise CancelledError

    def _take_back(self, task: Task) -> bool:
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

    def _wait(self, task: Task) -> None:
        """Let a moment go by.

        Raises:
            CancelledError, ClosedError: the job is not wanted any more.
        """
        self._expect_wanted(task)
        self._cancel_waiting()
        task.cancel.wait(LOOK_S)

    def _advance(self, task: Task, stage: str, **changes: Any) -> None:
        progress = max(task.job.progress, PROGRESS.get(stage, 0.0))
        self._set(task, stage=stage, passed=(*task.job.passed, stage), progress=progress, **changes)

    def _end(self, task: Task, **changes: Any) -> None:
        """Write down how a job has ended, and delete what it has left."""
        progress = 1.0 if changes["state"] == jobs.DONE else task.job.progress
        self._disk.do(lambda: self._store.forget_work(task.job.id))
        if self._set(task, ended_at=round(self._wall(), 3), stage=None, progress=progress, **changes):
            self._own.pop(task.job.id, None)
        task.over.set()
        log.info("the training %s is over: %s", task.job.id, task.job.error or task.job.state)

    def _set(self, task: Task, **changes: Any) -> bool:
        """Note how it stands with a job; whether the disk has taken it."""
        task.job = replace(task.job, **changes)
        try:
            self._disk.do(lambda: self._store.put(task.job))
        except OSError as error:  # this worker knows it all the same
            log.warning("how it stands with the job %s cannot be written: %s", task.job.id, error)
            return False
        return True
