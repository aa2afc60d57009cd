"""A connection between two workers of a machine: whole messages over a Unix socket, written by a thread of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

VERSION = 1
_FRAME = struct.Struct("<IBBH")  # bytes after this head, version, kind, bytes of the JSON that comes first
FRAME = _FRAME.size
HELLO, OWNER, OVER, READY, HEAR, FORGET, EVENT, CALL, ANSWER = range(9)
MOST = 64 * 2**20  # bytes of one message; the largest body is that of EMG_MAX_BODY
MOST_WAITING = 8 * 2**20  # bytes that wait to be written; of events, more are dropped
PIECE = 256 * 1024
_PEER = struct.Struct("3i")  # pid, uid, gid
_warned: set[int] = set()  # versions


@dataclass(frozen=True, slots=True)
class Message:
    """What came: `fields` as the kind has them."""

    kind: int
    fields: dict[str, Any]
    payload: bytes


def encoded(kind: int, payload: bytes = b"", /, **fields: Any) -> bytes:
    """Return one message as bytes."""
    head = json.dumps(fields, separators=(",", ":")).encode()
    return _FRAME.pack(len(head) + len(payload), VERSION, kind, len(head)) + head + payload


def decoded(head: bytes, body: bytes) -> Message | None:
    """Return a message from its first FRAME bytes and the rest; None, and said once, of another version.

    Raises:
        ValueError: it is none.
    """
    size, version, kind, fields = _FRAME.unpack(head)
    if version != VERSION:
        expect_version(version)
        return None
    if size != len(body):
        raise ValueError("a message is cut")
    return Message(kind, json.loads(body[:fields]), body[fields:])


def is_ours(sock: socket.socket) -> bool:
    """Whether the other end runs as the same user: an abstract address has no permissions of its own."""
    peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return bool(_PEER.unpack(peer)[1] == os.getuid())


class Link:
    """One end of it. `send` never waits."""

    def __init__(self, sock: socket.socket, name: str) -> None:
        self._socket = sock
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._there, self.closed = threading.Event(), False
        self._lock = threading.Lock()
        threading.Thread(target=self._write, name=f"bus writer {name}", daemon=True).start()

    def send(self, message: bytes, *, droppable: bool = False) -> bool:
        """Have it written soon; False where that may not be: the other end is gone, or does not keep up."""
        with self._lock:
            if self.closed or (droppable and self._size > MOST_WAITING):
                return False
            self._waiting.append(message)
            self._size += len(message)
        self._there.set()
        return True

    def messages(self) -> Iterator[Message]:
        """Yield what comes, until the other end is gone. Of another version nothing is taken, and that is said once."""
        with contextlib.suppress(OSError, ValueError), self._socket.makefile("rb", PIECE) as file:
            while len(head := file.read(_FRAME.size)) == _FRAME.size:
                size = _FRAME.unpack(head)[0]
                if size > MOST:
                    log.error("a message of %d bytes of another worker is none of ours: it is cut off", size)
                    return
                body = file.read(size)
                if len(body) < size:
                    return
                message = decoded(head, body)
                if message is not None:
                    yield message

    def close(self) -> None:
        """Safe to call twice."""
        with self._lock:
            self.closed = True
        self._there.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _write(self) -> None:
        try:
            while not self.closed:
                self._there.wait()
                self._there.clear()
                while self._waiting and not self.closed:
                    with self._lock:
                        data = b"".join(self._waiting)
                        self._waiting.clear()
                    self._socket.sendall(data)
                    with self._lock:
                        self._size -= len(data)
        except OSError:
            pass
        finally:
            self.close()
            self._socket.close()


def expect_version(version: int) -> bool:
    """Whether it is ours; the log says once where it is not."""
    if version == VERSION:
        return True
    if version not in _warned:
        _warned.add(version)
        log.warning(
            "another worker speaks version %d of the bus, this one %d: what it says is dropped until both are the same",
            version,
            VERSION,
        )
    return False
