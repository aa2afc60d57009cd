"""How a worker is doing: its backends, its ways out, and why it should get no traffic."""

from __future__ import annotations

from collections.abc import Callable

from app.config import BACKENDS, REMOTE, Settings
from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.counters.worker_group import WorkerGroup
from app.serving.engine.backends import BackendState
from app.serving.engine.engine import Engine
from app.serving.engine.watchdog import Watchdog
from app.serving.outputs.actions.file import ActionsState
from app.serving.outputs.sender import OutputState
from app.serving.outputs.service import Outputs
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.sources.own_source import OwnSource


class WorkerHealth:
    """Of one worker. `own_pipeline`: that of the server's own source, once it is there."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        watchdog: Watchdog,
        worker_group: WorkerGroup,
        metrics: SharedMetrics,
        outputs: Outputs | None,
        *,
        has_model: bool,
        own: OwnSource | None,
        own_pipeline: Callable[[], SourcePipeline | None],
        stopping: Callable[[], bool],
    ) -> None:
        self._settings, self._engine, self._watchdog = settings, engine, watchdog
        self._group, self._metrics, self._outputs = worker_group, metrics, outputs
        self._has_model, self._own, self._own_pipeline = has_model, own, own_pipeline
        self._stopping = stopping

    def backends(self) -> dict[str, BackendState]:
        """Return every backend there is, chosen by the operator or not; a fleet only where one is."""
        left_out = BackendState(
            available=False, reason="it is not among EMG_BACKENDS", cure="Name it in EMG_BACKENDS"
        )
        if not self._has_model:
            left_out = BackendState(
                available=False, reason="there is no model to run", cure="Name one in EMG_MODEL"
            )
        fleet = (REMOTE,) if REMOTE in self._settings.backends else ()
        return {name: self._engine.backends.states.get(name, left_out) for name in (*fleet, *BACKENDS)}

    def outputs(self) -> dict[str, OutputState]:
        """Return the ways out that the operator asked for, by name; empty where there are none."""
        return {} if self._outputs is None else self._outputs.states(self._metrics.outputs())

    def actions(self) -> ActionsState | None:
        """Return how it is with the table of messages; None where no way out reads it."""
        return None if self._outputs is None else self._outputs.actions

    def not_ready(self) -> list[str]:
        """Return why this worker should get no traffic; empty when it should."""
        reasons = self.engine_trouble()
        if self._group.draining:
            reasons.append("the server is about to stop")
        if self._own is not None and self._own.awaited is not None:
            reasons.append(f"the source is not there yet: {self._own.awaited}")
        # a source that a client brings is that client's affair, and no reason to send others elsewhere
        own = self._own_pipeline()
        trouble = None if own is None else own.trouble
        return reasons if trouble is None else [*reasons, trouble]

    def engine_trouble(self) -> list[str]:
        """Return why this worker should be asked for no predictions of a caller's own windows; empty when it should."""
        reasons = []
        if self._stopping():
            reasons.append("the server is shutting down")
        if self._watchdog.hung is not None:
            reasons.append(self._watchdog.hung)
        if self._has_model and not self._engine.backends.ready:
            reasons.append("the engine is not open")
        elif self._engine.backends.trouble is not None:
            reasons.append(self._engine.backends.trouble)
        return reasons
