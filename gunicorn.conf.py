"""How gunicorn runs us. The patch comes first; our own code is imported in the hooks only, after it."""

from gevent import monkey

monkey.patch_all()

import os
import resource
import sys

# Every stream is a descriptor, and most systems begin with 1024.
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))

# One inference takes one core; more threads in a library would fight with the other workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")

worker_class = "gevent"
worker_connections = 2000  # EMG_MAX_STREAMS stays below, so that /health always gets through
timeout = 30
graceful_timeout = 10
keepalive = 5
max_requests = 0  # a restart would cut every stream
preload_app = False  # neither torch nor CUDA survive a fork
control_socket_disable = True  # one path for every instance of this user: two would collide


def on_starting(server):
    """In the master, before it binds: every wrong setting ends the start here, in one line."""
    from app.config import Settings, expect_alone, misspelt, refuse_open_door
    from app.errors import ConfigError
    from app.serving.crew import board_for, new_run

    try:
        settings = Settings.from_env()
        bind = server.cfg.settings["bind"]
        if bind.get() == bind.default:
            server.cfg.set("bind", settings.bind)
            # SIGHUP reads this file again, asks for no hook, and would move to gunicorn's own default.
            type(bind).default = [settings.bind]
        for address in server.cfg.bind:  # also one given with --bind
            refuse_open_door(address, settings.allow_anonymous)
        expect_alone(settings, server.cfg.workers)
    except ConfigError as error:
        sys.exit(f"error: {error}")
    server.board, server.run = board_for(server.cfg.workers), new_run()
    for line in misspelt(os.environ):
        server.log.warning("%s", line)


def pre_fork(server, worker):
    """In the master: the worker's own part of the memory that all share."""
    from app.serving.crew import free_slot

    worker.slot = free_slot(server.board, {other.slot for other in server.WORKERS.values()})


def child_exit(server, worker):
    """In the master: a worker that died has no streams any more."""
    from app.serving.crew import forget_streams

    forget_streams(server.board, worker.slot)


def post_fork(server, worker):
    """In the worker, before the application is loaded: open the engine and the source."""
    import gc
    import logging

    from app import open_runtime
    from app.config import Settings
    from app.errors import MyostreamError
    from app.serving.crew import Crew

    native_subprocess()
    settings = Settings.from_env()
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    crew = Crew(server.run, server.board, worker.slot, server.num_workers)
    try:
        worker.runtime = open_runtime(settings, stopping=lambda: not worker.alive, crew=crew)
    except MyostreamError as error:
        server.log.error("error: %s", error)
        sys.exit(server.WORKER_BOOT_ERROR)
    gc.collect()
    gc.freeze()  # what is there now stays; a collection during a stream has nothing to look through


def post_worker_init(worker):
    """Ctrl-C reaches the whole process group: leave it to the master, which ends us as SIGTERM would."""
    import signal

    native_subprocess()  # the worker has patched once more
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, worker.handle_exit)


def native_subprocess():
    """Undo one patch: gevent's subprocess works on the hub's thread only, and PyTorch is imported on the engine's.

    (It may ask ldconfig for libraries: "child watchers are only available on the default loop".)
    """
    import subprocess

    for name, original in monkey.saved.get("subprocess", {}).items():
        setattr(subprocess, name, original)


def worker_exit(server, worker):
    """Free the engine on its own thread, close the source."""
    if getattr(worker, "runtime", None) is not None:
        worker.runtime.close()
