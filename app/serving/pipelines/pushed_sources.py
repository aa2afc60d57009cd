"""The sources that clients declare and push, each read by the model that it names, or that was chosen for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from app.config import EmgMode, Settings
from app.emg.pushed_source import PushSource, phase_s
from app.errors import BusyError
from app.serving.models.open_models import OpenModel, OpenModels
from app.serving.pipelines.model_swaps import ModelSwaps
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.process.work_loop import WorkLoop
from app.serving.profiles.profile import Profile
from app.serving.sources.acquisition import Acquisition
from app.serving.sources.declared import Declared
from app.serving.sources.opening import read_by_model

log = logging.getLogger(__name__)

CROWD = 32  # sources; the windows of those that come to so many are shifted, so that not all are due at once

MakePipeline = Callable[[str, Acquisition, OpenModel | None, Profile | None], SourcePipeline]


class PushedSources:
    """Opens and ends them. `make` gives the pipeline of an acquisition that a model reads."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        models: OpenModels,
        swaps: ModelSwaps,
        profile_of: Callable[[str], Profile],
        pipelines: SourcePipelines,
        make: MakePipeline,
        loop: WorkLoop,
    ) -> None:
        self._settings, self._models, self._swaps = settings, models, swaps
        self._profile_of = profile_of
        self._pipelines, self._make, self._loop = pipelines, make, loop
        self.ended: Callable[[SourcePipeline], None] = lambda _: None  # told of each that is over

    def declare(self, declared: Declared, *, restart: bool = False) -> tuple[SourcePipeline, bool]:
        """Return the running pipeline of a source that a client brings, and whether it is new.

        One that goes on, and names another model than it has, is read by that from now on. `restart`: it goes on from
        a worker that has died, and its first samples do not continue any that are here.

        Raises:
            BusyError: EMG_MODE is not push, or a source of that name was declared otherwise.
            DataError: the model takes no such signal.
            ModelNameError, ProfileNameError: there is no such model or profile; further as `OpenModels.hold`.
            OverloadedError: EMG_MAX_SOURCES are open.
        """
        mode = self._settings().emg_mode
        if mode is not EmgMode.PUSH:
            raise BusyError(f"EMG_MODE is {mode.value}; clients bring sources with EMG_MODE=push")
        there = self._pipelines.find(declared.name)
        if there is not None:
            self._expect_same(declared, there)
            return there, False
        model, profile = self._pick(declared)
        settings = self._settings()
        if profile is not None and profile.montage is not None:
            settings = replace(settings, montage=profile.montage)
        if model is None:
            pipeline = self._open(declared, self._models.own, settings, profile, restart)
            if declared.profile is None:
                self._swaps.restore(pipeline)  # it may have been chosen that none reads it
            return pipeline, True
        held = self._models.hold(model)
        try:
            pipeline = self._open(declared, held, replace(settings, model=model), profile, restart)
        finally:
            self._models.release(held)  # the pipeline holds it
        self._swaps.began(pipeline)
        return pipeline, True

    def _pick(self, declared: Declared) -> tuple[str | None, Profile | None]:
        """Return the model and the profile that it says, else those that were chosen for a source of that name."""
        if declared.profile is not None:
            profile = self._profile_of(declared.profile)
            return declared.model or profile.model, profile
        if declared.model is not None:
            return declared.model, None
        chosen = self._swaps.chosen(declared.name)
        if chosen is None:
            return None, None
        return chosen.pick.model, None if chosen.pick.profile is None else self._profile_of(
            chosen.pick.profile
        )

    def _expect_same(self, declared: Declared, there: SourcePipeline) -> None:
        assert isinstance(there.source, PushSource)  # with EMG_MODE=push there is no other kind
        declared.expect_same(there.source)
        if declared.model is not None or declared.profile is not None:
            self._swaps.put(there, declared.model, declared.profile)

    def _open(
        self,
        declared: Declared,
        model: OpenModel | None,
        settings: Settings,
        profile: Profile | None,
        restart: bool,
    ) -> SourcePipeline:
        expected = None if model is None else model.manifest
        source = declared.open(settings, expected)
        source.restarts = restart
        if len(self._pipelines.names) >= CROWD:
            source.phase_s = phase_s(declared.name)
        opened = read_by_model(settings, source, expected)
        acquisition = Acquisition(source, opened.path, length=opened.length, loop=self._loop)
        reads = model if opened.manifest is not None else None
        pipeline = self._make(declared.name, acquisition, reads, profile)
        acquisition.on_end = lambda: self._ended(pipeline)
        try:
            self._pipelines.add(pipeline)
        except BaseException:
            pipeline.close()
            raise
        pipeline.start()
        what = "source %s: %d channels at %g Hz, pushed, read by %s"
        reader = pipeline.use.name or "no model"
        log.info(what, pipeline.name, source.channels, source.sampling_rate, reader)
        return pipeline

    def _ended(self, pipeline: SourcePipeline) -> None:
        """Forget a source that a client brought."""
        silent = self._pipelines.find(pipeline.name) is pipeline  # else whoever ended it has removed it
        why = f"silent for {self._settings().source_idle_s:g} s" if silent else "told to"
        self._pipelines.remove(pipeline)
        self.ended(pipeline)
        state = pipeline.acquisition.look()
        log.info(
            "source %s ended (%s): %d samples, %d lost", pipeline.name, why, state.samples, state.lost_samples
        )
