"""Which bus a worker of these settings joins."""

from __future__ import annotations

from app.config import EmgMode, Settings
from app.serving.bus.bus import Bus
from app.serving.bus.local_bus import LocalBus
from app.serving.counters.worker_group import WorkerGroup


def make_bus(settings: Settings, worker_group: WorkerGroup) -> Bus | None:
    """Return that of the workers of this machine where they are several and clients bring the sources; else None."""
    if settings.emg_mode is not EmgMode.PUSH:
        return None
    if not worker_group.shares or worker_group.workers < 2:
        return None
    return LocalBus(worker_group, settings.source_idle_s)
