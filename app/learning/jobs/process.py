"""`python -m app.learning.jobs.process`: the training that stands as JSON on stdin, told on stdout.

It has one thread and a bound on memory and on time of a processor, comes after the streams where both want one, and
ends with the server that began it. A line is a JSON object:
`{"stage"}` is how far it is; the last is `{"result"}`, or `{"error", "kind"}`.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Any

from app.errors import MyostreamError
from app.learning.jobs.order import DATA, DISK, TrainingOrder, too_much

NICENESS = 5  # a third of the share of a stream
PATIENCE_S = 600  # until it ends itself: on a machine that is full its seconds take longer
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

log = logging.getLogger(__name__)


def report(order: TrainingOrder) -> dict[str, Any]:
    """Return the last line."""
    try:
        from app.learning.jobs.training import train

        return {"result": train(order, lambda stage: _say({"stage": stage}))}
    except MyostreamError as error:
        return {"error": str(error).replace(f"{order.aside}/", ""), "kind": DATA}
    except OSError as error:
        return {"error": f"the disk does not take it: {error.strerror or error}", "kind": DISK}
    except Exception as error:
        if _is_memory(error):
            return {"error": too_much(order.memory, order.seconds), "kind": DATA}
        log.exception("a training failed")
        return {"error": "the training failed; the server's log has the reason", "kind": DATA}


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
    os.nice(NICENESS)
    os.umask(0o077)  # recordings and models are of people, and for this user alone
    bounds = (
        (resource.RLIMIT_AS, order.memory),
        (resource.RLIMIT_CPU, order.seconds),
        (resource.RLIMIT_CORE, 0),
    )
    for what, most in bounds:
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))
    signal.alarm(PATIENCE_S)


def main() -> None:
    """Do the one training."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    said = sys.stdin.buffer.readline()
    if not said:  # whoever began this has gone
        return
    order = TrainingOrder.of_json(json.loads(said))
    _bound(order)
    _say(report(order))
    os._exit(0)  # what libraries hold has nothing to say any more


if __name__ == "__main__":
    main()
