"""A proxy that does to connections what networks do: cut them, swallow what they carry, refuse new ones."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType


class CuttingProxy:
    """Passes bytes on to `target_port`, until it is told otherwise."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.refuses = False  # closes new connections at once, as a host without a server does
        self.silent = False  # reads on, and passes nothing to the client any more
        self.connections = 0
        self.cut_after: int | None = None  # bytes that the next connection's client gets
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Cut every connection there is."""
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open = []

    def __enter__(self) -> CuttingProxy:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                if self.refuses:
                    client.close()
                    continue
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target_port))
        except OSError:
            client.close()
            return
        self._open += [client, server]
        left, self.cut_after = self.cut_after, None
        back = threading.Thread(target=self._pass, args=(server, client, left, True), daemon=True)
        back.start()
        self._pass(client, server, None, False)
        back.join()
        client.close()
        server.close()

    def _pass(self, source: socket.socket, sink: socket.socket, left: int | None, to_client: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if to_client and self.silent:
                    continue
                sink.sendall(data if left is None else data[:left])
                if left is not None:
                    left -= len(data)
                    if left <= 0:
                        break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
