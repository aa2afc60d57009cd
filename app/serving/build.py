"""From settings to a running worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from app.config import Settings
from app.emg.signal.scipy_signal import scipy_signal
from app.inference import artefact
from app.inference.description import person_of
from app.inference.manifest import Manifest
from app.serving.bus.opening import make_bus
from app.serving.bus.redis_quota import RedisQuota
from app.serving.counters.stream_quota import SharedQuota
from app.serving.counters.worker_group import WorkerGroup
from app.serving.engine.opening import expected_artefact, make_engine, no_engine
from app.serving.profiles.chosen import with_profile
from app.serving.runtime import Runtime, never
from app.serving.sources.acquired import acquired
from app.serving.sources.own_source import OwnSource
from app.serving.streams.group_events import Encode

log = logging.getLogger(__name__)


def make_runtime(
    settings: Settings,
    encode: Encode,
    stopping: Callable[[], bool] = never,
    worker_group: WorkerGroup | None = None,
    end: Callable[[], None] | None = None,
    ask: bool = True,
) -> Runtime:
    """All that the settings name, not yet started: no backend is opened, and of a device only asked what it is.

    With `ask=False` no device is touched: another process may hold it.

    Raises:
        MyostreamError: one line that says what is wrong with it.
    """
    settings = with_profile(settings)
    usual = expected_artefact(settings)
    worker_group = worker_group or WorkerGroup.alone()
    expected = None if usual is None else usual.manifest
    own = OwnSource(settings, expected, worker_group, _others(settings))
    opened = own.open(ask)
    model = usual
    if own.expected is not None and own.expected is not expected:
        model = artefact.find(own.expected.name, settings.model_folders)
    return Runtime(
        settings=own.settings,
        artefact=model,
        engine=no_engine() if model is None else make_engine(settings, model),
        acquisition=None if opened is None else acquired(own.settings, opened, worker_group),
        reads=opened is None or opened.manifest is not None,
        own=own,
        encode=encode,
        stopping=stopping,
        end=end,
        worker_group=worker_group,
        bus=make_bus(own.settings, worker_group),
        everywhere=_quota(own.settings),
    )


def _quota(settings: Settings) -> SharedQuota | None:
    """Return what counts the streams of each key at all machines; None where they are not limited, or there is one."""
    if settings.redis_url is None or settings.max_streams_per_key is None:
        return None
    return RedisQuota(settings.redis_url)


def _others(settings: Settings) -> Sequence[Manifest]:
    """Return the models that may serve where the operator names none: those of one person after those of many."""
    found = artefact.manifests(settings.model_folders) if settings.model is None else []
    return sorted(found, key=lambda one: (one.parent is not None, person_of(one) is not None))


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
    settings.expect_instance()
    scipy_signal()  # now, and not when the first source is declared and others stream
    runtime = make_runtime(settings, encode, stopping, worker_group, end)
    try:
        runtime.start()
    except BaseException:
        runtime.close()
        raise
    _say(runtime)
    return runtime


def _say(runtime: Runtime) -> None:
    source = runtime.pipelines.default
    name = source.name if source is not None else "to be declared"
    if runtime.artefact is None:
        log.info("no model, source %s", name)
        return
    manifest = runtime.artefact.manifest
    log.info(
        "model %s: %d channels at %g Hz, backend %s, source %s",
        manifest.name,
        manifest.channels,
        manifest.sampling_rate,
        runtime.engine.backends.best,
        name,
    )
