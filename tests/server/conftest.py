"""One gunicorn for the tests that only look at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.live import Live, gunicorn


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with gunicorn(tmp_path_factory.mktemp("shared")) as live:
        yield live
        assert "Traceback" not in live.log, live.log
