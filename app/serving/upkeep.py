"""What a worker does twenty times a second beside its streams: each part looks after itself."""

from __future__ import annotations

from app.config import REMOTE, Settings
from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.jobs.trainings import Trainings
from app.serving.leaving import Leaving
from app.serving.pipelines.source_models import SourceModels
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.sharing import Sharing
from app.serving.sources.own_source import OwnSource


class Upkeep:
    """Of one worker. `tick` is called by the hub monitor, and must not wait."""

    def __init__(
        self,
        settings: Settings,
        metrics: SharedMetrics,
        leaving: Leaving,
        pipelines: SourcePipelines,
        source_models: SourceModels,
        trainings: Trainings,
        own: OwnSource | None,
        sharing: Sharing | None,
    ) -> None:
        self._fleet = REMOTE in settings.backends
        self._metrics, self._leaving, self._pipelines = metrics, leaving, pipelines
        self._source_models, self._trainings = source_models, trainings
        self._own, self._sharing = own, sharing

    def tick(self) -> None:
        """Have each part do what is due."""
        self._leaving.tick()
        self._source_models.tick()
        self._trainings.tick()
        models = list(self._source_models.open)
        for one in models:
            one.engine.backends.tick()
        if self._fleet:  # the other workers' metrics say for how many models it is in trouble here
            far = [one for model in models for one in model.engine.backends.elsewhere.values()]
            self._metrics.fleet.note(sum(one.trouble is not None for one in far))
        self._metrics.open_models.note({one.name: one.grew for one in models})
        for pipeline in self._pipelines:
            pipeline.named.tidy()
        if self._own is not None:
            self._own.tick()
        if self._sharing is not None:
            self._sharing.owned.tick()
