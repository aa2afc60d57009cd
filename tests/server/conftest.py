"""One gunicorn for all tests that leave it as they found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.live import Live


@pytest.fixture(scope="module")
def server(only_server: Live) -> Iterator[Live]:
    """The server as `make serve` runs it, the same for all files; its log begins anew with each.

    A test may kill its worker or reload it, but not stop it; what it opens it closes.
    """
    only_server.at_rest()
    yield only_server
    assert "Traceback" not in only_server.log, only_server.log
