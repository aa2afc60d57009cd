"""Which model each source uses, and how it gets another under running streams: from the same sample on everywhere.

A change is prepared first: every worker opens the new model, tries it out against its reference, and has a window of
the signal as it wants it. Then, at one sample of the source, it is taken by all groups of all workers; where a worker
cannot, nothing has happened. That sample is one that nobody has come to, however late a worker is (shared_swap.py).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from app.emg.pushed_source import PushSource
from app.errors import BusyError, MyostreamError, NotReadyError
from app.serving.counters.bell import Bell
from app.serving.counters.shared_swap import (
    COMMIT,
    DROP,
    PREPARE,
    PROPOSE,
    Chosen,
    Pick,
    SharedSwap,
    SwapRecord,
)
from app.serving.counters.worker_group import WorkerGroup
from app.serving.models.open_models import OpenModels
from app.serving.pipelines.chosen_models import ChosenModels
from app.serving.pipelines.model_use import ModelUse
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.prepared_uses import PathOf, PreparedUses, pick_of
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.pipelines.swap_follower import LOOK_S, SwapFollower
from app.serving.profiles.profile import Profile

log = logging.getLogger(__name__)

UNDER_WAY = "another change of a model is under way; try again"
AHEAD_S = 0.005  # between a change and its first sample: windows that are being cut just now end before it
AHEAD_OF_OTHERS_S = 0.02  # the same where other workers have to see it first
TOLD_S = 1.0  # for another change to be over, until what a source began with is told
ANSWERS_S = 10.0  # for the other workers to open the model
MOST_BEFORE = 32  # models that can be gone back to


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """What became of a change: `from_sample` is the first of the source's samples with the new model."""

    model: str | None
    previous: str | None
    from_sample: int
    profile: str | None = None


