"""Datagrams to one address."""

from __future__ import annotations

import socket
from typing import Any

from app.errors import ConfigError

MOST = 1400  # bytes: what a network carries in one piece


class Datagrams:
    """Sends datagrams by UDP. Who is not there is not noticed; a network that takes none is.

    Raises:
        ConfigError: the host has no address. `setting` is named in it.
    """

    def __init__(self, setting: str, host: str, port: int) -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)  # once: a look-up may take seconds
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "no name of a host"
            raise ConfigError(f"{setting}={host}:{port}: the host was not found ({why})") from None
        family, _, _, _, address = found[0]
        self._address: tuple[Any, ...] = address
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.settimeout(0.2)  # where the network is slower than we

    def send(self, content: bytes) -> None:
        """Send one.

        Raises:
            OSError: the network does not take it.
        """
        self._socket.sendto(content, self._address)

    def close(self) -> None:
        """Safe to call twice."""
        self._socket.close()
