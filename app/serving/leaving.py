"""Why a worker takes no streams any more: the server stops, or its engine hangs and another worker takes its place."""

from __future__ import annotations

from collections.abc import Callable

from app.serving.counters.worker_group import WorkerGroup
from app.serving.engine.watchdog import Watchdog
from app.serving.pipelines.source_pipelines import SourcePipelines


class Leaving:
    """Of one worker. `replaced`: whether another takes its place where it ends."""

    def __init__(
        self,
        stopping: Callable[[], bool],
        watchdog: Watchdog,
        worker_group: WorkerGroup,
        pipelines: SourcePipelines,
        *,
        replaced: Callable[[], bool],
    ) -> None:
        self._stopping, self._watchdog, self._group = stopping, watchdog, worker_group
        self._pipelines, self._replaced = pipelines, replaced
        self._telling = self._told = False  # of an engine that hangs

    def why(self) -> str | None:
        """Return why this worker takes no streams any more, for people; None while it does."""
        if self._stopping() or (self._told and self._replaced()):
            return self._watchdog.hung or "the server is shutting down"
        return None

    def reason(self) -> str:
        """Return the same for programs: `reason` of a stream's last event."""
        if not self._stopping():
            return "restart"
        return "reload" if self._group.reloaded else "shutdown"

    def tick(self) -> None:
        """Tell the streams of an engine that hangs; a tick later they end."""
        hung = self._watchdog.hung
        self._told = hung is not None and self._telling
        if hung is not None and not self._telling:
            for pipeline in self._pipelines:
                pipeline.broadcast.tell(hung)
        self._telling = hung is not None
