"""Imports in processes of their own: `python -m app.emg.recording.import_process` forks for each line on its stdin.

A line is a JSON list of two paths: of the job, and of what came of it. Whatever a file does to the library that reads
it, it does to that process alone: it has a bound on memory and on time of a processor, comes after the streams where
both want one, and ends with the server that began it.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from select import select
from typing import Any, NoReturn

from app.emg.files.imported import ImportHints
from app.emg.files.importing import import_files
from app.emg.recording.from_file import write_recording
from app.emg.recording.import_job import BUSY, DATA, DISK, too_much
from app.emg.recording.import_report import report_of
from app.errors import MyostreamError

NICENESS = (
    5  # a third of the share of a stream; with 10, a machine that is full took a minute for a second of work
)
IDLE_S = 60.0  # after which the next import waits a second for another
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

log = logging.getLogger(__name__)


def done(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report of an import, or `error` and its `kind`."""
    try:
        return _imported(job)
    except FileExistsError:
        name = job["name"]
        return _failed(BUSY, f"there is a recording {name} already; choose another name or delete it")
    except (MemoryError, SystemError):  # the second where memory ends while Python compiles a module
        return _failed(DATA, too_much(job["memory"], job["seconds"]))
    except MyostreamError as error:
        return _failed(DATA, str(error))
    except OSError as error:
        return _failed(DISK, f"the recording cannot be written: {error.strerror or error}")
    except Exception:
        log.exception("an import failed")
        return _failed(DATA, "the file cannot be read; the server's log has the reason")


def _imported(job: Mapping[str, Any]) -> dict[str, Any]:
    hints = dict(job["hints"])
    if hints["gesture_names"] is not None:
        hints["gesture_names"] = tuple(hints["gesture_names"])
    found, files = import_files([Path(path) for path in job["paths"]], ImportHints(**hints))
    if job["subject"] is not None:
        found = replace(found, subject=job["subject"])
    root = Path(job["root"])
    made = write_recording(
        found,
        files,
        aside=Path(job["aside"]),
        root=root,
        name=job["name"],
        called=job["called"],
        now=job["now"],
        most_bytes=job["most_bytes"],
    )
    return report_of(root, made, [Path(file.name) for file in files])


def _failed(kind: str, text: str) -> dict[str, Any]:
    return {"kind": kind, "error": text}


def _bound(memory: int, seconds: int) -> None:
    """Bound this process; on a system without these bounds it has none."""
    for what, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds)):
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Do jobs as they come, each in a process of its own; end with the server, and after IDLE_S without a job."""
    os.nice(NICENESS)
    os.umask(0o077)  # recordings are for this user alone
    while select([sys.stdin], [], [], IDLE_S)[0] and (line := sys.stdin.readline()):
        said, result = json.loads(line)
        job = json.loads(Path(said).read_text(encoding="utf-8"))
        Path(said).unlink()  # from here on it is this process that does it, and nobody else
        child = os.fork()
        if child == 0:
            _do(job, Path(result))
        os.waitpid(child, 0)
        os.write(sys.stdout.fileno(), b"done\n")


def _do(job: Mapping[str, Any], result: Path) -> NoReturn:
    """Write what came of a job, and end this process."""
    try:
        _bound(job["memory"], job["seconds"])
        part = result.with_suffix(".part")
        part.write_text(json.dumps(done(job)), encoding="utf-8")
        part.replace(result)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
