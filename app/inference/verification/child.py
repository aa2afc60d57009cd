"""The parent's side of `process.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from app.errors import ArtefactError
from app.inference.verification.process import too_much

MODULE = "app.inference.verification.process"
PROJECT = Path(__file__).resolve().parents[3]
PATIENCE_S = 300.0  # its own bound is on a processor's time; on a machine that is full that takes longer
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Proof:
    """How it is known that a model is what it says."""

    folder: Path  # where the model lies
    by: str  # "golden vectors" or "reference"
    windows: int
    difference: float | None  # from the golden vectors


def verified_apart(model: Path) -> Proof:
    """Try a model, a folder or a zip, in a process of its own; what a zip holds comes to lie beside it.

    It blocks for a second or more: it belongs on a native thread.

    Raises:
        OSError: the disk does not take what it unpacks.
        ArtefactError: it is not what it says, or takes too much; one line says what, and what would be right.
    """
    before = os.environ.get("PYTHONPATH")
    path = str(PROJECT) if not before else f"{PROJECT}{os.pathsep}{before}"
    try:
        ended = subprocess.run(
            [sys.executable, "-m", MODULE, str(model)],
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=PATIENCE_S,
            check=False,
        )
        said = json.loads(ended.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError):  # it was ended, or died of what it read
        raise ArtefactError(too_much()) from None
    if said.get("disk"):
        raise OSError(said["error"])
    if "error" in said:
        raise ArtefactError(said["error"])
    return Proof(**{**said, "folder": Path(said["folder"])})
