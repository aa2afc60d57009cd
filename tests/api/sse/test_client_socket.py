"""The socket under a response."""

from __future__ import annotations

import fcntl
import resource
import socket
from collections.abc import Iterator

import pytest

from app.api.sse.client_socket import ClientSocket

BEYOND = 1100  # select() takes no descriptor above 1023


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's end of a connection, with a descriptor as high as a crowd makes it, and the client's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard <= BEYOND:
        pytest.skip(f"this process may have {hard} descriptors only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, BEYOND + 100), hard))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    high = socket.socket(fileno=fcntl.fcntl(accepted.fileno(), fcntl.F_DUPFD, BEYOND))
    accepted.close()
    yield high, client
    high.close()
    client.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def fills(server: socket.socket) -> bool:
    try:
        return server.send(bytes(65_536)) > 0
    except BlockingIOError:
        return False


def test_a_client_that_has_taken_all_takes_more(ends: tuple[socket.socket, socket.socket]) -> None:
    server, _ = ends
    assert server.fileno() >= BEYOND
    assert ClientSocket({"gunicorn.socket": server}).takes_more(0.0)


def test_one_that_reads_nothing_does_not_however_many_are_connected(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    server, _ = ends
    server.setblocking(False)
    while fills(server):
        pass
    assert not ClientSocket({"gunicorn.socket": server}).takes_more(0.01)
