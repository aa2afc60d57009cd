"""Nodes with a Redis of the test's own between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.serving.bus.buses import RedisNodes, redis_nodes


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[RedisNodes]:
    with redis_nodes(tmp_path) as made:
        yield made


@pytest.fixture
def operator(nodes: RedisNodes) -> Iterator[Any]:
    """A connection of the test's own."""
    with redis.Redis.from_url(nodes.url) as client:
        yield client
