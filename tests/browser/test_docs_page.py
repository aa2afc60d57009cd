"""The page about the API, under a policy that lets no script run but its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.live import Live

pytestmark = [pytest.mark.browser, pytest.mark.server]


def test_the_documentation_starts_by_the_one_script_that_its_policy_names(browser: Any, server: Live) -> None:
    page = browser.new_page()  # unlike the fixture of that name under the page's own policy
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security" in said.text else None)
    policy = page.goto(f"{server.url}/docs").headers["content-security-policy"]
    page.locator(".opblock").first.wait_for()
    assert page.locator(".opblock").count() > 10
    page.close()
    assert refused == []
    assert "unsafe" not in policy
    assert "script-src 'self' 'sha256-" in policy
