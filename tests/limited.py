"""Read one hostile file with little memory and time to spare, in a process of its own (`refuse`).

A process that takes more than SPARE_BYTES beside its libraries gets a MemoryError; more than SPARE_S ends it.
"""

from __future__ import annotations

import multiprocessing
import resource
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from app.api.codec.npy import read_npy
from app.emg.files.recordings import load as load_recording
from app.errors import ArtefactError, DataError
from app.inference.artefact import load as load_artefact
from app.inference.artefact_files import tensors

SPARE_BYTES, SPARE_S = 96 * 2**20, 3

READERS: dict[str, Callable[[Path], object]] = {
    "npy": lambda path: read_npy(path.read_bytes()),
    "recording": load_recording,
    "tensors": lambda path: tensors(path.read_bytes(), path),
    "artefact": lambda path: load_artefact(path.parent),
}


def limit() -> None:
    """From here on."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + SPARE_BYTES,) * 2)
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + SPARE_S
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def read(reader: str, path: Path, told: Connection) -> None:
    """Tell whether the file was refused, and what was said; where this process is ended, nothing."""
    limit()
    try:
        READERS[reader](path)
        told.send((False, "it was read"))
    except (ArtefactError, DataError) as refusal:
        told.send((True, str(refusal)))
    except BaseException:
        told.send((False, traceback.format_exc()))


def refuse(reader: str, path: Path) -> tuple[bool, str]:
    """What `read` tells in a process that is forked from one with these libraries, which take a second to load."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=read, args=(reader, path, theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(60) else (False, "it took more than a minute")
    except EOFError:
        process.join()
        return False, f"the process was ended: {process.exitcode}"
    finally:
        ours.close()
        process.kill()
        process.join()
