"""The parent's side of `process.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.errors import ArtefactError, NotReadyError
from app.inference.verification.process import too_much

MODULE = "app.inference.verification.process"
PROJECT = Path(__file__).resolve().parents[3]
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Proof:
    """How it is known that a model is what it says."""

    folder: Path  # where the model lies
    by: str  # "golden vectors" or "reference"
    windows: int
    difference: float | None  # from the golden vectors


class Trial:
    """Tries one model at a time, in a process of its own for each, that can be ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False

    def run(self, model: Path) -> Proof:
        """Try a model, a folder or a zip; what a zip holds comes to lie beside it.

        It blocks for a second or more: it belongs on a native thread.

        Raises:
            OSError: the disk does not take what it unpacks.
            ArtefactError: it is not what it says, or takes too much; one line says what, and what would be right.
            NotReadyError: `end` was called.
        """
        told = b"" if self._ended else self._told(model)
        if self._ended:
            raise NotReadyError("the server is shutting down")
        try:
            said = json.loads(told.splitlines()[-1])
        except (IndexError, ValueError):  # it was ended, or died of what it read
            raise ArtefactError(too_much()) from None
        if said.get("disk"):
            raise OSError(said["error"])
        if "error" in said:
            raise ArtefactError(said["error"])
        return Proof(**{**said, "folder": Path(said["folder"])})

    def end(self) -> None:
        """End what runs, and run nothing more; from any thread."""
        self._ended = True
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()

    def _told(self, model: Path) -> bytes:
        """Return what the process wrote.

        No timeout here: it would wait with a selector, and gevent's own spoils every later wait of a native thread.
        """
        before = os.environ.get("PYTHONPATH")
        path = str(PROJECT) if not before else f"{PROJECT}{os.pathsep}{before}"
        with subprocess.Popen(
            [sys.executable, "-m", MODULE, str(model)],
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            bufsize=0,
        ) as self._process:
            assert self._process.stdout is not None
            if self._ended:
                self._process.kill()
            told = self._process.stdout.read()
        self._process = None
        return told or b""


def verified_apart(model: Path) -> Proof:
    """Return what `Trial.run` does, of a trial that nobody ends.

    Raises:
        OSError, ArtefactError: as there.
    """
    return Trial().run(model)