class ModelSwaps:
    """Changes the models of this worker's sources, together with the other workers where they share the source.

    `path_of` gives the signal path from a source to a model, and raises DataError where it does not fit;
    `profile_of` a person's profile by its name.
    `keep` writes down what the sources use; `kept` is what was written before this start, and `heeds` says whether
    the sources of this start go by it.
    """

    def __init__(
        self,
        models: OpenModels,
        pipelines: SourcePipelines,
        path_of: PathOf,
        profile_of: Callable[[str], Profile],
        worker_group: WorkerGroup,
        base: str,
        kept: Mapping[str, Chosen],
        keep: Callable[[Mapping[str, Chosen]], None] = lambda _: None,
        heeds: Callable[[], bool] = lambda: True,
    ) -> None:
        self._uses = PreparedUses(models, path_of, profile_of)
        self._group, self._base = worker_group, base
        self._shared = SharedSwap(worker_group)
        number, record = self._shared.newest(base)
        if record is not None and record.phase in (PREPARE, PROPOSE):
            number -= 1  # this worker takes part in it
        goes_on = record is not None  # a worker among others, or in the place of one
        known = record.chosen if record is not None else kept if heeds() else {}
        self._chosen = ChosenModels(known, {} if goes_on or heeds() else kept, keep)
        self._follower = SwapFollower(self._shared, base, pipelines, self._uses, self._chosen, number)
        self._bell = Bell(worker_group, self._follower.tick)
        self._lock = threading.Lock()
        self._deciding, self._boundary = False, threading.Lock()

    def start(self) -> None:
        """Begin to follow the other workers, in a change that is under way as well."""
        self._bell.start()
        self._follower.catch_up()

    def close(self) -> None:
        """Safe to call twice."""
        self._bell.close()

    def tick(self) -> None:
        """Follow a change that another worker makes; called often, and never waits."""
        self._follower.tick()

    def before(self, source: str) -> tuple[Pick, ...]:
        """Return what can be gone back to, the newest last."""
        return self._chosen.before(source)

    def restore(self, pipeline: SourcePipeline) -> None:
        """Have a source that has not begun read by the model chosen for it; where that fails, the log says why.

        Whoever changes it just now, here or in another worker, does so before or after this: else it would be undone.
        """
        with self._lock, self._follower.held():
            self._restore(pipeline)

    def _restore(self, pipeline: SourcePipeline) -> None:
        chosen = self._chosen.of(pipeline.name)
        if chosen is None or chosen.pick == pick_of(pipeline.use):
            return
        model, profile = chosen.pick
        try:
            pipeline.change(self._uses.make(pipeline, chosen.pick), 0)
        except MyostreamError as error:
            what = f"the model {model}" + ("" if profile is None else f" of the profile {profile}")
            log.warning("%s, chosen for the source %s, is not used: %s", what, pipeline.name, error)
            return
        log.info("the source %s is read by %s, as before", pipeline.name, model or "no model")

    def put(self, pipeline: SourcePipeline, model: str | None, profile: str | None = None) -> Swap:
        """Have a source read by another model, None for none. One that is used already stays as it is.

        With a profile its montage and decision rule hold, and where `model` is None its model; if it has none, the one
        that reads the source now.

        Raises:
            BusyError: another change is under way.
            ModelNameError, NotReadyError, BackendUnavailableError, OverloadedError: as `OpenModels.hold`.
            ProfileNameError: there is no such profile.
            DataError: it does not fit the source.
        """
        with self._alone():
            before, (reading, use) = self.before(pipeline.name), pipeline.awaited
            if profile is not None:
                model = model or self._uses.profile_of(profile).model or use.name
            pick = Pick(model, profile)
            if self._uses.is_that(use, pick):
                previous = before[-1].model if before else None
                return Swap(model=model, previous=previous, from_sample=reading.from_sample, profile=profile)
            return self._change(pipeline, pick, (*before, pick_of(use))[-MOST_BEFORE:])

    def back(self, pipeline: SourcePipeline) -> Swap:
        """Go back to the model before, as often as there was one.

        Raises:
            BusyError: there was none, or another change is under way.
            ModelNameError, NotReadyError, BackendUnavailableError, OverloadedError, DataError: as `put`.
        """
        with self._alone():
            before = self.before(pipeline.name)
            if not before:
                raise BusyError(f"no model was used for the source {pipeline.name} before this one")
            return self._change(pipeline, before[-1], before[:-1])

    def chosen(self, source: str) -> Chosen | None:
        """Return what somebody chose for a source of that name; None where nobody did."""
        return self._chosen.of(source)

    def began(self, pipeline: SourcePipeline) -> None:
        """Remember the model that a source begins with, as chosen for it."""
        pick, model = pick_of(pipeline.use), pipeline.use.model
        was = self._chosen.of(pipeline.name)
        if model is not None and (was is None or was.pick != pick):
            chosen = Chosen(pick=pick, sha256=model.artefact.sha256)
            if self._group.shares:
                self._tell_chosen(pipeline.name, chosen)
            self._chosen.remember(pipeline.name, chosen)

    def _tell_chosen(self, source: str, chosen: Chosen) -> None:
        """Have the other workers remember it too: each writes down all that it knows of."""
        ends = time.monotonic() + TOLD_S
        while True:
            try:
                with self._alone():
                    self._write_chosen(source, chosen)
                return
            except BusyError:
                if time.monotonic() > ends:
                    return
            time.sleep(LOOK_S)

    def _write_chosen(self, source: str, chosen: Chosen) -> None:
        of_all = self._chosen.with_one(source, chosen)
        record = SwapRecord(base=self._base, phase=COMMIT, writer=os.getpid(), source=source, chosen=of_all)
        self._write(replace(record, pick=chosen.pick, sha256=chosen.sha256))

    def glance(self, sample: int) -> None:
        """See, before a window is cut that ends at that sample, whether a change that this worker is ready for is made.

        Waits while nobody can say which model is to read it.
        """
        if self._deciding:  # on another thread
            with self._boundary:
                pass
        self._follower.glance(sample)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Have nobody else change a model meanwhile, in this worker or another."""
        if not self._lock.acquire(blocking=False):
            raise BusyError(UNDER_WAY)
        try:
            in_all_workers = self._group.try_lock("model")
            if in_all_workers is None:
                raise BusyError(UNDER_WAY)
            with in_all_workers:
                self._follower.catch_up()  # the last one of another worker is the one before this
                self._follower.forget()
                yield
        finally:
            self._lock.release()

    def _change(self, pipeline: SourcePipeline, pick: Pick, before: tuple[Pick, ...]) -> Swap:
        previous = pipeline.awaited[1].name
        use = self._uses.make(pipeline, pick)
        sha256 = None if use.model is None else use.model.artefact.sha256
        chosen = Chosen(pick=pick, sha256=sha256, before=before)
        record = SwapRecord(
            base=self._base,
            phase=PREPARE,
            writer=os.getpid(),
            source=pipeline.name,
            pick=pick,
            sha256=sha256,
            chosen=self._chosen.all(),
        )
        try:
            number, reached = self._ready_everywhere(pipeline, record)
            from_sample = self._changed(pipeline, use, record, number, reached)
        except BaseException:  # its request may be ended in the middle of it
            pipeline.forget(use)
            if self._shares(pipeline):
                self._write(replace(record, phase=DROP))
            raise
        if self._shares(pipeline):
            of_all = self._chosen.with_one(pipeline.name, chosen)
            self._write(replace(record, phase=COMMIT, from_sample=from_sample, chosen=of_all))
        elif self._group.shares:  # a pushed source is this worker's alone
            self._write_chosen(pipeline.name, chosen)
        log.info(
            "the source %s is read by %s from sample %d on",
            pipeline.name,
            pick.model or "no model",
            from_sample,
        )
        self._chosen.remember(pipeline.name, chosen)
        return Swap(model=pick.model, previous=previous, from_sample=from_sample, profile=pick.profile)

    def _changed(
        self, pipeline: SourcePipeline, use: ModelUse, record: SwapRecord, number: int, reached: int
    ) -> int:
        """Change this worker's model, and return the sample from which on: one that no worker has come to.

        Raises:
            NotReadyError: the source has gone meanwhile.
        """
        shares = self._shares(pipeline)
        ahead = max(1, round((AHEAD_OF_OTHERS_S if shares else AHEAD_S) * pipeline.sampling_rate))
        self._deciding = True  # from here on no window of this worker is cut
        try:
            with self._boundary:
                while True:
                    reached = max(reached, pipeline.looked_at)
                    from_sample = reached + ahead if reached else 0  # it has not begun
                    from_sample = max(from_sample, pipeline.awaited[0].from_sample)
                    if not shares or self._agreed(
                        replace(record, phase=PROPOSE, from_sample=from_sample), number
                    ):
                        break
                    reached, ahead = self._shared.reached(number), 2 * ahead
                pipeline.change(use, from_sample)
                return from_sample
        finally:
            self._deciding = False

    def _agreed(self, proposal: SwapRecord, number: int) -> bool:
        """Propose that sample to the others, who are ready; False where one has come to it already."""
        self._write(proposal)
        return self._shared.reached(number) < max(proposal.from_sample, 1)

    def _shares(self, pipeline: SourcePipeline) -> bool:
        return self._group.shares and not isinstance(pipeline.source, PushSource)

    def _write(self, record: SwapRecord) -> int:
        """Tell the others; what is remembered of sources that nobody has changed for long is the first to go."""
        chosen = dict(record.chosen)
        while True:
            try:
                number = self._follower.number = self._shared.write(replace(record, chosen=chosen))
            except ValueError:
                if not chosen:
                    raise
                chosen.pop(next(iter(chosen)))
                continue
            self._bell.ring()
            return number

    def _ready_everywhere(self, pipeline: SourcePipeline, record: SwapRecord) -> tuple[int, int]:
        """Have the other workers prepare the same.

        Return the number by which they know it, and the farthest sample that one of them has looked at.

        Raises:
            NotReadyError: one of them cannot, or does not say.
        """
        if not self._shares(pipeline):
            return 0, 0
        number = self._write(record)
        until = time.monotonic() + ANSWERS_S
        while True:
            answers = self._shared.answers(number)
            refused = next((one.why for one in answers if one is not None and one.why is not None), None)
            if refused is None and None not in answers:
                return number, max((one.reached for one in answers if one is not None), default=0)
            if refused is not None or time.monotonic() > until:
                why = refused or f"it has not said so within {ANSWERS_S:g} s"
                raise NotReadyError(f"another worker cannot use the model {record.pick.model}: {why}")
            time.sleep(LOOK_S)
