"""The models of this worker's sources: those that read them, those that requests name, and what is remembered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from app.config import EmgMode, Settings
from app.emg.description import describe_source
from app.emg.signal.signal_path import SignalPath
from app.errors import ConfigError, DataError, NotReadyError
from app.inference.artefact import Artefact
from app.inference.manifest import Manifest
from app.serving.counters.shared_swap import Chosen
from app.serving.counters.worker_group import WorkerGroup
from app.serving.engine.engine import Engine
from app.serving.engine.meters import ModelMeter
from app.serving.engine.opening import make_engine
from app.serving.models.open_models import OpenModel, OpenModels
from app.serving.models.shelf import ModelShelf
from app.serving.models.state_file import StateFile
from app.serving.pipelines.model_swaps import ModelSwaps
from app.serving.pipelines.named_models import NamedModel
from app.serving.pipelines.pipeline import PipelineServices, SourcePipeline
from app.serving.pipelines.pushed_sources import PushedSources
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.process.work_loop import WorkLoop
from app.serving.profiles.profile import Profile
from app.serving.sources.acquisition import Acquisition
from app.serving.sources.opening import open_path

log = logging.getLogger(__name__)


class SourceModels:
    """`own` is the server's own model, which `engine` runs; `services` gives what all pipelines of a worker share.

    `meter` gives where the calls of a model are counted.
    `base` names the settings of the start, as workers that share a source do.
    """

    def __init__(
        self,
        own: OpenModel | None,
        engine: Engine,
        pipelines: SourcePipelines,
        *,
        settings: Callable[[], Settings],
        shelf: ModelShelf,
        profile_of: Callable[[str], Profile],
        worker_group: WorkerGroup,
        base: str,
        services: Callable[[], PipelineServices],
        meter: Callable[[str], ModelMeter],
        loop: WorkLoop,
    ) -> None:
        self._engine, self._settings, self._shelf, self._meter = engine, settings, shelf, meter
        self._profile_of, self._services = profile_of, services
        self._state = StateFile(settings().instance)
        self.open = OpenModels(own, shelf.sound, self._engine_of, settings().max_models)
        self.swaps = ModelSwaps(
            self.open,
            pipelines,
            self._path,
            profile_of,
            worker_group,
            base,
            self._state.load(),
            self._keep,
            heeds=self._heeds_choice,
        )
        self.pushed = PushedSources(
            settings, self.open, self.swaps, profile_of, pipelines, self.pipeline_of, loop
        )

    def own_pipeline(self, acquisition: Acquisition, reads: bool) -> SourcePipeline:
        """Return that of the server's own source, with the server's own model where that reads it."""
        name, profile = acquisition.source.name, self._settings().profile
        return self.pipeline_of(
            name,
            acquisition,
            self.open.own if reads else None,
            None if profile is None else self._profile_of(profile),
        )

    def pipeline_of(
        self,
        name: str,
        acquisition: Acquisition,
        model: OpenModel | None,
        profile: Profile | None = None,
    ) -> SourcePipeline:
        """Return what this worker works out from a source that a model reads, or none; not yet started."""
        services = replace(self._services(), release=self.open.release, glance=self.swaps.glance)
        held = None if model is None else self.open.take(model)
        return SourcePipeline(name, acquisition, services, held, profile)

    def switch(self, pipeline: SourcePipeline, acquisition: Acquisition, reads: bool) -> None:
        """Have a pipeline go on with another source, read by the model chosen for that, else by the server's own."""
        own = self.open.own if reads else None
        pipeline.switch(acquisition.source.name, acquisition, None if own is None else self.open.take(own))
        self.swaps.restore(pipeline)

    def named(self, pipeline: SourcePipeline, name: str) -> NamedModel:
        """Return a model on a source that a stream or a request names, beside the one that reads it.

        Raises:
            ModelNameError, NotReadyError, BackendUnavailableError, OverloadedError: as `OpenModels.hold`.
            DataError: it does not fit the source.
        """
        model = self.open.hold(name)
        release = partial(self.open.release, model)
        try:
            return pipeline.named.hold(model, lambda: self._path(pipeline, model.manifest), release)
        except BaseException:
            release()
            raise

    def tick(self) -> None:
        """Follow the other workers; called often, and never waits."""
        self.swaps.tick()

    def close(self) -> None:
        """Close all models but the server's own, which closes with its engine. Safe to call twice."""
        self.swaps.close()
        self.open.close()

    def _engine_of(self, artefact: Artefact) -> Engine:
        """Return an engine for another model beside the server's own, not yet open."""
        engine = make_engine(self._settings(), artefact, self._engine)
        engine.of_model = self._meter(artefact.path.name)
        return engine

    def _path(
        self, pipeline: SourcePipeline, manifest: Manifest | None, profile: Profile | None = None
    ) -> SignalPath:
        """Return an empty signal path from a source to a model, through the montage of a profile where that has one.

        Raises:
            DataError: it does not fit.
        """
        settings = self._settings()
        if profile is not None and profile.montage is not None:
            settings = replace(settings, montage=profile.montage)
        try:
            return open_path(settings, manifest, describe_source(pipeline.source))
        except ConfigError as error:  # its filters cannot be built
            raise DataError(f"the model cannot be used: {error}") from None

    def _keep(self, chosen: Mapping[str, Chosen]) -> None:
        """Write down what the sources use, for the next start; a disk that does not take it costs that alone."""
        try:
            self._shelf.do(lambda: self._state.save(chosen))
        except NotReadyError as error:
            log.warning("after a restart the sources will not have the models of now: %s", error)

    def _heeds_choice(self) -> bool:
        """Whether a start goes by what was chosen before: the server's own source not where the settings say it."""
        settings = self._settings()
        return settings.emg_mode is EmgMode.PUSH or (settings.model is None and settings.profile is None)
