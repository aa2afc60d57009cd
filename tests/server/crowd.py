"""Many readers of streams on one thread; what they got is taken apart afterwards, so that reading costs little."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

from tests.server.live import LATE_S, request

Json = dict[str, Any]


class Crowd:
    """`count` connections with a stream each, of the same options but for `of`(number); whole after `close`."""

    def __init__(
        self, port: int, count: int, of: Callable[[int], Json] = lambda number: {}, **options: Any
    ) -> None:
        self._poll = select.epoll()
        self._bytes: dict[int, bytearray] = {}
        self._sockets: dict[int, socket.socket] = {}
        self.lost = 0  # connections that the server ended
        for number in range(count):
            self._connect(port, {**options, **of(number)})
        self._closed = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> list[list[Json]]:
        """End all streams; return the events of each, in their order."""
        self._closed = True
        self._thread.join(LATE_S)
        for one in self._sockets.values():
            one.close()
        self._poll.close()
        return [events(bytes(content)) for content in self._bytes.values()]

    def _connect(self, port: int, options: Json) -> None:
        one = socket.create_connection(("127.0.0.1", port), LATE_S)
        one.sendall(request("POST", "1.1", None, options))
        self._sockets[one.fileno()], self._bytes[one.fileno()] = one, bytearray()
        self._poll.register(one.fileno(), select.EPOLLIN)

    def _read(self) -> None:
        while not self._closed:
            for fd, _ in self._poll.poll(0.1):
                content = self._sockets[fd].recv(1 << 16)
                self._bytes[fd] += content
                if not content:
                    self._poll.unregister(fd)
                    self.lost += 1


def events(content: bytes) -> list[Json]:
    """The events of one answer, whose last chunk may be cut off."""
    head, _, rest = content.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    text = b"".join(_chunks(rest))
    blocks = text.split(b"\n\n")[:-1]
    return [json.loads(block[block.index(b"data: ") + 6 :]) for block in blocks if b"data: " in block]


def _chunks(content: bytes) -> list[bytes]:
    found, at = [], 0
    while True:
        end = content.find(b"\r\n", at)
        if end < 0:
            return found
        size = int(content[at:end], 16)
        if not size or end + 2 + size > len(content):
            return found
        found.append(content[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
