"""A live source by WebSocket."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..errors import ClientError
from ..events import Interrupted
from ..push_socket import FLUSH_S
from ..receipt import Receipt
from ..server_http import Caller, Server
from ..transport import WEBSOCKET
from .messages import AuxBlock, Samples, messages_of
from .sender import LiveSender


class SocketLive:
    """Both directions of one source on its socket."""

    transport = WEBSOCKET

    def __init__(
        self,
        server: Server,
        name: str,
        declaration: Mapping[str, Any],
        options: Mapping[str, Any],
        wanted: Sequence[str],
        form: str,
        scale: float,
        give_up_s: float,
    ) -> None:
        self._server, self._path = server, f"/emg/sources/{quote(name, safe='')}"
        asked = {**options, "send": ",".join(wanted) or "none"}
        if form != "json":
            asked["format"] = form
        if scale != 1.0:
            asked["scale"] = scale
        self._sender = LiveSender(server, name, declaration, asked, give_up_s=give_up_s, waits=False)

    def begin(self) -> int:
        return self._sender.begin()

    def send(self, first_sample: int, samples: Samples, form: int, aux: Sequence[AuxBlock]) -> None:
        for end, message in messages_of(first_sample, samples, form, aux):
            self._sender.send(end, message)

    def flush(self) -> None:
        self._sender.flush()

    def take(self, timeout_s: float | None) -> bool:
        return self._sender.take(timeout_s)

    def said(self) -> Mapping[str, Any] | bytes | Interrupted | None:
        return self._sender.said()

    def receipt(self) -> Receipt:
        return self._sender.receipt()

    def close(self) -> None:
        with contextlib.suppress(ClientError):
            self._sender.flush(FLUSH_S)
        self._sender.close()
        with contextlib.closing(Caller(self._server, timeout_s=10.0)) as caller:
            caller.call("DELETE", self._path)
