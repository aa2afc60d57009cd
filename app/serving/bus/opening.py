"""Which bus a worker of these settings joins."""

from __future__ import annotations

from app.config import EmgMode, Settings
from app.serving.bus.bus import Bus
from app.serving.bus.local_bus import LocalBus
from app.serving.counters.worker_group import WorkerGroup


def make_bus(settings: Settings, worker_group: WorkerGroup) -> Bus | None:
    """Return that by Redis where there is one, or that of this machine's workers where they are several.

    None: there is nobody to share with, or no client brings a source.
    """
    if settings.emg_mode is not EmgMode.PUSH:
        return None
    if settings.redis_url is not None:
        from app.serving.bus.redis_bus import RedisBus  # redis-py is loaded where it is used only

        return RedisBus(settings.redis_url, settings.source_idle_s)
    if not worker_group.shares or worker_group.workers < 2:
        return None
    return LocalBus(worker_group, settings.source_idle_s)
