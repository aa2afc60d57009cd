"""Many dashboards in one browser, which opens six connections to a server over HTTP/1.1, in all its tabs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.dashboards import MARKS, Dashboard
from tests.server.live import Live, until

pytestmark = MARKS

Opens = Callable[[], Dashboard]
# the numbers of all frames from now on
LISTEN = """() => {
    window.heard = [];
    const { onEvent } = dashboard.session;
    dashboard.session.onEvent = (event) => {
        if (event.truth !== undefined) heard.push(event.frame);
        onEvent(event);
    };
}"""


@pytest.fixture
def tab(browser: Any, server: Live) -> Iterator[Opens]:
    """Opens a dashboard in another tab of the same browser; out of sight, so that it costs little."""
    server.at_rest()
    context = browser.new_context()

    def opens() -> Dashboard:
        dashboard = Dashboard(browser, server.url, context=context).open()
        dashboard.hide(True)
        return dashboard

    yield opens
    context.close()


def frames(dashboard: Dashboard, count: int) -> list[int]:
    """Wait until it has heard so many since `LISTEN`."""
    heard: list[int] = dashboard.until(f"heard.length >= {count}").page.evaluate("heard")
    return heard


def test_a_seventh_dashboard_loads_and_streams_and_all_of_them_are_one_stream(
    tab: Opens, server: Live
) -> None:
    """Each had a connection of its own, so the browser had none left for the seventh page."""
    dashboards = [tab().live() for _ in range(7)]
    for dashboard in dashboards:
        dashboard.page.evaluate(LISTEN)
    for dashboard in dashboards:
        heard = frames(dashboard, 10)
        assert heard == list(range(heard[0], heard[0] + len(heard)))
        assert dashboard.complaints == []
    assert server.stats()["active_streams"] == 1


@pytest.mark.parametrize("crashed", [False, True], ids=["closed", "crashed"])
def test_the_dashboard_that_came_first_goes_and_the_others_miss_no_frame(
    tab: Opens, server: Live, crashed: bool
) -> None:
    first, *others = [tab().live() for _ in range(3)]
    for dashboard in others:
        dashboard.page.evaluate(LISTEN)
    frames(others[0], 10)
    if crashed:
        with pytest.raises(Exception, match="crash"):
            first.page.goto("chrome://crash")
    else:
        first.page.close()
    before = len(others[0].page.evaluate("heard"))
    for dashboard in others:
        heard = frames(dashboard, before + 60)
        assert heard == list(range(heard[0], heard[0] + len(heard)))
        dashboard.reads("#status-text", "Live")
    assert server.stats()["active_streams"] == 1
    for dashboard in others:
        dashboard.page.close()
    until(lambda: server.stats()["active_streams"] == 0)


def test_a_dashboard_that_asks_for_something_else_has_its_own_stream(tab: Opens, server: Live) -> None:
    first, other = tab(), tab()
    first.live()
    other.live().option("Frames a second", "10")
    until(lambda: server.stats()["active_streams"] == 2)
    assert sorted(group["fps"] for group in server.stats()["groups"]) == [10, 30]
    other.stop()
    until(lambda: server.stats()["active_streams"] == 1)
    first.page.evaluate(LISTEN)
    assert frames(first, 10)


def test_a_dashboard_that_comes_later_is_live_at_once_and_one_that_stops_stops_alone(
    tab: Opens, server: Live
) -> None:
    first, other = tab().live(), tab().live()
    first.stop()
    other.page.evaluate(LISTEN)
    heard = frames(other, 20)
    assert heard == list(range(heard[0], heard[0] + len(heard)))
    first.start().until("dashboard.frame")
    assert first.page.evaluate("dashboard.frame.frame") > 20  # the stream that is there, not one that begins
    assert server.stats()["active_streams"] == 1
