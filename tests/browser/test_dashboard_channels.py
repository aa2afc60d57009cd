"""The dashboard of 8, 64 and 256 channels: no chart grows with their number, and no number is cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.dashboards import MARKS, PHONE, Dashboard
from tests.browser.test_dashboard_without_model import frame, stream
from tests.server.live import Live, gunicorn

pytestmark = MARKS

NUMBERS = '[...document.querySelectorAll("#channels .number")]'
CUT = f"() => {NUMBERS}.filter((e) => e.scrollWidth > e.clientWidth).length"
ABOVE = """() => document.getElementById("lanes-scroll").getBoundingClientRect().top
    - document.querySelector("#lane-names .name").getBoundingClientRect().top"""
HEIGHT = "(selector) => document.querySelector(selector).getBoundingClientRect().height"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    settings = {"EMG_MODEL": "none", "EMG_CH": "4", "EMG_FS": "1000"}
    with gunicorn(tmp_path_factory.mktemp("none"), **settings) as live:
        yield live


def pretend(dashboard: Dashboard, channels: int) -> None:
    """Have the server speak of a source of so many channels that it counts, some of them bad, and stream a second."""
    found = dashboard.page.request.get(f"{dashboard.url}/emg/sources").json()
    quality = dashboard.page.request.get(f"{dashboard.url}/emg/quality").json()
    (source,) = found["sources"]
    names = [str(k + 1) for k in range(channels)]
    source |= {"channels": channels, "channel_names": names, "signal_channels": list(range(channels))}
    one = quality["channels"][0]
    bad = {0: ["hum"], channels - 1: ["flat"], channels // 2: ["weak"]}
    quality["channels"] = [
        {**one, "channel": k, "problems": bad.get(k, []), "rms": 10.0 + k} for k in range(channels)
    ]
    dashboard.page.route("**/emg/sources", lambda route: route.fulfill(json=found))
    dashboard.page.route("**/emg/quality**", lambda route: route.fulfill(json=quality))
    body = stream(*(frame(k, channels) for k in range(30)))
    dashboard.page.route(
        "**/infer/stream", lambda route: route.fulfill(body=body, content_type="text/event-stream")
    )


CASES = {
    "8": (8, "light", {}),
    "64 in the dark": (64, "dark", {}),
    "256": (256, "light", {}),
    "256 on a phone": (256, "dark", {"viewport": PHONE}),
}


@pytest.mark.parametrize("case", CASES)
def test_so_many_channels_are_readable(browser: Any, server: Live, case: str) -> None:
    """At 256 channels the list beside it drew the chart of ages to 1400 pixels, and 100 was `1...`."""
    channels, scheme, options = CASES[case]
    dashboard = Dashboard(browser, server.url, color_scheme=scheme, **options).alone()
    pretend(dashboard, channels)
    dashboard.open().reads("#status-text", "Complete").reads("#quality-note", f"3 of {channels} need a look")
    page = dashboard.page
    assert page.locator("#channels li").count() == channels
    assert page.evaluate(CUT) == 0
    assert page.evaluate(HEIGHT, ".timing .stage") <= 400
    assert page.evaluate(HEIGHT, ".panel.quality") <= 520
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]
    last = page.locator("#channels li").last
    last.scroll_into_view_if_needed()
    assert last.locator(".problem").inner_text() == "✗ flat"
    assert page.locator("#channels").get_attribute("tabindex") == ("0" if channels > 20 else "-1")
    page.evaluate("window.scrollTo(0, 0)")
    assert page.evaluate(ABOVE) < 1
    dashboard.keep(f"channels-{case.replace(' ', '-')}", full_page=True)
    assert dashboard.complaints == []
    page.context.close()
