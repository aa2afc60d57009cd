"""The live sockets of a worker: all of them read by one thread, each told of by whoever has something to say.

A greenlet for each would be woken for each message, which costs more than the message does.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from functools import partial

from app import logs
from app.api.live.conversation import Conversation
from app.api.live.readable import Readable
from app.api.sse.client_socket import ClientSocket
from app.serving.streams.detached_streams import DetachedStream, DetachedStreams

log = logging.getLogger(__name__)

FEW = 8  # sockets that are read as soon as something comes
TOGETHER_S = 0.004  # of more, what comes within so long is read at once
PIECE = 64 * 1024  # bytes of one client at a time
TURN = 32  # clients before the other work of this process gets its turn
TEND_S = 0.05  # between two looks at acknowledgements that are due, and at clients that are slowed


class DetachedSocket:
    """A connection that was taken over from gunicorn. Fits `Connection`."""

    def __init__(self, wire: ClientSocket) -> None:
        self.wire = wire
        self._sockets: LiveSockets | None = None
        self.conversation: Conversation
        self.fd = -1  # -1: closed; nobody may write to a descriptor that is free for others
        self.read_again_at = 0.0

    def take_over(self, sockets: LiveSockets, conversation: Conversation) -> None:
        """Have the connection to ourselves, read by `sockets`."""
        self.wire.take_over()
        sock = self.wire.plain_socket
        assert sock is not None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fd = sock.fileno()
        self._sockets, self.conversation = sockets, conversation

    def push(self, data: bytes) -> int:
        """Write what the client takes now; how many bytes that are.

        Raises:
            OSError: it has gone.
        """
        if self.fd < 0:
            raise BrokenPipeError
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return 0

    def read(self) -> None:
        """Take some of what has come; the rest has its turn after the others."""
        try:
            data = os.read(self.fd, PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.conversation.receive(data)

    def pause(self, seconds: float) -> None:
        assert self._sockets is not None
        self._sockets.pause(self, seconds)

    def shut(self) -> None:
        if self.fd >= 0:
            with contextlib.suppress(OSError):
                assert self.wire.plain_socket is not None
                self.wire.plain_socket.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        fd, self.fd = self.fd, -1  # first: two threads may find out at once that the client has gone
        if fd >= 0:
            assert self._sockets is not None
            self._sockets.leave(self, fd)
            sock = self.wire.plain_socket
            assert sock is not None
            sock.close()


class LiveSockets:
    """Its threads begin with the first of them, and rest while there is none."""

    def __init__(self, streams: DetachedStreams, clock: Callable[[], float] = time.monotonic) -> None:
        self._streams, self._clock = streams, clock
        self._readable = Readable()
        self._open: dict[int, DetachedSocket] = {}
        self._owing: set[DetachedSocket] = set()  # an acknowledgement
        self._paused: set[DetachedSocket] = set()
        self._some = threading.Event()  # are open
        self._running = False

    def __len__(self) -> int:
        return len(self._open)

    def keep(self, conversation: Conversation, connection: DetachedSocket, came: bytes) -> None:
        """Read that connection from now on; `came` is what has been read of it already."""
        conversation.connection = connection
        try:
            connection.take_over(self, conversation)
        except BaseException:
            conversation.close()
            raise
        self._open[connection.fd] = connection
        self._some.set()
        bound = logs.bound()

        def over() -> None:
            logs.bind(**bound)  # the thread that looks knows of no request
            try:
                conversation.close()
            finally:
                connection.abort()
                logs.bind()

        detached = DetachedStream(conversation.looks(), over)
        conversation.hurry = partial(self._streams.hurry, detached)
        conversation.start()
        if came:
            conversation.receive(came)
        if conversation.owes_ack:
            self._owing.add(connection)
        self._readable_again(connection)
        self._streams.keep(detached)
        if not self._running:
            self._running = True
            threading.Thread(target=self._read, name="live sockets", daemon=True).start()
            threading.Thread(target=self._tend, name="live acknowledgements", daemon=True).start()

    def leave(self, connection: DetachedSocket, fd: int) -> None:
        """Read that connection no more, which had this descriptor."""
        self._readable.leave(fd)
        self._open.pop(fd, None)
        self._owing.discard(connection)
        self._paused.discard(connection)
        if not self._open:
            self._some.clear()

    def pause(self, connection: DetachedSocket, seconds: float) -> None:
        """Do not read it for so long; 0: go on."""
        if seconds > 0:
            connection.read_again_at = self._clock() + seconds
            self._paused.add(connection)
            self._readable.leave(connection.fd)
        elif connection in self._paused:
            self._go_on(connection)

    def _go_on(self, connection: DetachedSocket) -> None:
        self._paused.discard(connection)
        connection.conversation.go_on()
        self._readable_again(connection)
        if connection.conversation.owes_ack:
            self._owing.add(connection)

    def _readable_again(self, connection: DetachedSocket) -> None:
        if connection.fd >= 0 and connection not in self._paused:
            self._readable.watch(connection.fd)

    def _read(self) -> None:
        while self._some.wait():
            ready = self._readable.wait(1.0)
            for turn, fd in enumerate(ready, 1):
                connection = self._open.get(fd)
                if connection is None or connection in self._paused:
                    continue
                self._tried(connection.read)
                if connection.conversation.owes_ack:
                    self._owing.add(connection)
                if turn % TURN == 0:
                    time.sleep(0)
            # also of few: one that sends without a pause would leave nobody else a turn
            time.sleep(TOGETHER_S if len(self._open) > FEW else 0)

    def _tend(self) -> None:
        while self._some.wait():
            time.sleep(TEND_S)
            now = self._clock()
            for connection in [one for one in self._paused if one.read_again_at <= now]:
                self._tried(partial(self._go_on, connection))
            for connection in list(self._owing):
                self._owing.discard(connection)
                self._tried(connection.conversation.acknowledge_due)
                if connection.conversation.owes_ack and connection.fd >= 0:
                    self._owing.add(connection)

    def _tried(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception:
            log.exception("a live socket failed")
