"""How gunicorn runs us. The patch comes first; our own code is imported in the hooks only, after it."""

from gevent import monkey

monkey.patch_all()

import os
import resource
import sys
import time
from contextlib import contextmanager, suppress

# Every stream is a descriptor, and most systems begin with 1024.
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))

# One inference takes one core; more threads in a library would fight with the other workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")

worker_class = "gevent"
worker_connections = 2000  # EMG_MAX_STREAMS stays below, so that /health always gets through
timeout = 30
HANDSHAKE_S = 10  # of TLS
graceful_timeout = 10
keepalive = 5  # s between requests, and also for a whole header: a client that dribbles is let go
max_requests = 0  # a restart would cut every stream
preload_app = False  # neither torch nor CUDA survive a fork
limit_request_line = 4094  # bytes; more is answered 414
limit_request_fields = 64
limit_request_field_size = 4096  # bytes; more is answered 431
forwarder_headers = ""  # a proxy passes a client's SCRIPT_NAME on; we are at the root and believe none
umask = 0o007  # of a unix socket only: for the server's user and group; gunicorn's own 0 lets in everybody
control_socket_disable = True  # one path for every instance of this user: two would collide


def on_starting(server):
    """In the master, before it binds: every wrong setting ends the start here, in one line."""
    from app.errors import ConfigError
    from app.serving.counters.shared_declarations import memory_for_declarations
    from app.serving.counters.worker_group import board_for, new_run
    from app.serving.jobs.store import fail_jobs

    try:
        with dotenv_left_out():
            instance = take_settings(server)
    except ConfigError as error:
        sys.exit(f"error: {error}")
    keep_tickets(server)
    let_the_end_go_first(server)
    server.board, server.run = board_for(server.cfg.workers), new_run()
    drain_first(server)
    server.declared = memory_for_declarations()
    server.fail_jobs = lambda: fail_jobs(instance, server.run)


def keep_tickets(server):
    """In a folder for all workers, also after a reload; it is held by this process for as long as that lives."""
    from app import ticket_folder

    ticket_folder.clear_leftovers()
    path, server.ticket_folder = ticket_folder.make()
    if os.geteuid() == 0:  # the workers may be another user's (--user)
        os.chown(path, server.cfg.uid, -1)
    os.environ["MYOSTREAM_TICKETS"] = str(path)


def let_the_end_go_first(server):
    """Before all other signals, and also in the midst of a reload, which waits for workers that come and go."""
    from app.serving.signal_queue import SignalQueue

    server.SIG_QUEUE, server.reloading = SignalQueue(server.SIG_QUEUE), False
    handle_hup, reap_workers = server.handle_hup, server.reap_workers

    def reload():
        server.reloading = True
        try:
            handle_hup()
        finally:
            server.reloading = False

    def reap():
        reap_workers()
        end_if_told(server)

    server.handle_hup, server.reap_workers = reload, reap


def drain_first(server):
    """At SIGTERM, for EMG_DRAIN seconds: serve all, but be not ready, so that proxies choose another server."""
    from app.serving.counters.worker_group import mark_draining

    handle_term, left_s = server.handle_term, server.drain_s

    def drain():
        nonlocal left_s
        if left_s:
            server.log.info("new requests are served for %g s more, and /health/ready is 503", left_s)
            mark_draining(server.board)
            until, left_s = time.monotonic() + left_s, 0.0
            while time.monotonic() < until:
                time.sleep(0.1)
                end_now(server)
        handle_term()

    server.handle_term = drain


def end_if_told(server):
    """As gunicorn itself does between two signals: its handler raises what ends the master."""
    if server.reloading:
        end_now(server)


def end_now(server):
    """Where another order to end has come."""
    number = server.SIG_QUEUE.take_end()
    if number is not None:
        name = server.SIG_NAMES[number]
        server.log.info("Handling signal: %s", name)
        getattr(server, f"handle_{name}")()


def take_settings(server):
    """What gunicorn itself does with them, for this start and for all reloads."""
    from app import logs
    from app.config import Settings, expect_alone

    settings = Settings.from_env()
    server.log_as, server.drain_s = (settings.log_level, settings.log_format), settings.drain_s
    logs.configure(*server.log_as)
    for name, value in (("bind", [settings.bind]), ("workers", settings.workers)):
        chosen = server.cfg.settings[name]
        if chosen.get() == chosen.default:
            server.cfg.set(name, value)
            # SIGHUP reads this file again, asks for no hook, and would move to gunicorn's own default.
            type(chosen).default = value
    server.num_workers = server.cfg.workers
    settings.expect_closed_door(server.cfg.bind)  # also one given with --bind
    settings.expect_keys()
    settings.expect_certificate()
    make_instance(server, settings)
    if settings.tls_cert is not None:
        use_tls(server.cfg, settings)
    trust(server.cfg, settings.trusted_proxies)
    expect_alone(server.cfg.workers)
    if settings.allow_anonymous and not settings.asks_for_keys:
        server.log.warning(
            "EMG_ALLOW_ANONYMOUS=1: ANYONE who reaches %s may use this server, WITHOUT A KEY",
            ", ".join(server.cfg.bind),
        )
    return settings.instance


