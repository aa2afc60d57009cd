"""What the server and the process that imports for it tell each other; here, without all that reads files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.errors import DataError

PROCESS = "app.emg.recording.import_process"
DATA, BUSY, DISK = "data", "busy", "disk"  # what went wrong


def too_much(memory: int, seconds: int) -> str:
    """Return what is said of a file that takes more than this process may."""
    return (
        f"the file takes more than {memory / 2**30:g} GiB of memory or {seconds} s of a processor to read; "
        "import it with `flask emg import`"
    )


def result_in(path: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a process wrote; one that wrote nothing took more than it may."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(too_much(job["memory"], job["seconds"])) from None
    return found
