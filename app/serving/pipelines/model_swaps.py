"""Which model each source uses, and how it gets another under running streams: from the same sample on everywhere.

A change is prepared first: every worker opens the new model, tries it out against its reference, and has a window of
the signal as it wants it. Then, at one sample of the source, it is taken by all groups of all workers; where a worker
cannot, nothing has happened.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from app.emg.pushed_source import PushSource
from app.emg.signal.signal_path import SignalPath
from app.errors import BusyError, MyostreamError, NotReadyError
from app.inference.manifest import Manifest
from app.serving.counters.bell import Bell
from app.serving.counters.shared_swap import COMMIT, DROP, PREPARE, Chosen, Pick, SharedSwap, SwapRecord
from app.serving.counters.worker_group import WorkerGroup
from app.serving.models.open_models import OpenModels
from app.serving.pipelines.model_use import ModelUse
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.profiles.profile import Profile

log = logging.getLogger(__name__)

UNDER_WAY = "another change of a model is under way; try again"
AHEAD_S = 0.005  # between a change and its first sample: windows that are being cut just now end before it
AHEAD_OF_OTHERS_S = 0.02  # the same where other workers have to see it first
ANSWERS_S = 10.0  # for the other workers to open the model
LOOK_S = 0.002  # between two looks whether they have
MOST_BEFORE = 32  # models that can be gone back to
MOST_CHOSEN = 1024  # sources whose models are remembered

PathOf = Callable[[SourcePipeline, Manifest | None, Profile | None], SignalPath]


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
        self._models, self._pipelines, self._path_of = models, pipelines, path_of
        self._profile_of = profile_of
        self._group, self._base, self._keep = worker_group, base, keep
        self._shared, self._bell = SharedSwap(worker_group), Bell(worker_group, self.tick)
        self._number, record = self._shared.newest(base)
        goes_on = record is not None  # a worker among others, or in the place of one
        self._kept = {} if goes_on or heeds() else dict(kept)  # of another start, and of no account in this
        self._chosen: dict[str, Chosen] = dict(
            record.chosen if record is not None else kept if heeds() else {}
        )
        self._lock, self._follows = threading.Lock(), threading.Lock()
        self._ahead: tuple[int, SourcePipeline, ModelUse] | None = (
            None  # prepared for another worker's change
        )

    def start(self) -> None:
        """Begin to follow the other workers."""
        self._bell.start()

    def close(self) -> None:
        """Safe to call twice."""
        self._bell.close()

    def before(self, source: str) -> tuple[Pick, ...]:
        """Return what can be gone back to, the newest last."""
        found = self._chosen.get(source)
        return () if found is None else found.before

    def restore(self, pipeline: SourcePipeline) -> None:
        """Have a source that has not begun read by the model chosen for it; where that fails, the log says why."""
        chosen = self._chosen.get(pipeline.name)
        if chosen is None or chosen.pick == _pick_of(pipeline):
            return
        model, profile = chosen.pick
        try:
            pipeline.change(self._prepared(pipeline, chosen.pick), 0)
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
            before = self.before(pipeline.name)
            if profile is not None:
                model = model or self._profile_of(profile).model or pipeline.use.name
            pick = Pick(model, profile)
            if self._is_used(pipeline, pick):
                previous = before[-1].model if before else None
                return Swap(
                    model=model, previous=previous, from_sample=pipeline.reading.from_sample, profile=profile
                )
            return self._change(pipeline, pick, (*before, _pick_of(pipeline))[-MOST_BEFORE:])

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
        return self._chosen.get(source)

    def began(self, pipeline: SourcePipeline) -> None:
        """Remember the model that a source begins with, as chosen for it."""
        pick, model = _pick_of(pipeline), pipeline.use.model
        was = self._chosen.get(pipeline.name)
        if model is not None and (was is None or was.pick != pick):
            self._remember(pipeline.name, Chosen(pick=pick, sha256=model.artefact.sha256))

    def tick(self) -> None:
        """Follow a change that another worker makes; called often, and never waits."""
        ahead = self._ahead
        if ahead is not None:
            self._shared.reach(ahead[1].looked_at)
        if self._shared.number > self._number and self._follows.acquire(blocking=False):
            threading.Thread(target=self._follow, name="model change", daemon=True).start()

    def glance(self) -> None:
        """See, before a window is cut, whether a change that this worker is ready for has been made."""
        if self._ahead is None or self._shared.number <= self._number:
            return
        if self._follows.acquire(blocking=False):
            self._follow()
        else:  # another thread is at it
            with self._follows:
                pass

    def _is_used(self, pipeline: SourcePipeline, pick: Pick) -> bool:
        """Whether that reads the source, in the version that lies on the disk now."""
        use = pipeline.use
        if _pick_of(pipeline) != pick:
            return False
        if pick.profile is not None and self._profile_of(pick.profile) != use.profile:
            return False
        return use.model is None or self._models.artefact(use.model.name).sha256 == use.model.artefact.sha256

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
                yield
        finally:
            self._lock.release()

    def _change(self, pipeline: SourcePipeline, pick: Pick, before: tuple[Pick, ...]) -> Swap:
        previous = pipeline.use.name
        use = self._prepared(pipeline, pick)
        sha256 = None if use.model is None else use.model.artefact.sha256
        record = SwapRecord(
            base=self._base,
            phase=PREPARE,
            source=pipeline.name,
            pick=pick,
            sha256=sha256,
            chosen=self._chosen,
        )
        try:
            reached = self._ready_everywhere(pipeline, record)
        except BaseException:
            pipeline.forget(use)
            raise
        chosen = Chosen(pick=pick, sha256=sha256, before=before)
        shared = self._shares(pipeline)
        ahead = max(1, round((AHEAD_OF_OTHERS_S if shared else AHEAD_S) * pipeline.sampling_rate))
        reached = max(reached, pipeline.looked_at)
        from_sample = reached + ahead if reached else 0  # it has not begun
        if shared:
            of_all = {**self._chosen, pipeline.name: chosen}
            self._write(replace(record, phase=COMMIT, from_sample=from_sample, chosen=of_all))
        pipeline.change(use, from_sample)
        said = "the source %s is read by %s from sample %d on"
        log.info(said, pipeline.name, pick.model or "no model", from_sample)
        self._remember(pipeline.name, chosen)
        return Swap(model=pick.model, previous=previous, from_sample=from_sample, profile=pick.profile)

    def _remember(self, source: str, chosen: Chosen) -> None:
        others = {name: one for name, one in self._chosen.items() if name != source}
        while len(others) >= MOST_CHOSEN:  # clients may think out any number of names
            others.pop(next(iter(others)))
        self._chosen = {**others, source: chosen}
        self._keep({**self._kept, **self._chosen})

    def _prepared(self, pipeline: SourcePipeline, pick: Pick, sha256: str | None = None) -> ModelUse:
        """Return that model, opened, on that source.

        Raises:
            MyostreamError: as `put`.
        """
        profile = None if pick.profile is None else self._profile_of(pick.profile)
        if pick.model is None:
            return pipeline.prepare(None, self._path_of(pipeline, None, profile), profile)
        artefact = self._models.artefact(pick.model)
        if sha256 is not None and artefact.sha256 != sha256:
            raise NotReadyError(f"the model {pick.model} has changed on the disk")
        path = self._path_of(pipeline, artefact.manifest, profile)  # what does not fit need not be opened
        model = self._models.hold(pick.model)
        try:
            return pipeline.prepare(model, path, profile)
        except BaseException:
            self._models.release(model)
            raise

    def _shares(self, pipeline: SourcePipeline) -> bool:
        return self._group.shares and not isinstance(pipeline.source, PushSource)

    def _write(self, record: SwapRecord) -> int:
        """Tell the others; what is remembered of sources that nobody has changed for long is the first to go."""
        chosen = dict(record.chosen)
        while True:
            try:
                self._number = self._shared.write(replace(record, chosen=chosen))
            except ValueError:
                if not chosen:
                    raise
                chosen.pop(next(iter(chosen)))
                continue
            self._bell.ring()
            return self._number

    def _ready_everywhere(self, pipeline: SourcePipeline, record: SwapRecord) -> int:
        """Have the other workers prepare the same; return the farthest sample that one of them has looked at.

        Raises:
            NotReadyError: one of them cannot, or does not say.
        """
        if not self._shares(pipeline):
            return 0
        number = self._write(record)
        until = time.monotonic() + ANSWERS_S
        while True:
            answers = self._shared.answers(number)
            refused = next((one.why for one in answers if one is not None and one.why is not None), None)
            if refused is None and None not in answers:
                return max((one.reached for one in answers if one is not None), default=0)
            if refused is not None or time.monotonic() > until:
                self._write(replace(record, phase=DROP))
                why = refused or f"it has not said so within {ANSWERS_S:g} s"
                raise NotReadyError(f"another worker cannot use the model {record.pick.model}: {why}")
            time.sleep(LOOK_S)

    def _follow(self) -> None:
        """Do what the newest record says; it may be another by the time that this is done."""
        try:
            while self._shared.number > self._number:
                number, record = self._shared.newest(self._base)
                if not number:  # it is being written
                    time.sleep(LOOK_S)
                    continue
                self._number = number
                if record is not None:
                    self._obey(number, record)
        except Exception:
            log.exception("a change of the model cannot be followed")
        finally:
            self._follows.release()

    def _obey(self, number: int, record: SwapRecord) -> None:
        pipeline = self._pipelines.find(record.source)
        ahead, self._ahead = self._ahead, None
        if record.phase == PREPARE:
            why = self._prepare_for(number, record, pipeline)
            self._shared.answer(number, why, 0 if pipeline is None else pipeline.looked_at)
            return
        if record.phase == COMMIT:
            self._chosen = dict(record.chosen)
            if pipeline is not None:
                self._take(pipeline, record, None if ahead is None or ahead[1] is not pipeline else ahead[2])
                return
        if ahead is not None:
            ahead[1].forget(ahead[2])

    def _prepare_for(self, number: int, record: SwapRecord, pipeline: SourcePipeline | None) -> str | None:
        if pipeline is None:
            return None  # its source is not there yet; when it comes, it is read as it was chosen
        try:
            self._ahead = number, pipeline, self._prepared(pipeline, record.pick, record.sha256)
        except MyostreamError as error:
            return str(error)
        return None

    def _take(self, pipeline: SourcePipeline, record: SwapRecord, use: ModelUse | None) -> None:
        try:  # a worker that began meanwhile has prepared nothing
            use = use or self._prepared(pipeline, record.pick, record.sha256)
        except MyostreamError as error:
            said = "the model %s of the source %s cannot be used here: %s"
            log.error(said, record.pick.model, pipeline.name, error)
            return
        pipeline.change(use, record.from_sample)


def _pick_of(pipeline: SourcePipeline) -> Pick:
    profile = pipeline.use.profile
    return Pick(pipeline.use.name, None if profile is None else profile.name)
