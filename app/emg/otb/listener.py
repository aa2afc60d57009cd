"""Where probes dial in: one TCP socket that listens."""

from __future__ import annotations

import ipaddress
import logging
import select
import socket

from app.errors import SourceError

log = logging.getLogger(__name__)

Dialled = tuple[socket.socket, str]  # a connection, and the address that it comes from


class Listener:
    """Listens once it is opened; one probe streams at a time, and any other is turned away."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port
        self._socket: socket.socket | None = None
        self.turned_away = 0

    @property
    def port(self) -> int:
        """The port, once it is open."""
        return self._port if self._socket is None else int(self._socket.getsockname()[1])

    @property
    def where(self) -> str:
        """Where it listens, and who reaches that, for a line about a probe that does not come."""
        place = f"at {self._address}:{self.port}"
        if ipaddress.ip_address(self._address).is_loopback:
            return f"{place}, which only this machine reaches: a probe on Wi-Fi needs EMG_OTB_BIND=0.0.0.0"
        return f"{place}: is it on, and does its Wi-Fi reach this machine?"

    def open(self) -> None:
        """Begin to listen.

        Raises:
            SourceError: that is not possible there.
        """
        if self._socket is not None:
            return
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((self._address, self._port))
            made.listen(4)
        except OSError as error:
            made.close()
            raise SourceError(
                f"probes cannot dial in at {self._address}:{self._port}: {error.strerror}; "
                "EMG_OTB_BIND names another address, and the program that has this one should end"
            ) from None
        made.setblocking(False)
        self._socket = made

    def accept(self, timeout_s: float) -> Dialled | None:
        """Return who dials in within that time."""
        assert self._socket is not None
        poll = select.poll()  # select() takes no descriptor above 1023, and a server has many
        poll.register(self._socket.fileno(), select.POLLIN)
        if not poll.poll(timeout_s * 1e3):
            return None
        try:
            connection, address = self._socket.accept()
        except OSError:  # it hung up before we came
            return None
        return connection, f"{address[0]}:{address[1]}"

    def turn_away(self, connection: socket.socket, address: str, streaming: str) -> None:
        """Hang up on a second probe, and say so."""
        connection.close()
        self.turned_away += 1
        log.warning("a probe at %s was turned away: the one at %s is streaming", address, streaming)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
