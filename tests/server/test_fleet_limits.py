"""Two servers that share a Redis: what one key may do is counted over both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import own_redis
from tests.server.live import Client, Live, gunicorn, until

pytestmark = pytest.mark.server


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Live, Live]]:
    path = tmp_path / "redis.sock"
    shared = {"EMG_REDIS_URL": f"unix://{path}", "EMG_MAX_STREAMS_PER_KEY": "2"}
    with (
        own_redis.running(path),
        gunicorn(tmp_path, **shared) as one,
        gunicorn(tmp_path, **shared) as two,
    ):
        yield one, two


def test_streams_of_one_address_are_counted_at_both(servers: tuple[Live, Live]) -> None:
    one, two = servers
    clients = [Client(one.port, fps=10), Client(two.port, fps=10)]
    for client in clients:
        client.frames(1)
    for server in servers:
        refused = Client(server.port, fps=10)
        assert refused.status == 429
        assert b"EMG_MAX_STREAMS_PER_KEY" in refused.body()
        refused.close()
        assert server.stats()["active_streams"] == 1
    clients[0].close()
    until(lambda: one.stats()["active_streams"] == 0)
    again = Client(two.port, fps=10)
    assert again.status == 200
    again.frames(1)
    clients[1].close()
    again.close()
    assert one.stop() == two.stop() == 0
    assert "Traceback" not in one.log + two.log
