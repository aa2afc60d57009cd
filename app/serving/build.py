"""From settings to a running worker."""

from __future__ import annotations

import logging
from collections.abc import Callable

from app.config import Settings
from app.emg.shared_source import SharedSource
from app.serving.counters.worker_group import WorkerGroup
from app.serving.engine.opening import make_engine, open_artefact
from app.serving.runtime import Runtime, never
from app.serving.sources.acquisition import Acquisition
from app.serving.sources.opening import open_path, open_source
from app.serving.streams.group import Encode

log = logging.getLogger(__name__)


def make_runtime(
    settings: Settings,
    encode: Encode,
    stopping: Callable[[], bool] = never,
    worker_group: WorkerGroup | None = None,
    end: Callable[[], None] | None = None,
) -> Runtime:
    """All that the settings name, not yet started: no device is opened and no backend.

    Raises:
        MyostreamError: one line that says what is wrong with it.
    """
    model = open_artefact(settings)
    worker_group = worker_group or WorkerGroup.alone()
    source = open_source(settings, model.manifest)
    if source is not None and worker_group.shares:
        source = SharedSource(source, worker_group.link(repr(settings)))
    return Runtime(
        settings=settings,
        artefact=model,
        engine=make_engine(settings, model),
        acquisition=None
        if source is None
        else Acquisition(source, open_path(settings, model.manifest), length=model.manifest.length),
        encode=encode,
        stopping=stopping,
        end=end,
        worker_group=worker_group,
    )


def build_runtime(
    settings: Settings,
    encode: Encode,
    stopping: Callable[[], bool] = never,
    worker_group: WorkerGroup | None = None,
    end: Callable[[], None] | None = None,
) -> Runtime:
    """Open all that the settings name, warmed and running. `end` ends a process whose engine hangs.

    Raises:
        MyostreamError: one line that says what cannot be opened.
    """
    runtime = make_runtime(settings, encode, stopping, worker_group, end)
    try:
        runtime.start()
    except BaseException:
        runtime.close()
        raise
    manifest, source = runtime.artefact.manifest, runtime.pipelines.default
    log.info(
        "model %s: %d channels at %g Hz, backend %s, source %s",
        manifest.name,
        manifest.channels,
        manifest.sampling_rate,
        runtime.engine.backends.best,
        source.name if source is not None else "to be declared",
    )
    return runtime
