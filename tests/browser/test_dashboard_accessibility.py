"""axe-core finds nothing to complain about, in any theme and size, quiet or in trouble."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.dashboards import DESKTOP, MARKS, PHONE, Dashboard
from tests.server.live import Live, gunicorn

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")

pytestmark = MARKS
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with gunicorn(tmp_path_factory.mktemp("axe"), EMG_FAULTS="flat@4000:ch3") as live:
        yield live


def violations(dashboard: Dashboard) -> list[str]:
    found = axe.Axe().run(dashboard.page, options=RULES).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:120]}: {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_live_it_has_no_violations(browser: Any, server: Live, scheme: str, viewport: dict[str, int]) -> None:
    dashboard = Dashboard(browser, server.url, color_scheme=scheme, viewport=viewport)
    dashboard.open().live().until("dashboard.scores.labelled > 60")
    dashboard.reads("#lane-names", "flat")
    assert violations(dashboard) == []
    dashboard.settings().page.get_by_role("button", name="2", exact=True).click()  # alone
    assert violations(dashboard) == []
    dashboard.page.keyboard.press("w")
    assert violations(dashboard) == []
    dashboard.page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_trouble_it_has_no_violations(browser: Any, server: Live, scheme: str) -> None:
    dashboard = Dashboard(browser, server.url, color_scheme=scheme)
    dashboard.open()
    dashboard.option("Frames a second", "9999")
    dashboard.reads("#status-text", "Refused")
    assert violations(dashboard) == []
    dashboard.page.get_by_role("button", name="API key").click()
    assert violations(dashboard) == []
    dashboard.page.get_by_role("button", name="Cancel").click()
    about = {"about": "", "there": True, "channels": 8, "sampling_rate_hz": 200.0}
    settings, needs = {"EMG_MODE": "lsl"}, "EMG_LSL='name=armband'"
    found = {"kind": "lsl", "name": "armband", **about, "settings": settings, "needs": needs}
    answer = {"json": {"devices": [found], "current": found["settings"]}}
    dashboard.page.route("**/emg/devices", lambda route: route.fulfill(**answer))
    dashboard.page.get_by_role("button", name="Source", exact=True).click()
    dashboard.page.get_by_role("button", name="armband").click()
    assert dashboard.page.get_by_label("EMG_LSL").is_visible()
    assert violations(dashboard) == []
    dashboard.page.context.close()
