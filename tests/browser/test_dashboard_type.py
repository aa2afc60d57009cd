"""How large the dashboard's type is: 12 px at least, everywhere, in any size of the window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.dashboards import DESKTOP, MARKS, Dashboard
from tests.server.live import Live, gunicorn

pytestmark = MARKS

LEAST = 12  # CSS pixels
NARROW, WIDE = {"width": 360, "height": 780}, {"width": 1920, "height": 1080}
# what text has a smaller size: also of what is hidden now, and of what a field says
SMALL = """(least) => {
    const says = (element) =>
        element.matches("input, select, textarea") ||
        [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    return [...document.body.querySelectorAll("*")]
        .filter((element) => says(element) && parseFloat(getComputedStyle(element).fontSize) < least)
        .map((element) => `${element.tagName} ${element.id || element.className}: ${element.textContent.trim()}`);
}"""
# the sizes of what is written on canvases, in CSS pixels
WATCH = """
window.written = {};
const { fillText } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
    const size = parseFloat(/[\\d.]+(?=px)/.exec(this.font)[0]) / Math.min(devicePixelRatio, 2);
    window.written[text] = Math.min(size, window.written[text] ?? Infinity);
    return fillText.call(this, text, ...place);
};
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with gunicorn(tmp_path_factory.mktemp("type"), EMG_FAULTS="flat@4000:ch3") as live:
        yield live


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=[NARROW, DESKTOP, WIDE], ids=["narrow", "desktop", "wide"])
def dashboard(request: pytest.FixtureRequest, browser: Any, server: Live, scheme: str) -> Iterator[Dashboard]:
    dashboard = Dashboard(browser, server.url, viewport=request.param, color_scheme=scheme)
    dashboard.page.add_init_script(WATCH)
    dashboard.open().live().reads("#lane-names", "flat").until("dashboard.scores.labelled > 60")
    yield dashboard
    dashboard.page.context.close()


def test_no_type_is_smaller_than_12_px_and_nothing_sticks_out(
    request: pytest.FixtureRequest, dashboard: Dashboard
) -> None:
    """The root's own size of 14 px made each rem that, and labels of 0.75 rem 10.5 px."""
    dashboard.keep(f"type-{request.node.callspec.id}", full_page=True)
    assert dashboard.page.evaluate(SMALL, LEAST) == []
    dashboard.until("'now' in written && Object.keys(written).length > 5")
    written = dashboard.page.evaluate("written")
    assert {text: size for text, size in written.items() if size < LEAST} == {}
    width = dashboard.page.viewport_size["width"]
    assert dashboard.page.evaluate("document.documentElement.scrollWidth") == width


def test_what_is_said_in_trouble_is_no_smaller(browser: Any, server: Live) -> None:
    dashboard = Dashboard(browser, server.url)
    dashboard.open()
    dashboard.option("Frames a second", "9999")
    dashboard.reads("#status-text", "Refused").reads("#option-fps-error", "at most")
    dashboard.page.get_by_role("button", name="API key").click()
    assert dashboard.page.evaluate(SMALL, LEAST) == []
    dashboard.page.context.close()


def test_a_reader_who_wants_larger_type_gets_it(browser: Any, server: Live) -> None:
    dashboard = Dashboard(browser, server.url)
    dashboard.open()
    size = "parseFloat(getComputedStyle(document.getElementById('about')).fontSize)"
    before = dashboard.page.evaluate(size)
    dashboard.page.evaluate(
        "document.documentElement.style.fontSize = '150%'"
    )  # as the browser's own setting
    assert dashboard.page.evaluate(size) == pytest.approx(before * 1.5)
    dashboard.page.context.close()
