"""Learn, compare, use: beside each recording of the dashboard's list, what was learned from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.browser.dashboards import DESKTOP, MARKS, PHONE, Dashboard
from tests.browser.test_dashboard_accessibility import violations
from tests.server.live import Live, until
from tests.server.own_project import project, serving
from tests.serving.jobs.taught import record

pytestmark = MARKS
SHIPPED = "synthetic-16ch-2khz"
AS_SIMULATED = {"channels": 16, "rate": 2000.0}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    root, aside = project(tmp_path_factory.mktemp("learned")), tmp_path_factory.mktemp("aside")
    record(root / "instance", "twice", aside, **AS_SIMULATED, repetitions=2, same=[(3, 2)])
    record(root / "instance", "once", aside, **AS_SIMULATED, repetitions=1)
    with serving(root, EMG_MAINS="off") as live:
        yield live


def asked(live: Live, path: str, body: Any = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(f"{live.url}{path}", data, headers, method=method)) as answer:
        return json.loads(answer.read() or "null")


def learn(live: Live, name: str, recording: str) -> dict[str, Any]:
    """The job that has made a model of that name."""
    job = asked(live, "/trainings", {"recordings": [recording], "name": name, "use": "no"})
    over = ("done", "failed", "cancelled")
    until(lambda: asked(live, f"/jobs/{job['id']}")["state"] in over)
    found: dict[str, Any] = asked(live, f"/jobs/{job['id']}")
    assert found["state"] == "done", found["error"]
    return found


def percent(share: float) -> str:
    return f"{int(share * 100 + 0.5)} %"


def test_what_was_learned_is_compared_and_used_and_gone_back_from(browser: Any, live: Live) -> None:
    dashboard = Dashboard(browser, live.url)
    dashboard.open().live().reads("#files", "twice")
    page, item = dashboard.page, dashboard.page.locator("#files li", has_text="twice")
    assert item.get_by_role("button", name="Compare").count() == 0
    assert (
        item.get_by_role("link", name="Learn from twice").get_attribute("href") == "./teach?recordings=twice"
    )
    result = learn(live, "mine", "twice")["result"]
    page.evaluate("dispatchEvent(new Event('focus'))")  # somebody comes back to the page
    dashboard.reads("#files", f"mine: {percent(result['accuracy'])} right")

    item.get_by_role("button", name="Compare mine").click()
    rows = {row["who"]: row for row in result["beside"]}
    tables = item.locator("table")
    for who, row in rows.items():
        shown = tables.first.locator(f'[data-who="{who}"] td').all_inner_texts()
        assert shown[0] == percent(row["accuracy"])
        assert shown[2] == str(result["tested"]["windows"])
    assert tables.first.locator('[data-who="in_use"] small').inner_text() == SHIPPED
    for name, counts in result["tested"]["gestures"].items():
        row = tables.last.locator("tr", has=page.get_by_role("rowheader", name=name, exact=True))
        shown = row.locator("td").all_inner_texts()
        known = [percent(rows[who]["recall"][name]) for who in ("new", "in_use", "lda")]
        assert shown == [*known, f"{counts['windows']} in {counts['repetitions']}"]
    low, high = (int(share * 100 + 0.5) for share in rows["in_use"]["ahead"])
    assert low > 0  # the shipped model knows two of the four gestures, of other muscles
    by = str(low) if low == high else f"{low} to {high}"
    dashboard.reads("#compare-twice", f"Better than {SHIPPED}, by {by} points.")
    for scheme, viewport in (("light", DESKTOP), ("dark", PHONE)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(viewport)
        page.evaluate("scrollTo(0, 0)")  # what the header covers has no size for axe-core
        assert violations(dashboard) == []
        item.scroll_into_view_if_needed()
        dashboard.keep(f"compare-{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    page.set_viewport_size(DESKTOP)

    item.get_by_role("button", name="Use mine").click()
    until(lambda: asked(live, "/emg/sources/simulator")["model"] == "mine")
    dashboard.reads("#model-name", "mine")
    used = item.get_by_role("button", name="mine is in use")
    assert used.get_attribute("aria-disabled") == "true"
    assert page.evaluate("document.activeElement.dataset.model") == "mine"
    assert item.locator("table").first.is_visible()  # what was opened stays open
    page.get_by_role("button", name=f"Back to {SHIPPED}").click()
    until(lambda: asked(live, "/emg/sources/simulator")["model"] == SHIPPED)
    item.get_by_role("button", name="Use mine").wait_for()

    asked(live, "/models/mine", method="DELETE")
    page.evaluate("dispatchEvent(new Event('focus'))")
    dashboard.until("!document.getElementById('files').textContent.includes('mine')")
    assert item.get_by_role("link", name="Learn from twice").count() == 1
    assert dashboard.complaints == []
    page.context.close()


def test_a_model_of_one_repetition_says_that_nothing_was_left_to_judge_it_by(
    browser: Any, live: Live
) -> None:
    learn(live, "hasty", "once")
    dashboard = Dashboard(browser, live.url)
    dashboard.open().reads("#files", "hasty: not judged, there is one repetition of each gesture")
    item = dashboard.page.locator("#files li", has_text="once")
    item.get_by_role("button", name="Compare hasty").click()
    dashboard.reads("#compare-once", "It was not judged")
    assert item.locator("table").count() == 0
    dashboard.page.context.close()
