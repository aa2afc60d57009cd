"""One Chromium, and one gunicorn, for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import chromium
from tests.server.conftest import server

__all__ = ["server"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page whose scripts are the test's own: its policy does not count."""
    page = browser.new_page(bypass_csp=True)
    yield page
    page.close()
