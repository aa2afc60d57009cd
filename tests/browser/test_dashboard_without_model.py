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
    dashboard.open().live().until("dashboard.frame && dashboard.frame.frame > 30")
    dashboard.until("dashboard.signal.waveform.amplitude > 0")
    before = dashboard.pixels()
    assert dashboard.text("#gesture-title") == "No model reads this source."
    assert "No model fits 4 channels at 1000 Hz: record and train one" in dashboard.text("#gesture")
    assert dashboard.settings().page.locator("#option-fps").is_visible()
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


SEEN = {"about": "", "needs": "", "there": True, "channels": None, "sampling_rate_hz": None}
ARMBAND = {
    **SEEN,
    "kind": "lsl",
    "name": "armband",
    "channels": 8,
    "sampling_rate_hz": 200.0,
    "settings": {"EMG_MODE": "lsl", "EMG_LSL": "name=armband"},
}
BOARD = {
    **SEEN,
    "kind": "brainflow",
    "name": "galea",
    "there": False,
    "settings": {"EMG_MODE": "brainflow", "EMG_BOARD": "galea"},
    "needs": "EMG_BOARD_PARAMS='ip_address=192.168.4.1'",
}


def test_a_source_is_opened_with_what_it_needs_or_it_is_said_why_not(dashboard: Dashboard) -> None:
    """By a server of the test's own: what it is asked, and what is shown while it looks, refuses and opens."""
    page = dashboard.page
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    for path in ("devices", "source"):
        page.route(f"**/emg/{path}", hold)
    dashboard.open()
    page.get_by_role("button", name="Source", exact=True).click()
    dashboard.reads("#sources-said", "Looking for devices.")
    found = {"devices": [ARMBAND, BOARD], "current": {"EMG_MODE": "dummy"}}
    next_of(dashboard, held).fulfill(json=found)
    dashboard.reads("#devices", "LSL · 8 channels at 200 Hz")
    page.get_by_text("1 more").click()
    page.get_by_role("button", name="galea").click()
    page.get_by_label("EMG_BOARD_PARAMS").fill("ip_address=10.0.0.7")
    dashboard.keep("sources")
    page.get_by_role("button", name="Open", exact=True).click()
    dashboard.reads("#sources-said", "Opening galea.")
    given = {**BOARD["settings"], "EMG_BOARD_PARAMS": "ip_address=10.0.0.7"}
    asked = next_of(dashboard, held)
    assert (asked.request.method, asked.request.post_data_json) == ("PUT", {"settings": given})
    problem = {
        "status": 422,
        "detail": "a source of 50 Hz holds nothing above 25 Hz; the model m reads 20-450 Hz",
    }
    asked.fulfill(status=422, json=problem)
    dashboard.reads("#sources-error", "a source of 50 Hz holds nothing above 25 Hz")
    page.get_by_role("button", name="Open it without a model").click()
    asked = next_of(dashboard, held)
    assert asked.request.post_data_json == {"settings": {**given, "EMG_MODEL": "none"}}
    asked.fulfill(status=503, json={"status": 503, "detail": "nothing answers at 10.0.0.7"})
    dashboard.reads("#sources-error", "nothing answers at 10.0.0.7")
    assert not page.get_by_role("button", name="Open it without a model").is_visible()


def test_the_stream_goes_on_when_another_source_is_chosen(dashboard: Dashboard) -> None:
    """From four channels at 1000 Hz to the simulator as it is without settings, 16 at 2000 Hz, and back."""
    dashboard.open().live().until("dashboard.frame && dashboard.frame.frame > 10")
    dashboard.page.get_by_role("button", name="Source", exact=True).click()
    dashboard.page.get_by_role("button", name="simulated muscles").click()
    dashboard.until("dashboard.signal.waveform.channels === 16 && dashboard.signal.waveform.rate === 2000")
    dashboard.until("!document.getElementById('sources').open && dashboard.signal.waveform.amplitude > 0")
    assert dashboard.page.locator("#lane-names li").count() == 16
    dashboard.reads("#quality-note", "16").reads("#status-text", "Live")
    dashboard.reads("#log-entries", "changed to simulator: 16 channels at 2000 Hz")
    dashboard.page.get_by_role("button", name="Source", exact=True).click()
    dashboard.page.get_by_role("button", name="As started").click()
    dashboard.until("dashboard.signal.waveform.channels === 4 && dashboard.frame.signal.length === 4")
    dashboard.reads("#log-entries", "recovered").reads("#about", "4 channels at 1,000 Hz")
    assert (
        "stream asked for" not in dashboard.page.locator("#log-entries").inner_text().split("changed to")[0]
    )
    assert dashboard.complaints == []


def next_of(dashboard: Dashboard, held: list[Any]) -> Any:
    """The next request that waits for its answer."""
    while not held:
        dashboard.page.wait_for_timeout(20)
    return held.pop()


@pytest.mark.parametrize("channels", [1, 64])
def test_one_channel_and_many_are_readable_on_a_phone(browser: Any, server: Live, channels: int) -> None:
    """By what the server would say: a source of so many channels, with names that a device gave."""
    dashboard = Dashboard(browser, server.url, viewport=PHONE, has_touch=True).alone()
    pretend(dashboard, channels)
    dashboard.open().reads("#status-text", "Complete")
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

    found = dashboard.page.request.get(f"{dashboard.url}/emg/sources").json()
    (source,) = found["sources"]
    names = [f"Muscle {k + 1}" for k in range(channels)]
    source |= {"channels": channels, "channel_names": names, "signal_channels": list(range(channels))}
    dashboard.page.route("**/emg/sources", lambda route: route.fulfill(json=found))
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
