"""What one worker holds: the engine, the source's acquisition, the streams; opened after the fork, closed at exit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from app.config import Settings
from app.emg.description import describe_source
from app.errors import NotReadyError
from app.inference.artefact import Artefact
from app.inference.manifest import Manifest
from app.serving.bus.bus import Bus
from app.serving.counters.export_quota import ExportQuota
from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.counters.stream_quota import SharedQuota
from app.serving.counters.stream_stats import StreamStats
from app.serving.counters.worker_group import WorkerGroup
from app.serving.engine.benchmark import Benchmark
from app.serving.engine.engine import Engine
from app.serving.engine.watchdog import Watchdog
from app.serving.hub_monitor import HubMonitor
from app.serving.jobs.trainings import Trainings
from app.serving.leaving import Leaving
from app.serving.machines.machines import own_machine
from app.serving.machines.service import OtherMachines
from app.serving.model_catalogue import ModelCatalogue
from app.serving.models.open_models import OpenModel, OpenModels
from app.serving.outputs.opening import make_outputs, make_raw_lsl
from app.serving.outputs.raw_lsl import RawLsl
from app.serving.outputs.service import Outputs
from app.serving.pipelines.model_use import ModelUse
from app.serving.pipelines.owned_sources import OwnedSources
from app.serving.pipelines.pipeline import PipelineServices, SourcePipeline
from app.serving.pipelines.source_models import SourceModels
from app.serving.pipelines.source_pipelines import DECLARE, SourcePipelines
from app.serving.pipelines.stream_opener import StreamOpener
from app.serving.process.cpu import CpuLoad
from app.serving.process.work_loop import WorkLoop
from app.serving.recordings.service import RecordingService
from app.serving.sharing import Sharing
from app.serving.sources.acquired import acquired
from app.serving.sources.acquisition import Acquisition
from app.serving.sources.declared import Declared
from app.serving.sources.fitting import fitting, no_model
from app.serving.sources.opening import Opened
from app.serving.sources.own_source import OwnSource
from app.serving.streams.decision_delay import filter_delay_ms, stream_delay_ms
from app.serving.streams.detached_streams import DetachedStreams
from app.serving.streams.due_windows import DueWindows
from app.serving.streams.events import StreamOptions
from app.serving.streams.group_events import Encode
from app.serving.streams.turns import Turns
from app.serving.upkeep import Upkeep
from app.serving.worker_health import WorkerHealth

log = logging.getLogger(__name__)

VERSION = "0.3.0"
NO_MODEL_HERE = (
    "this server has no model (EMG_MODEL=none): record and train one, and name it in EMG_MODEL; "
    "docs/models.md says how"
)
LAST_WORD_S = 2.0  # for open streams to end when the worker exits


def never() -> bool:
    """Return False: of a server that nobody stops."""
    return False


@dataclass(slots=True, kw_only=True)
class Runtime:
    """Everything a request may use. Made by `open_runtime`, or by a test from parts of its own."""

    settings: Settings
    artefact: Artefact | None  # None: EMG_MODEL=none
    engine: Engine  # without a model it has no backend
    encode: Encode
    acquisition: Acquisition | None = None  # of the server's own source; None where clients bring theirs
    reads: bool = True  # whether the model reads it
    own: OwnSource | None = None  # knows which source the server has; None in tests that bring a source
    stopping: Callable[[], bool] = never
    end: Callable[[], None] | None = (
        None  # of a process that another replaces: what to do when the engine hangs
    )
    worker_group: WorkerGroup = field(default_factory=WorkerGroup.alone)
    bus: Bus | None = None  # between the workers that clients push to; None: there is but this one
    sharing: Sharing | None = field(init=False, default=None)  # with a bus
    everywhere: SharedQuota | None = None  # counts streams at other machines as well
    stats: StreamStats = field(init=False)
    exports: ExportQuota = field(init=False)
    metrics: SharedMetrics = field(init=False)
    hub_monitor: HubMonitor = field(init=False)
    watchdog: Watchdog = field(init=False)
    turns: Turns = field(default_factory=Turns)
    loop: WorkLoop = field(default_factory=WorkLoop)
    due_windows: DueWindows = field(init=False)
    leaving: Leaving = field(init=False)
    health: WorkerHealth = field(init=False)
    upkeep: Upkeep = field(init=False)
    detached_streams: DetachedStreams = field(default_factory=DetachedStreams)
    benchmark: Benchmark = field(init=False)
    pipelines: SourcePipelines = field(init=False)
    streams: StreamOpener = field(init=False)
    recorder: RecordingService = field(init=False)
    outputs: Outputs | None = field(init=False)
    raw_lsl: RawLsl | None = None
    models: ModelCatalogue = field(init=False)
    source_models: SourceModels = field(init=False)
    trainings: Trainings = field(init=False)
    run: str = field(default_factory=lambda: format(time.time_ns() // 1_000_000, "x"))  # names this start

    def __post_init__(self) -> None:
        self.stats = StreamStats(self.worker_group, self.everywhere)
        self.metrics = SharedMetrics(self.worker_group)
        self.exports = ExportQuota(
            self.stats.callers, self.settings.max_exports, self.settings.max_exports_per_key
        )
        self.engine.meter, self.engine.fleet = self.metrics.engine, self.metrics.fleet
        if self.artefact is not None:
            self.engine.of_model = self.metrics.model(self.artefact.path.name)
        if (
            self.worker_group.workers > 1
        ):  # they count the samples of one source: a stream can go on at any of them
            self.run = self.worker_group.run
        self.benchmark = Benchmark(self.engine, worker_group=self.worker_group)
        self.pipelines = SourcePipelines(self.settings.max_sources, self._no_source)
        self.models = ModelCatalogue(lambda: self.settings, lambda: self.open_models, self.pipelines)
        self.due_windows = DueWindows(lambda: len(self.pipelines.names) > 1)
        self.source_models = SourceModels(
            None if self.artefact is None else OpenModel(self.artefact, self.engine),
            self.engine,
            self.pipelines,
            settings=lambda: self.settings,
            shelf=self.models.shelf,
            profile_of=self.models.profiles.find,
            worker_group=self.worker_group,
            base=self.worker_group.link(repr(self.settings)) if self.own is None else self.own.base,
            services=self._services,
            meter=self.metrics.model,
            loop=self.loop,
        )
        self.trainings = Trainings(
            lambda: self.settings, self.models.shelf, self.pipelines, self.source_models, self.worker_group
        )
        if self.bus is not None:
            machine = own_machine(self.worker_group.run, self.settings.bind)
            owned = OwnedSources(self.bus, self.source_models.pushed, self.pipelines)
            machines = OtherMachines(self.bus, machine, self.settings.instance, self.models, self.trainings)
            self.sharing = Sharing(self.bus, owned, machines)
        if self.own is not None:
            self.own.adopt = self._adopt
        self.watchdog = Watchdog(
            self.engine.calls,
            self.settings.engine_timeout_s,
            self.metrics.engine,
            self.end,
            self.engine.backends.opening,
        )
        self.leaving = Leaving(
            self.stopping,
            self.watchdog,
            self.worker_group,
            self.pipelines,
            replaced=lambda: self.end is not None,
        )
        self.upkeep = Upkeep(
            self.settings,
            self.metrics,
            self.leaving,
            self.pipelines,
            self.source_models,
            self.trainings,
            self.own,
            self.sharing,
        )
        self.hub_monitor = HubMonitor(self.metrics, lambda: self.pipelines, self.upkeep.tick)
        self.streams = StreamOpener(
            settings=lambda: self.settings,
            stats=self.stats,
            pipelines=self.pipelines,
            encode=self.encode,
            run=lambda: self.run,
            leaving=self.leaving.why,
            why_leaving=self.leaving.reason,
        )
        self.recorder = RecordingService(
            self.settings.instance / "recordings", self._backend, mains_hz=self.settings.mains_hz
        )
        if self.acquisition is not None:
            self.pipelines.add(self.source_models.own_pipeline(self.acquisition, self.reads))
        self.outputs = make_outputs(
            self.settings,
            self.expected,
            self.pipelines,
            self._backend,
            self.worker_group,
            self.metrics,
            lambda: self.leaving.why() is not None,
        )
        self.raw_lsl = make_raw_lsl(self.settings, self.pipelines, self.worker_group)
        self.health = WorkerHealth(
            self.settings,
            self.engine,
            self.watchdog,
            self.worker_group,
            self.metrics,
            self.outputs,
            has_model=self.artefact is not None,
            own=self.own,
            own_pipeline=lambda: self._own_pipeline,
            stopping=self.stopping,
        )

    @property
    def manifest(self) -> Manifest:
        """Return that of the model.

        Raises:
            NotReadyError: there is none.
        """
        if self.artefact is None:
            raise NotReadyError(NO_MODEL_HERE)
        return self.artefact.manifest

    @property
    def expected(self) -> Manifest | None:
        """Return that of the model, where there is one."""
        return None if self.artefact is None else self.artefact.manifest

    @property
    def open_models(self) -> OpenModels:
        return self.source_models.open

    @property
    def _own_pipeline(self) -> SourcePipeline | None:
        """Of the server's own source, where it is there."""
        return None if self.acquisition is None else self.pipelines.default

    def _services(self) -> PipelineServices:
        """Return what all pipelines share."""
        return PipelineServices(
            encode=self.encode,
            stats=self.stats,
            cpu_percent=lambda: self.cpu.percent,
            mains_hz=self.settings.mains_hz,
            turns=self.turns,
            no_model=lambda source, could: no_model(self.settings, describe_source(source), could),
            fitting=lambda source: fitting(self.settings, describe_source(source)),
            due_windows=self.due_windows,
            loop=self.loop,
        )

    @property
    def cpu(self) -> CpuLoad:
        """Of the machine, over the last second."""
        return self.hub_monitor.cpu

    def declare(self, declared: Declared) -> tuple[SourcePipeline, bool]:
        """Return the pipeline of a source that a client brings, and whether it is new.

        Raises:
            SourceElsewhereError: another worker has it.
            MyostreamError: as `PushedSources.declare`.
        """
        pushed = self.source_models.pushed if self.sharing is None else self.sharing.owned
        return pushed.declare(declared)

    def elsewhere(self, what: str) -> list[dict[str, Any]]:
        """Return the `models`, `profiles` or `jobs` of other machines, each with the machine's name."""
        return [] if self.sharing is None else self.sharing.machines.elsewhere(what)

    def decision_delay_ms(self, options: StreamOptions, use: ModelUse | None = None) -> float | None:
        """Compute it from window, hop, votes, filter, montage and the latency measured so far; None without a model."""
        manifest = self.expected if use is None else use.manifest
        if manifest is None:
            return None
        return stream_delay_ms(
            options,
            manifest,
            None if use is None else use.montage,
            filter_ms=filter_delay_ms(manifest, self.settings.mains_hz),
            latency_ms=self.stats.mean_infer_ms() or 0.0,
        )

    def start(self) -> None:
        """Open the engine and begin to acquire."""
        self.watchdog.start()
        if self.open_models.own is None:
            self.engine.open()
        else:
            self.open_models.own.open()
        self.recorder.open()
        self.hub_monitor.announce()
        self.source_models.swaps.start()
        if self.sharing is not None:
            self.run = self.sharing.start()  # a stream can go on at all who share sources
        for pipeline in self.pipelines:
            self.source_models.swaps.restore(pipeline)
            pipeline.start()
        if self.own is not None:
            self.own.start()
        self.hub_monitor.start()
        for output in (self.outputs, self.raw_lsl):
            if output is not None:
                output.start()

    def close(self) -> None:
        """Let the streams say their last word, stop acquiring and free the engine. Safe to call twice."""
        held = (
            self.stats,
            self.engine,
            self.source_models,
            self.watchdog,
            self.hub_monitor,
            self.pipelines,
            self.recorder,
            self.models,
            self.trainings,
        )
        # the last one pushed is the first to close; one that raises stops no other
        with ExitStack() as parts:
            for part in held:
                parts.callback(part.close)
            if self.sharing is not None:
                parts.callback(self.sharing.close)
            parts.callback(self.detached_streams.drain, LAST_WORD_S)
            for output in (self.outputs, self.raw_lsl):
                if output is not None:
                    parts.callback(output.close)
            if self.own is not None:
                parts.callback(self.own.close)
            if self.sharing is not None:
                parts.callback(self.sharing.leave)

    def _adopt(self, settings: Settings, opened: Opened) -> None:
        """Read another source, or the first that has answered."""
        there = self._own_pipeline
        before = None if there is None else there.acquisition
        acquisition = acquired(settings, opened, self.worker_group, before)
        self.settings, self.acquisition = settings, acquisition
        reads = opened.manifest is not None
        if there is None:
            pipeline = self.source_models.own_pipeline(acquisition, reads)
            self.pipelines.add(pipeline)
            self.source_models.swaps.restore(pipeline)
            pipeline.start()
        else:
            self.pipelines.rename(there, acquisition.source.name)
            self.source_models.switch(there, acquisition, reads)

    def _no_source(self) -> str:
        """Return why there is no source yet."""
        awaited = None if self.own is None else self.own.awaited
        return DECLARE if awaited is None else f"the source is not there yet: {awaited}"

    def _backend(self) -> str:
        """Return that on which streams run that name none, so that they share their computation."""
        return self.engine.backends.for_stream(None, use_tensorrt=True)
