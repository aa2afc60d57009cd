"""Myostream: muscle signals in, gesture predictions out. Here, and only here, the layers meet."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask

from app.config import Settings

if TYPE_CHECKING:
    from app.serving.counters.worker_group import WorkerGroup
    from app.serving.runtime import Runtime

TITLE = "Myostream"
_installed: Runtime | None = None


def open_runtime(
    settings: Settings,
    stopping: Callable[[], bool] = lambda: False,
    worker_group: WorkerGroup | None = None,
    end: Callable[[], None] | None = None,
) -> Runtime:
    """Open this worker's runtime. `create_app` picks it up; close it when the worker exits.

    `worker_group` is this worker's place among others; None: it is the only one. `end` is what to do when its engine
    hangs and another process will take its place; None: wait.

    Raises:
        MyostreamError: one line that says what cannot be opened.
    """
    global _installed  # noqa: PLW0603  one runtime a worker: it owns the device and the engine
    from app.api.sse import events as sse
    from app.serving.build import build_runtime

    _installed = build_runtime(settings, sse.encode, stopping, worker_group, end)
    return _installed


def create_app(runtime: Runtime | None = None, settings: Settings | None = None) -> Flask:
    """Return the WSGI application around a runtime: the one given, this worker's, or one opened at the first request.

    Raises:
        ConfigError: a setting is wrong.
    """
    from app import api, cli
    from app.serving.counters.shared_metrics import SharedMetrics
    from app.serving.counters.worker_group import WorkerGroup

    given = runtime or _installed
    settings = settings or (given.settings if given else Settings.from_env())
    app = Flask(__name__, instance_path=str(settings.instance), template_folder="../templates")
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    app.config["SETTINGS"] = settings
    app.extensions["runtime"] = _holder(given, settings)
    app.extensions["metrics"] = given.metrics if given else SharedMetrics(WorkerGroup.alone())
    api.register(app, TITLE, given)
    cli.register(app)
    return app


def _holder(given: Runtime | None, settings: Settings) -> Callable[[], Runtime]:
    """Return what gives the runtime; commands never ask for it, so they never open a device or an engine."""
    if given is not None:
        return lambda: given
    lock = threading.Lock()

    def opened() -> Runtime:
        with lock:
            if _installed is None:
                atexit.register(open_runtime(settings).close)
            assert _installed is not None
            return _installed

    return opened
