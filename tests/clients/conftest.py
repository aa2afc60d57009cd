"""What the tests of the clients share: a server to look at, and clients that are closed in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from myostream_client import StreamingInferenceClient
from tests.browser.conftest import browser, page
from tests.server.conftest import server

__all__ = ["browser", "page", "server"]

ClientOf = Callable[..., StreamingInferenceClient]


@pytest.fixture
def client_of() -> Iterator[ClientOf]:
    """Makes clients."""
    with ExitStack() as opened:

        def make(url: str, **more: Any) -> StreamingInferenceClient:
            return opened.enter_context(StreamingInferenceClient(url, **more))

        yield make
