"""One gunicorn for all tests that leave it as they found it, and clients of it or of a file's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.server.live import Client, Live, connecting, until


@pytest.fixture(scope="module")
def server(only_server: Live) -> Iterator[Live]:
    """The server as `make serve` runs it, the same for all files; its log begins anew with each.

    A test may kill its worker or reload it, but not stop it; what it opens it closes.
    """
    only_server.at_rest()
    yield only_server
    assert "Traceback" not in only_server.log, only_server.log


@pytest.fixture
def live(server: Live) -> Live:
    """The server that a file asks: this one, unless it has a fixture of that name."""
    return server


@pytest.fixture
def connect(live: Live) -> Iterator[Callable[..., Client]]:
    """Makes clients of `live`; after the test they are closed, and the server knows it."""
    with connecting(live.port) as connect:
        yield connect
    until(lambda: live.stats()["active_streams"] == 0)