def make_instance(server, settings):
    """The folder that EMG_INSTANCE names; the workers' own where they are another user's (--user)."""
    made = settings.expect_instance()
    if os.geteuid() == 0:
        for folder in made:
            os.chown(folder, server.cfg.uid, server.cfg.gid)


@contextmanager
def dotenv_left_out():
    """In the end the environment has nothing of .env: workers read it for themselves, after a reload as it is then."""
    before = set(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before:
            del os.environ[name]


def when_ready(server):
    """What a person who has just started it wants to know."""
    for listener in server.LISTENERS:
        server.log.info("the dashboard is at %s/", listener)


def on_reload(server):
    """In the master, at SIGHUP and before the new workers are there: what cannot be opened changes nothing."""
    from app.serving.counters.worker_group import mark_reloaded
    from app.serving.reload_check import whats_wrong

    refusal = whats_wrong(server.cfg.workers, addresses(server.LISTENERS), lambda: server.SIG_QUEUE.ends)
    log_again(server, anew=not refusal)
    end_if_told(server)
    if refusal:
        server.log.error("the reload is refused, and the workers go on as they are: %s", refusal)
        server.cfg.set("workers", 0)  # none is begun, and so none is ended; the next reload reads it anew
        return
    for worker in server.WORKERS.values():
        mark_reloaded(server.board, worker.slot)


def log_again(server, anew):
    """At SIGHUP gunicorn has given its loggers handlers of their own: each line came twice, once past our format."""
    from app import logs
    from app.config import Settings
    from app.errors import ConfigError

    with dotenv_left_out(), suppress(ConfigError):  # the code that reads here is that of the start
        if anew:
            settings = Settings.from_env()
            server.log_as = settings.log_level, settings.log_format
    logs.configure(*server.log_as)


def addresses(listeners):
    """Where they really listen, as EMG_BIND would say it: --bind or systemd may have chosen other addresses."""
    for listener in listeners:
        name = listener.getsockname()
        if not isinstance(name, tuple):
            yield f"unix:{name}"
        else:
            yield f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def use_tls(config, settings):
    """For this start and, since SIGHUP asks for no hook, for every reload."""
    for name, path in (("certfile", settings.tls_cert), ("keyfile", settings.tls_key)):
        config.set(name, str(path))
        type(config.settings[name]).default = str(path)


def ssl_context(config, default_ssl_context_factory):
    """A client that does not finish its handshake is let go; gevent would wait for it for ever."""
    import gevent

    context = default_ssl_context_factory()
    wrap = context.wrap_socket

    def wrap_in_time(sock, **options):
        try:
            with gevent.Timeout(HANDSHAKE_S, OSError("no handshake")):
                return wrap(sock, **options)
        except OSError:
            raise gevent.GreenletExit from None  # no client of ours, and nothing for the log

    context.wrap_socket = wrap_in_time
    return context


def trust(config, proxies):
    """gunicorn's own belief in X-Forwarded-Proto; by default it has it in all of this machine."""
    trusted = [proxy for proxy in proxies if proxy != "unix"]
    config.set("forwarded_allow_ips", ",".join(trusted))
    type(config.settings["forwarded_allow_ips"]).default = ",".join(trusted)


def pre_request(worker, req):
    """Before the application reads the body: give the client a time for it."""
    worker.connections.busy()
    if worker.draining[0]:
        req.force_close()  # the next request on this connection would come too late
    if req.body is not None:
        req.unreader.max_body_chunk = 2**16  # bytes; of more, each read of 64 KiB would copy the rest
        length = getattr(req.body.reader, "length", None)  # of a chunked body it has none
        req.body = worker.in_time(req.body, length)


def post_request(worker, req, environ, resp):
    """The connection waits for the next."""
    worker.connections.idle()
    if req.body is not None:
        req.body.done()


def pre_fork(server, worker):
    """In the master: the worker's own part of the memory that all share."""
    from app.serving.counters.worker_group import free_slot, mark_reloaded

    worker.slot = free_slot(server.board, {other.slot for other in server.WORKERS.values()})
    mark_reloaded(server.board, worker.slot, reloaded=False)


def child_exit(server, worker):
    """In the master: a worker that died has no streams any more."""
    from app.serving.counters.worker_group import forget_streams
    from app.serving.counters.shared_metrics import forget_worker

    forget_streams(server.board, worker.slot)
    forget_worker(server.board, worker.slot)


def post_fork(server, worker):
    """In the worker, before the application is loaded: open the engine and the source."""
    import gc
    import signal

    import gevent

    signal.signal(
        signal.SIGTERM, signal.SIG_DFL
    )  # until the worker has its own: the master's would swallow it
    forget_code()
    from app import logs, open_runtime
    from app.api.gunicorn_hooks.body_budget import BodyBudget
    from app.api.gunicorn_hooks.slow_body import InTime
    from app.config import Settings
    from app.errors import MyostreamError
    from app.serving.counters.worker_group import WorkerGroup
    from app.serving.engine.watchdog import end_process
    from app.serving.process.memory import trim

    native_subprocess()
    os.umask(0o077)  # what a worker writes is of people, and for this user alone
    worker_group = WorkerGroup(server.run, server.board, worker.slot, server.num_workers, server.declared)
    try:
        settings = Settings.from_env()
        logs.configure(settings.log_level, settings.log_format)
        settings.expect_closed_door(addresses(worker.sockets))  # .env may have lost its keys since the start
        worker.bodies = BodyBudget(
            settings.body_budget * 2**20, lambda: gevent.get_hub().threadpool.apply(trim)
        )
        worker.in_time = lambda body, length: InTime(
            body, settings.body_timeout_s, gevent.Timeout.start_new, worker.bodies, length
        )
        worker.send_timeout_s, worker.draining = settings.send_timeout_s, worker_group.own.doubles("draining")
        worker.runtime = open_runtime(settings, lambda: not worker.alive, worker_group, end_process)
    except MyostreamError as error:
        server.log.error("error: %s", error)
        sys.exit(server.WORKER_BOOT_ERROR)
    gc.collect()
    gc.freeze()  # what is there now stays; a collection during a stream has nothing to look through


def forget_code():
    """In a worker: what the master has read of our code is as it was when that started, and so older than the rest."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "app"]:
        del sys.modules[name]


def post_worker_init(worker):
    """Ctrl-C reaches the whole process group: leave it to the master, which ends us as SIGTERM would."""
    import signal

    from app.api.gunicorn_hooks.refusals import handle_error

    native_subprocess()  # the worker has patched once more
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, worker.handle_exit)
    complain_in_one_line(worker)
    worker.handle_error = handle_error
    watch_sizes(worker)
    let_idle_connections_go(worker)


def watch_sizes(worker):
    """Have clients let go that do not read, and memory given back that large bodies took."""
    import gevent

    from app.api.gunicorn_hooks.slow_readers import SlowReaders

    readers = worker.wsgi = SlowReaders(worker.wsgi, worker.send_timeout_s)

    def look():
        while True:
            gevent.sleep(0.5)
            readers.let_go()
            worker.bodies.tidy()

    gevent.spawn(look)


def let_idle_connections_go(worker):
    """When this worker stops."""
    import gevent

    from app.api.gunicorn_hooks.idle import IdleConnections

    def look():
        while worker.alive:
            gevent.sleep(0.25)
        while True:
            worker.connections.let_go()
            gevent.sleep(0.1)

    worker.connections = IdleConnections(gevent.getcurrent)
    worker.handle = worker.connections.watched(worker.handle)
    gevent.spawn(look)


def complain_in_one_line(worker):
    """Out of file descriptors, gevent tries again by itself, but prints a traceback each time, up to ten a second."""
    import errno

    import gevent

    hub = gevent.get_hub()
    usual, silent_until = hub.handle_error, 0.0

    def handle_error(context, kind, error, trace):
        nonlocal silent_until
        if not (isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)):
            usual(context, kind, error, trace)
        elif time.monotonic() > silent_until:
            silent_until = time.monotonic() + 60
            worker.log.error(
                "no file descriptor is left: new clients wait until one is free (ulimit -n raises it)"
            )

    hub.handle_error = handle_error


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


def on_exit(server):
    """In the master, last of all."""
    import shutil

    shutil.rmtree(os.environ.get("MYOSTREAM_TICKETS", ""), ignore_errors=True)
    if hasattr(server, "fail_jobs"):  # the start may have been refused
        with suppress(OSError):
            server.fail_jobs()
