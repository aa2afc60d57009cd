"""The line of text that LibEMG's controllers, and what is built on them, read over UDP.

LibEMG's `OnlineEMGClassifier`, with `output_format="predictions"` and velocity control, sends the class and the
velocity (0..1 in two decimals) with a blank between and a line feed after them, to 127.0.0.1:12346 by default:
https://github.com/LibEMG/libemg/blob/0b9d0cb44945a708ac0ab7416c0f3c47902ab69f/libemg/emg_predictor.py
Its `ClassifierController` splits at the blank and takes the first word as the class, the second as the velocity:
https://github.com/LibEMG/libemg/blob/22cdcf11a51daf15c630f9f09ed01a2f1c2b1074/libemg/environments/controllers.py
Its `RegressorController` takes every number but the last, a timestamp, as the value of a degree of freedom.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Sequence
from typing import Any

from app.errors import ConfigError

log = logging.getLogger(__name__)


def change_line(rest: int, model: str, classes: Sequence[str]) -> bytes:
    """Return what says that another model decides: its rest, and behind that, for those who look, what it is.

    Such as `0 0.00 {"model": "anna", "classes": ["rest", "fist"]}`. Who splits at blanks takes it for rest.
    """
    return b"%d 0.00 %b\n" % (rest, json.dumps({"model": model, "classes": list(classes)}).encode())


def line(decision: int, intensity: float) -> bytes:
    """Return the class's number and the contraction level, such as `3 0.71`."""
    return b"%d %.2f\n" % (decision, min(max(intensity, 0.0), 1.0))


def value_line(values: Sequence[float], timestamp: float) -> bytes:
    """Return the values and the time (Unix s), such as `0.71 -12.5 1764000000.123`."""
    return b"%b %.3f\n" % (" ".join(f"{value:.7g}" for value in values).encode(), timestamp)


class UdpLine:
    """Sends lines to one address. A receiver that is not there, or a network that is down, is no trouble.

    Raises:
        ConfigError: the host has no address.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)  # once: a look-up may take seconds
        except OSError as error:
            raise ConfigError(f"EMG_UDP={host}:{port}: the host was not found ({error.strerror})") from None
        family, _, _, _, address = found[0]
        self._address: tuple[Any, ...] = address
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._complained = False

    def send(self, decision: int, intensity: float) -> None:
        self._send(line(decision, intensity))

    def send_values(self, values: Sequence[float], timestamp: float) -> None:
        self._send(value_line(values, timestamp))

    def change(self, rest: int, model: str, classes: Sequence[str]) -> None:
        self._send(change_line(rest, model, classes))

    def _send(self, text: bytes) -> None:
        try:
            self._socket.sendto(text, self._address)
        except OSError as error:  # also a full buffer: the next line is newer anyway
            if not self._complained:
                self._complained = True
                log.warning("EMG_UDP: a line could not be sent (%s); this is said once", error)

    def close(self) -> None:
        """Safe to call twice."""
        self._socket.close()
