"""Boards whose SDK ends the process where the board is not there: a process of its own tries them first.

`python -m app.emg.brainflow.child_opening MODE BOARD NAME=VALUE ...` is that process.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from app.emg.brainflow.boards import Board
from app.emg.brainflow.sdk import LOADERS
from app.errors import SourceError

DANGEROUS = {("mindrove", 1)}  # by mode and board: MindRove's SyncBox
TRY_S = 30.0
ROOT = Path(__file__).resolve().parents[3]


def expect_survivable(mode: str, board: Board) -> None:
    """Open and release a dangerous board in a process of its own; of any other board nothing is tried.

    Raises:
        SourceError: that process did not come to its end.
    """
    if (mode, board.id) not in DANGEROUS:
        return
    given = [f"{name}={value}" for name, value in board.parameters.items()]
    command = [sys.executable, "-m", __name__, mode, str(board.id), *given]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=TRY_S, check=False)
    except subprocess.TimeoutExpired:
        raise SourceError(f"{board.name} does not begin within {TRY_S:g} s: is it connected?") from None
    if done.returncode < 0:
        raise SourceError(
            f"{board.name}: its SDK ends the process where the board is not there (signal {-done.returncode}), "
            "as it has just done to another: is the board connected?"
        )


def main(mode: str, board: str, *given: str) -> None:
    """Open and release the board. What its SDK says of it is left to the process that opens it in earnest."""
    sdk = LOADERS[mode]()
    parameters = sdk.parameters()
    for name, _, value in (one.partition("=") for one in given):
        setattr(parameters, name, type(getattr(parameters, name))(value))
    shim = sdk.api.BoardShim(int(board), parameters)
    try:
        shim.prepare_session()
        shim.release_session()
    except sdk.error:
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
