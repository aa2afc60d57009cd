"""The dashboard with sources that no model reads, and the choice among sources."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.dashboards import MARKS, PHONE, Dashboard
from tests.server.live import Live, gunicorn

pytestmark = MARKS


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A source of four channels that no model reads."""
    settings = {"EMG_MODEL": "none", "EMG_CH": "4", "EMG_FS": "1000"}
    with gunicorn(tmp_path_factory.mktemp("none"), **settings) as live:
        yield live


@pytest.fixture
def dashboard(browser: Any, server: Live) -> Iterator[Dashboard]:
    dashboard = Dashboard(browser, server.url)
    yield dashboard
    dashboard.page.context.close()


def test_the_signal_is_shown_and_instead_of_predictions_what_to_do(dashboard: Dashboard) -> None:
    dashboard.open().start().until("dashboard.frame && dashboard.frame.frame > 30")
    dashboard.until("dashboard.signal.waveform.amplitude > 0")
    before = dashboard.pixels()
    assert dashboard.text("#gesture-title") == "No model reads this source."
    assert "No model fits 4 channels at 1000 Hz: record and train one" in dashboard.text("#gesture")
    for selector in ("#decision", ".accuracy", ".distribution", "#option-votes", "#latency-p50"):
        assert not dashboard.page.locator(selector).is_visible(), selector
    assert dashboard.page.locator("#lane-names li").all_inner_texts() == ["1", "2", "3", "4"]
    dashboard.reads("#quality-note", "all 4 are fine").reads("#about", "4 channels at 1,000 Hz · no model")
    dashboard.until("dashboard.signal.ribbon.rows.truth.runs.length > 0")
    dashboard.until("dashboard.frame.frame > 60")
    assert dashboard.complaints == []
    assert dashboard.pixels() != before
    dashboard.keep("without-model")


def test_it_records_gestures_of_any_name(dashboard: Dashboard, server: Live) -> None:
    dashboard.open()
    dashboard.page.get_by_label("Gestures, in order").fill("")
    dashboard.page.get_by_role("button", name="Record", exact=True).click()
    dashboard.until("document.getElementById('recording-gestures-error').textContent !== ''")
    dashboard.page.get_by_label("Gestures, in order").fill("rest, Daumen hoch 👍")
    dashboard.page.get_by_label("Name", exact=True).fill(f"own-{server.port}")
    dashboard.page.get_by_label("Repetitions").fill("1")
    dashboard.page.get_by_label("Seconds each").fill("1")
    with dashboard.page.expect_request("**/emg/recordings") as asked:
        dashboard.page.get_by_role("button", name="Record", exact=True).click()
    assert json.loads(asked.value.post_data)["plan"]["gestures"] == ["rest", "Daumen hoch 👍"]
    dashboard.reads("#prompt-now", "Daumen hoch 👍").reads("#files", f"own-{server.port}")
    dashboard.page.on("dialog", lambda dialog: dialog.accept())
    dashboard.page.get_by_role("button", name=f"Delete own-{server.port}").click()
    dashboard.until(f"!document.getElementById('files').textContent.includes('own-{server.port}')")


DEVICES = {
    "devices": [
        {"kind": "simulator", "name": "Simulator", "detail": "", "settings": {"EMG_MODE": "dummy"}},
        {"kind": "lsl", "name": "armband", "detail": "8 channels at 200 Hz", "settings": {"EMG_MODE": "lsl"}},
        {"kind": "mindrove", "name": "MindRove", "detail": "pip install mindrove", "settings": None},
    ],
    "current": {"EMG_MODE": "dummy", "EMG_CH": "4"},
}


