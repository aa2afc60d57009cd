"""A change of a model that another worker makes: prepared here too, and taken at the same sample."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import MyostreamError
from app.serving.counters.shared_swap import COMMIT, PREPARE, PROPOSE, SharedSwap, SwapRecord
from app.serving.pipelines.chosen_models import ChosenModels
from app.serving.pipelines.model_use import ModelUse
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.prepared_uses import PreparedUses
from app.serving.pipelines.source_pipelines import SourcePipelines

log = logging.getLogger(__name__)

LOOK_S = 0.002  # between two looks at what the other worker has decided
LOOKS = 25  # for what has been proposed, between two whether its worker still lives


class SwapFollower:
    """Does in this worker what the newest record says. `number` is that of the last one that is done, or its own."""

    def __init__(
        self,
        shared: SharedSwap,
        base: str,
        pipelines: SourcePipelines,
        uses: PreparedUses,
        chosen: ChosenModels,
        number: int,
    ) -> None:
        self._shared, self._base, self.number = shared, base, number
        self._pipelines, self._uses, self._chosen = pipelines, uses, chosen
        self._at_work = threading.Lock()
        # what is prepared, the first sample that is proposed for it, and the process id of the worker that asked
        self._ahead: tuple[SourcePipeline, ModelUse] | None = None
        self._proposed: int | None = None
        self._writer = 0

    def tick(self) -> None:
        """Follow a change that another worker makes; called often, and never waits."""
        ahead = self._ahead
        if ahead is not None:
            self._shared.reach(ahead[0].looked_at)
            self._abandon()
        if self._shared.number > self.number and self._at_work.acquire(blocking=False):
            threading.Thread(target=self._follow, name="model change", daemon=True).start()

    def glance(self, sample: int) -> None:
        """See, before a window is cut that ends at that sample, whether a change that is prepared here is made.

        Waits while nobody can say which model is to read it.
        """
        ahead = self._ahead
        if ahead is None:
            return
        # whoever proposes a sample sees this, or this worker sees that
        self._shared.reach(ahead[0].looked_at)
        self.catch_up()
        looks = 0
        while self._proposed is not None and sample >= self._proposed:
            time.sleep(LOOK_S)
            self.catch_up()
            looks += 1
            if looks % LOOKS == 0:
                self._abandon()

    def catch_up(self) -> None:
        """Follow now, or wait for another thread that does."""
        if self._shared.number > self.number:
            if self._at_work.acquire(blocking=False):
                self._follow()
            else:
                with self._at_work:
                    pass

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have nothing followed meanwhile; a change of then is followed at the next tick."""
        with self._at_work:
            yield

    def forget(self) -> None:
        """Let go of what is prepared."""
        ahead, self._ahead, self._proposed = self._ahead, None, None
        if ahead is not None:
            ahead[0].forget(ahead[1])

    def _abandon(self) -> None:
        """Forget a change whose worker has died of it: nothing comes of that any more."""
        if self._shared.number <= self.number and not _lives(self._writer):
            self.forget()

    def _follow(self) -> None:
        """Do what the newest record says; it may be another by the time that this is done."""
        try:
            while self._shared.number > self.number:
                number, record = self._shared.newest(self._base)
                if not number:  # it is being written
                    time.sleep(LOOK_S)
                    continue
                self.number = number
                if record is not None:
                    self._obey(number, record)
        except Exception:
            log.exception("a change of the model cannot be followed")
        finally:
            self._at_work.release()

    def _obey(self, number: int, record: SwapRecord) -> None:
        pipeline = self._pipelines.find(record.source)
        if record.phase == PREPARE:
            self.forget()
            self._writer = record.writer
            why = self._prepare_for(record, pipeline)
            self._shared.answer(number, why, 0 if pipeline is None else pipeline.looked_at)
        elif record.phase == PROPOSE:
            self._proposed = record.from_sample
        elif record.phase == COMMIT:
            self._chosen.learn(record.chosen)
            if pipeline is not None:
                self._take(pipeline, record)
            self.forget()
        else:
            self.forget()

    def _prepare_for(self, record: SwapRecord, pipeline: SourcePipeline | None) -> str | None:
        if pipeline is None:
            return None  # its source is not there yet; when it comes, it is read as it was chosen
        try:
            self._ahead = pipeline, self._uses.make(pipeline, record.pick, record.sha256)
        except MyostreamError as error:
            return str(error)
        except Exception as error:  # of a library or a disk, anything: whoever asked is to hear of it at once
            log.exception("the model %s cannot be used", record.pick.model)
            return f"{type(error).__name__}: {error}"
        return None

    def _take(self, pipeline: SourcePipeline, record: SwapRecord) -> None:
        ahead = self._ahead
        try:  # a worker that began meanwhile has prepared nothing
            prepared = ahead is not None and ahead[0] is pipeline
            use = ahead[1] if ahead and prepared else self._uses.make(pipeline, record.pick, record.sha256)
            pipeline.change(use, record.from_sample)
        except MyostreamError as error:
            log.error(
                "the model %s of the source %s cannot be used here: %s",
                record.pick.model,
                pipeline.name,
                error,
            )


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's: it lives
        return True
    return True
