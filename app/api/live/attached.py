"""A live socket whose connection stays with its request: under TLS, and where windows are predicted one by one."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time

from app.api.live.conversation import Conversation
from app.serving.streams.detached_streams import DetachedStream, DetachedStreams

PIECE = 64 * 1024  # bytes of the client at a time
PATIENCE_S = 15.0  # of a read or a write: longer than the conversation itself waits for a word of the client
DRAIN_S = 0.02


class AttachedSocket:
    """Reads on the thread that calls `talk`, and writes on another: neither waits for the other. Fits `Connection`."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._outgoing = b""
        self._there = threading.Event()  # something is to be written, or the end has come
        self._ended = self._shut = False
        self._paused_until = 0.0
        self.conversation: Conversation

    def push(self, data: bytes) -> int:
        """Take it all where nothing is being written, else nothing.

        Raises:
            OSError: the client has gone.
        """
        if self._ended:
            raise BrokenPipeError
        if self._outgoing:
            return 0
        self._outgoing = data
        self._there.set()
        return len(data)

    def pause(self, seconds: float) -> None:
        self._paused_until = time.monotonic() + seconds

    def shut(self) -> None:
        self._shut = True
        self._there.set()

    def abort(self) -> None:
        self._ended = True
        self._there.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # whoever reads of it reads its end

    def talk(self, conversation: Conversation, came: bytes, streams: DetachedStreams) -> None:
        """Hold the conversation to its end."""
        self.conversation = conversation
        conversation.connection = self
        self._socket.settimeout(PATIENCE_S)
        writing = threading.Thread(target=self._write, name="live writer", daemon=True)
        writing.start()
        detached = DetachedStream(conversation.looks(), conversation.close)
        conversation.hurry = lambda: streams.hurry(detached)
        streams.keep(detached)
        try:
            conversation.start()
            if came:
                conversation.receive(came)
            while not conversation.over:
                self._rest()
                conversation.receive(self._read())
                time.sleep(0)  # one that sends without a pause would leave nobody else a turn
        finally:
            conversation.over = True
            self._ended = True
            self._there.set()
            writing.join()

    def _rest(self) -> None:
        """Wait while the client is not to be read."""
        while not self.conversation.over:
            if (wait_s := self._paused_until - time.monotonic()) > 0:
                time.sleep(min(wait_s, DRAIN_S))
                continue
            self.conversation.go_on()  # the pause may have ended before it was looked at
            if self._paused_until <= time.monotonic():
                break
        while not self.conversation.writer.flush() and not self.conversation.over:
            time.sleep(DRAIN_S)  # of answers to windows the next waits until the client has taken the last

    def _read(self) -> bytes:
        try:
            return self._socket.recv(PIECE)
        # a time-out too: nothing was heard for longer than a client may be silent; TLS that was ended is a ValueError
        except (OSError, ValueError):
            return b""

    def _write(self) -> None:
        while True:
            self._there.wait()
            self._there.clear()
            data = self._outgoing
            try:
                if data:
                    self._socket.sendall(data)
                    self._outgoing = b""
                    self.conversation.writer.flush()
                elif self._shut:
                    self._half_close()
                    return
            except (OSError, ValueError):
                self._ended = True
                self.conversation.over = True
                return
            if self._ended:
                return

    def _half_close(self) -> None:
        """End what goes out. TLS has no half an end: there the client's close is awaited."""
        if not isinstance(self._socket, ssl.SSLSocket):
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
