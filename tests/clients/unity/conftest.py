"""The compiled client, once for all tests of the folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.unity.built import Ask, answering, build
from tests.server.conftest import server

__all__ = ["server"]


@pytest.fixture(scope="package")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("unity"))


@pytest.fixture(scope="module")
def ask(program: Path) -> Iterator[Ask]:
    with answering(program) as ask:
        yield ask
