"""`python -m app.inference.verification.process PATH`: try a model, a folder or a zip, that nobody has vouched for.

Whatever a graph does to the libraries that read it, it does to this process alone: it has a bound on memory and on time
of a processor, comes after the streams where both want one, and ends with the server that began it. The last line of
stdout is JSON: `{"error"}`, or `{"folder", "by", "windows", "difference"}`.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.errors import MyostreamError

NICENESS = 5
MEMORY = 4 * 2**30  # bytes that it may map, of which the libraries take one
SECONDS = 60  # of a processor
PATIENCE_S = 300  # until it ends itself: on a machine that is full those seconds take longer
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def report(path: Path) -> dict[str, Any]:
    """Return what came of it; of what a disk did not take `disk` says so."""
    from app.inference.verification.arrival import arrived
    from app.inference.verification.verify import verified

    try:
        found = arrived(path) if path.is_file() else verified(path)
    except MyostreamError as error:
        return {"error": str(error)}
    except (MemoryError, SystemError):  # the second where memory ends while Python compiles a module
        return {"error": too_much()}
    except OSError as error:
        return {"error": error.strerror or str(error), "disk": True}
    return {
        "folder": str(found.artefact.path),
        "by": found.by,
        "windows": found.windows,
        "difference": found.difference,
    }


def too_much() -> str:
    """Return what is said of a model that takes more than it may."""
    return f"the model takes more than {MEMORY / 2**30:g} GiB of memory or {SECONDS} s of a processor to try"


def main() -> None:
    """Bound this process, and print the report."""
    os.nice(NICENESS)
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # on a system without these bounds it has none
            resource.setrlimit(what, (most, most))
    signal.alarm(PATIENCE_S)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    sys.stdout.write(json.dumps(report(Path(sys.argv[1]))) + "\n")
    sys.stdout.flush()
    os._exit(0)  # what a damaged graph left of a library has nothing to say any more


if __name__ == "__main__":
    main()
