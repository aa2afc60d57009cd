"""What the tests of the examples share: a server to look at, and a browser."""

from tests.browser.conftest import browser, page
from tests.server.conftest import server

__all__ = ["browser", "page", "server"]
