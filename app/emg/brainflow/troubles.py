"""What BrainFlow complains of, in one line with a cure."""

from __future__ import annotations

CURES = {  # by BrainFlow's exit code; MindRove's are the same
    1: "the port is in use: close the other program",
    2: "the port cannot be opened: is EMG_PORT right, and may you use it (group dialout)?",
    3: "the port does not answer as a serial port does",
    7: "the board does not answer: is it switched on and charged, and are the libraries for it here (libusb-1.0)?",
    13: "the board needs more to be found: name its serial port in EMG_PORT, or what it needs in EMG_BOARD_PARAMS",
    14: "this build of BrainFlow cannot open that board",
    16: "another board is open in this process",
    17: "it cannot be reached: is EMG_BOARD_PARAMS right, and are the libraries for it here (libbluetooth3)?",
}


def told(board: str, sdk: str, error: Exception) -> str:
    """Return what is wrong with `board` by an error of its SDK, which has an exit code."""
    reason = str(error).partition(":")[0]
    cure = CURES.get(int(getattr(error, "exit_code", 0)))
    return f"{board}: {cure} ({reason})" if cure else f"{board}: {sdk} says {reason}"
