"""A live socket whose server does what the test wants: another library's WebSocket, and a reading of its own."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest

pytest.importorskip("websockets", reason="websockets of requirements-dev.txt is not installed")

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

Json = dict[str, Any]
CHANNELS = 2


class LiveShelf:
    """One source, through all its connections."""

    def __init__(self) -> None:
        self.next_sample: int | None = None
        self.taken: dict[int, list[float]] = {}  # by sample
        self.messages: list[bytes] = []
        self.queries: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.refusals: list[tuple[int, Json]] = []  # before the upgrade: status and problem
        self.endings: list[tuple[int, int, str]] = []  # after so many messages: a code (0: cut) and why
        self.says: list[Json | bytes] = []  # after the next message
        self.refuses: dict[int, Json] = {}  # in the place of the acknowledgement of so many-th message
        self.held = False  # acknowledges nothing
        self.connections = 0
        self.open: list[ServerConnection] = []

    def cut(self) -> None:
        """Cut the newest connection."""
        with suppress(OSError):
            self.open[-1].socket.shutdown(socket.SHUT_RDWR)

    def refused(self, connection: ServerConnection, request: Any) -> Any:
        if not self.refusals:
            return None
        status, problem = self.refusals.pop(0)
        answer = connection.respond(status, json.dumps({"status": status, **problem}))
        del answer.headers["Content-Type"]
        answer.headers["Content-Type"] = "application/problem+json"
        return answer

    def __call__(self, connection: ServerConnection) -> None:
        self.connections += 1
        self.open.append(connection)
        assert connection.request is not None
        self.headers.append({name.lower(): value for name, value in connection.request.headers.raw_items()})
        query = dict(parse_qsl(urlsplit(connection.request.path).query))
        self.queries.append(query)
        ends, code, why = self.endings.pop(0) if self.endings else (1 << 60, 0, "")
        with suppress(ConnectionClosed):
            connection.send(json.dumps({"type": "live", "source": "arm", "next_sample": self.next_sample}))
            for count in range(1 << 60):
                if count == ends:
                    if code:
                        connection.close(code, why)
                    else:
                        self.cut()
                    return
                message = connection.recv()
                assert isinstance(message, bytes)
                self.messages.append(message)
                if count + 1 in self.refuses:
                    connection.send(json.dumps(self.refuses.pop(count + 1)))
                    continue
                ack = self.took(message, int(query.get("channels", CHANNELS)))
                while self.says:
                    said = self.says.pop(0)
                    connection.send(said if isinstance(said, bytes) else json.dumps(said))
                if not self.held:
                    connection.send(json.dumps(ack))

    def took(self, message: bytes, channels: int) -> Json:
        """Take the float32 samples of a message, and return the acknowledgement."""
        version, form, _, zero, count, first = struct.unpack_from("<BBBBIQ", message)
        assert (version, form, zero) == (1, 1, 0)
        values = np.frombuffer(message[16:], "<f4").reshape(count, channels)
        start = first if self.next_sample is None else self.next_sample
        fresh = max(0, min(count, first + count - start))
        lost = max(0, first - start)
        for place in range(count - fresh, count):
            self.taken[first + place] = values[place].tolist()
        self.next_sample = max(start, first + count)
        return {
            "type": "ack",
            "next_sample": self.next_sample,
            "received": fresh,
            "duplicates": count - fresh,
            "lost": lost,
        }


@contextmanager
def live_server(shelf: LiveShelf, tls: Any = None, port: int = 0) -> Iterator[str]:
    """The URL of its server, for as long as the block runs."""
    with serve(
        shelf, "127.0.0.1", port, ssl=tls, process_request=shelf.refused, compression=None, close_timeout=1
    ) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            for connection in shelf.open:
                with suppress(OSError):
                    connection.socket.shutdown(socket.SHUT_RDWR)
            server.shutdown()
            thread.join()
