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


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_names_its_icon_and_its_console_stays_empty(browser: Any, server: Live, path: str) -> None:
    """A browser asks for /favicon.ico where a page names none: each look at /docs left a 404 in the console."""
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda line: said.append(line.text) if line.type in ("error", "warning") else None)
    page.goto(f"{server.url}{path}", wait_until="load")
    page.wait_for_timeout(
        500
    )  # for what the page's scripts ask for; the dashboard streams, and is never idle
    (icon,) = page.locator("link[rel=icon]").evaluate_all("links => links.map(link => link.href)")
    answer = page.request.get(icon)
    page.close()
    assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, "image/svg+xml")
    assert said == []


def test_an_inference_is_tried_out_with_what_the_page_fills_in_and_there_is_a_way_back(
    page: Any, server: Live
) -> None:
    """Execute sent an invented body and a query that contradicted it: 422."""
    page.goto(f"{server.url}/docs")
    operation = page.locator("#operations-inference-post_infer")
    operation.get_by_role("button", name="post /infer", exact=False).first.click()
    operation.get_by_role("button", name="Try it out").click()
    with page.expect_response("**/infer*") as answered:
        operation.get_by_role("button", name="Execute").click()
    assert (answered.value.status, answered.value.url) == (200, f"{server.url}/infer")
    page.get_by_role("link", name="Back to the dashboard").click()
    page.wait_for_url(f"{server.url}/")
