"""What a board needs to be found, by experience with BrainFlow 5.23, which does not say what is missing."""

from __future__ import annotations

from collections.abc import Mapping

SYNTHETIC, STREAMING, PLAYBACK = -1, -2, -3

# By the beginning of the board's name in BoardIds; the first that fits counts.
_NEEDS = (
    ("CYTON_WIFI", ("ip_port",)),
    ("CYTON_DAISY_WIFI", ("ip_port",)),
    ("GANGLION_WIFI", ("ip_port",)),
    ("NTL_WIFI", ("ip_port",)),
    ("GANGLION_NATIVE", ()),
    ("CYTON", ("serial_port",)),
    ("GANGLION", ("serial_port",)),  # that of its dongle
    ("FREEEEG", ("serial_port",)),
    ("IRONBCI", ("serial_port",)),
    ("GALEA", ("ip_address",)),
    ("BIOLISTENER", ("ip_address", "ip_port")),  # of this machine: it listens there
    ("PLAYBACK_FILE", ("master_board", "file")),
    ("STREAMING", ("master_board", "ip_address", "ip_port")),
)
EXAMPLES = {
    "serial_port": "EMG_PORT=/dev/ttyUSB0",
    "ip_port": "ip_port=6677",
    "ip_address": "ip_address=192.168.4.1",
    "master_board": "master_board=cyton",
    "file": "file=recorded.csv",
}


def needs(name: str) -> tuple[str, ...]:
    """Return the parameters without which the board `name`, such as CYTON_BOARD, cannot be opened."""
    return next((parameters for beginning, parameters in _NEEDS if name.startswith(beginning)), ())


def missing(name: str, parameters: Mapping[str, object]) -> tuple[str, ...]:
    """Return those that are needed and not given."""
    return tuple(parameter for parameter in needs(name) if parameter not in parameters)


def settings_for(names: tuple[str, ...]) -> str:
    """Return the settings that would give these parameters, with examples for values."""
    port = [EXAMPLES[name] for name in names if name == "serial_port"]
    others = ",".join(EXAMPLES[name] for name in names if name != "serial_port")
    return " ".join([*port, *([f"EMG_BOARD_PARAMS='{others}'"] if others else [])])
