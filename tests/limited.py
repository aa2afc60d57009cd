"""`python -m tests.limited READER FILE`: read one hostile file with little memory and time to spare.

Prints what the reader refused with and exits 0; exits 1 with a traceback where it read the file or failed otherwise.
A process that takes more than SPARE_BYTES beside its libraries gets a MemoryError; more than SPARE_S ends it.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path

from app.api.codec.npy import read_npy
from app.emg.files.recordings import load as load_recording
from app.errors import ArtefactError, DataError
from app.inference.artefact import _tensors
from app.inference.artefact import load as load_artefact

SPARE_BYTES, SPARE_S = 96 * 2**20, 3

READERS: dict[str, Callable[[Path], object]] = {
    "npy": lambda path: read_npy(path.read_bytes()),
    "recording": load_recording,
    "tensors": lambda path: _tensors(path.read_bytes(), path),
    "artefact": lambda path: load_artefact(path.parent),
}


def limit() -> None:
    """From here on."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + SPARE_BYTES,) * 2)
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + SPARE_S
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


if __name__ == "__main__":
    limit()
    try:
        READERS[sys.argv[1]](Path(sys.argv[2]))
    except (ArtefactError, DataError) as refusal:
        print(refusal)  # noqa: T201
        sys.exit(0)
    sys.exit("it was read")
