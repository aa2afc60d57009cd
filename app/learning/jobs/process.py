"""`python -m app.learning.jobs.process NICENESS`: trainings, each in a fork of this process, which has loaded all.

A line on stdin is one to do, in JSON, and comes when the one before is done. What is told of it are lines on stdout,
a JSON object each: `{"stage"}` is how far it is; the last is `{"result"}`, or `{"error", "kind"}`. Where its fork is
killed this process ends too, without a last line.

A fork has one thread and a bound on memory and on time of a processor, comes after the streams where both want one, and
ends with this process, which ends with the server that began it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Any

from app.errors import MyostreamError
from app.learning.jobs.order import DATA, DISK, TrainingOrder, too_much_said

PATIENCE_S = 600  # until a training ends itself: on a machine that is full its seconds take longer
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

log = logging.getLogger(__name__)


def load_libraries() -> None:
    """Import what a training imports: it takes two seconds, and the training itself a third of one.

    Not onnxruntime, which begins a thread: a fork would be without it.
    """
    from app.emg.signal.scipy_signal import scipy_signal
    from app.learning.covariance import guided_minute
    from app.learning.jobs import training
    from app.learning.own import adapting, making
    from app.learning.values import making as values

    assert all((guided_minute, training, adapting, making, values))
    scipy_signal()
    gc.collect()
    gc.freeze()  # else a collection in a fork would write to the pages that it shares with this process


def report(order: TrainingOrder) -> dict[str, Any]:
    """Return the last line."""
    try:
        from app.learning.jobs.training import train

        return {"result": train(order, lambda stage: _say({"stage": stage}))}
    except MyostreamError as error:
        hint = getattr(error, "hint", None)
        said: dict[str, Any] = {"error": str(error).replace(f"{order.aside}/", ""), "kind": DATA}
        return said if hint is None else {**said, "failure": {"code": hint.code, "values": dict(hint.values)}}
    except OSError as error:
        reason = f"the disk does not take it: {error.strerror or error}"
        return {"error": reason, "kind": DISK, "failure": {"code": "disk", "values": {}}}
    except Exception as error:
        if _is_memory(error):
            return too_much_said(order)
        log.exception("a training failed")
        reason = "the training failed; the server's log has the reason"
        return {"error": reason, "kind": DATA, "failure": {"code": "unexpected", "values": {}}}


def _is_memory(error: Exception) -> bool:
    """Whether memory has ended: SystemError where Python compiles a module then, ImportError where a library comes."""
    return isinstance(error, MemoryError | SystemError) or (
        isinstance(error, ImportError) and "failed to map" in str(error)
    )


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _bound(order: TrainingOrder) -> None:
    """Bound this process; on a system without these bounds it has none."""
    bounds = (
        (resource.RLIMIT_AS, order.memory),
        (resource.RLIMIT_CPU, order.seconds),
        (resource.RLIMIT_CORE, 0),
    )
    for what, most in bounds:
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))
    signal.alarm(PATIENCE_S)


def _end_with_parent(parent: int) -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it went before we had asked
            os._exit(1)


def _in_fork(order: TrainingOrder) -> bool:
    """Do a training in a fork; whether it has come to its end."""
    parent = os.getpid()
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return status == 0
    try:
        _end_with_parent(parent)
        _bound(order)
        _say(report(order))
        os._exit(0)  # what libraries hold has nothing to say any more
    finally:
        os._exit(1)


def main() -> None:
    """Do trainings until whoever began this has gone."""
    _end_with_parent(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; whoever began this ends it
    os.nice(int(sys.argv[1]))
    os.umask(0o077)  # recordings and models are of people, and for this user alone
    with suppress(Exception):  # the fork says what is wrong
        load_libraries()
    while said := sys.stdin.buffer.readline():
        if not _in_fork(TrainingOrder.of_json(json.loads(said))):
            sys.exit(1)


if __name__ == "__main__":
    main()
