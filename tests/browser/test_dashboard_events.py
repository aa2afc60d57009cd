"""Gestures as events on the dashboard: where they are asked for, the running one is said in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.dashboards import MARKS, Dashboard
from tests.server.live import Live

pytestmark = MARKS


@pytest.fixture
def dashboard(browser: Any, server: Live) -> Iterator[Dashboard]:
    dashboard = Dashboard(browser, server.url)
    yield dashboard
    dashboard.page.context.close()


def test_a_gesture_is_said_to_begin_to_be_held_and_to_end(dashboard: Dashboard) -> None:
    dashboard.alone().open().live()
    page = dashboard.settings().page
    assert not page.locator("#event").is_visible()
    page.check("#option-events")
    dashboard.until("document.getElementById('event').textContent.includes('held')")
    assert page.locator("#event").is_visible()
    assert "% strong" in dashboard.text("#event")
    dashboard.until("document.getElementById('event').textContent.includes('ended after')")
    dashboard.until("dashboard.frame && dashboard.frame.frame > 30")
    page.uncheck("#option-events")
    page.locator("#event").wait_for(state="hidden")
    assert dashboard.complaints == []