def test_the_source_is_chosen_among_the_devices_that_are_there(dashboard: Dashboard) -> None:
    """By a server of the test's own: what it is asked, and what is said while it looks, refuses and opens."""
    page = dashboard.page
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    for path in ("devices", "source"):
        page.route(f"**/emg/{path}", hold)
    dashboard.open().start()
    page.get_by_role("button", name="Source", exact=True).click()
    dashboard.reads("#sources-said", "Looking for devices.")
    until_asked(dashboard, held).fulfill(json=DEVICES)
    dashboard.reads("#devices", "simulated · in use").reads("#devices", "LSL · 8 channels at 200 Hz")
    assert page.get_by_role("button", name="MindRove").is_disabled()
    dashboard.keep("sources")
    page.get_by_role("button", name="armband").click()
    dashboard.reads("#sources-said", "Opening armband.")
    refused = until_asked(dashboard, held)
    assert (refused.request.method, refused.request.post_data_json) == (
        "PUT",
        {"settings": {"EMG_MODE": "lsl"}},
    )
    problem = {"title": "Service Unavailable", "status": 503, "detail": "no stream has name=armband"}
    refused.fulfill(status=503, json=problem)
    dashboard.reads("#sources-error", "no stream has name=armband")
    page.get_by_role("button", name="Look again").click()
    until_asked(dashboard, held).fulfill(json={"devices": [], "current": {}})
    dashboard.reads("#sources-said", "No device was found.")
    page.get_by_role("button", name="Look again").click()
    until_asked(dashboard, held).fulfill(json=DEVICES)
    page.get_by_role("button", name="armband").click()
    opened = {"name": "armband", "channels": 8, "sampling_rate_hz": 200.0}
    until_asked(dashboard, held).fulfill(json=opened)
    dashboard.until("!document.getElementById('sources').open")
    dashboard.reads("#log-entries", "changed to armband: 8 channels at 200 Hz")
    assert dashboard.text("#status-text") == "Live"


def until_asked(dashboard: Dashboard, held: list[Any]) -> Any:
    """The next request that waits for its answer."""
    while not held:
        dashboard.page.wait_for_timeout(20)
    return held.pop()


@pytest.mark.parametrize("channels", [1, 64])
def test_one_channel_and_many_are_readable_on_a_phone(browser: Any, server: Live, channels: int) -> None:
    """By what the server would say: a source of so many channels, with names that a device gave."""
    dashboard = Dashboard(browser, server.url, viewport=PHONE, has_touch=True).alone()
    pretend(dashboard, channels)
    dashboard.open().page.get_by_role("button", name="Start", exact=True).click()
    dashboard.reads("#status-text", "Complete")
    dashboard.until("dashboard.signal.waveform.amplitude > 0")
    names = dashboard.page.locator("#lane-names .name")
    assert names.count() == channels
    assert names.last.inner_text() == f"Muscle {channels}"
    heights = "[...document.querySelectorAll('#lane-names li')].map((e) => e.getBoundingClientRect().height)"
    assert min(dashboard.page.evaluate(heights)) >= 12
    assert dashboard.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    dashboard.keep(f"channels-{channels}")
    dashboard.page.context.close()


def pretend(dashboard: Dashboard, channels: int) -> None:
    """Have the server speak of another source, and stream its frames: a second of them, and then the end."""

    def sources(route: Any) -> None:
        found = route.fetch().json()
        (source,) = found["sources"]
        names = [f"Muscle {k + 1}" for k in range(channels)]
        source |= {"channels": channels, "channel_names": names, "signal_channels": list(range(channels))}
        route.fulfill(json=found)

    dashboard.page.route("**/emg/sources", sources)
    body = stream(*(frame(k, channels) for k in range(30)))
    dashboard.page.route(
        "**/infer/stream", lambda route: route.fulfill(body=body, content_type="text/event-stream")
    )


def frame(k: int, channels: int, **more: Any) -> dict[str, Any]:
    """Frame k at 30 fps of a source of 1000 Hz."""
    end = round((k + 1) * 1000 / 30)
    signal = [[10.0 * (-1) ** j for j in range(33)]] * channels
    said = {"timestamp": 1.0, "truth": None, "sample_index": end, "age_ms": 1.0, "cpu_percent": 1.0}
    return {**said, "frame": k, "dropped": 0, "signal": signal, **more}


def stream(*events: dict[str, Any]) -> str:
    last = {"status": "completed", "total_frames": len(events), "duration_seconds": 1.0, "avg_fps": 30.0}
    blocks = [f"id: x.{k}\ndata: {json.dumps(event)}\n\n" for k, event in enumerate(events)]
    return "".join([*blocks, f"id: end\ndata: {json.dumps(last)}\n\n"])
