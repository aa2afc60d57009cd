"""Samples by WebSocket: one connection, on which nobody waits for an answer to each chunk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from .errors import ClientError
from .live.messages import AuxBlock, Samples, messages_of
from .live.sender import LiveSender
from .receipt import Receipt
from .server_http import Caller, Server
from .transport import WEBSOCKET

FLUSH_S = 2.0  # for what is on its way when a source is closed


class SocketPush:
    """One source over its live socket. Not for several threads at once."""

    transport = WEBSOCKET

    def __init__(
        self,
        server: Server,
        name: str,
        declaration: Mapping[str, Any],
        scale: float,
        give_up_s: float,
        sleep: Callable[[float], None],
    ) -> None:
        self._server, self._path = server, f"/emg/sources/{quote(name, safe='')}"
        wanted = {"send": "none", **({} if scale == 1.0 else {"scale": scale})}
        self._sender = LiveSender(server, name, declaration, wanted, give_up_s=give_up_s, sleep=sleep)

    def declare(self) -> int:
        """Return the sample that the server waits for."""
        return self._sender.begin()

    def send(self, first_sample: int, samples: Samples, form: int, aux: Sequence[AuxBlock]) -> None:
        """Send one chunk.

        Raises:
            ClientError: the server said no, or was away for too long.
        """
        for first, message in messages_of(first_sample, samples, form, aux):
            self._sender.send(first, message)

    def send_all(self, messages: Iterator[tuple[int, bytes]], next_sample: int) -> Receipt:  # noqa: ARG002  the way by HTTP needs it
        """Send messages, each with the index after its last sample, and wait until all of them are taken.

        Raises:
            ClientError: the server said no, or was away for too long.
        """
        for end, message in messages:
            self._sender.send(end, message)
        self._sender.flush()
        return self._sender.receipt()

    def flush(self) -> None:
        """Wait until all of it is taken, or given up."""
        self._sender.flush()

    def receipt(self) -> Receipt:
        """Return what has been done since the one before."""
        return self._sender.receipt()

    def withdraw(self) -> None:
        """Have the server take what is on its way, and forget the source."""
        with contextlib.suppress(ClientError):
            self._sender.flush(FLUSH_S)
        self._sender.close()
        with contextlib.closing(Caller(self._server, timeout_s=10.0)) as caller:
            caller.call("DELETE", self._path)

    def close(self) -> None:
        self._sender.close()
