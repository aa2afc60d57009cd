"""The dashboard with a model that gives values: bars on their ranges in the place of gestures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.dashboards import MARKS, PHONE, Dashboard
from tests.browser.test_dashboard_without_model import stream
from tests.inference.value_models import regression
from tests.server.live import Live
from tests.server.own_project import project, serving
from tests.server.test_own_graph import in_place

pytestmark = MARKS

BARS = "[...document.querySelectorAll('#values li')]"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The simulator, read by a regression."""
    folder = tmp_path_factory.mktemp("values")
    root = project(folder)
    in_place(root, regression(folder / "made"))
    with serving(root, EMG_MODEL="mine", EMG_MAINS="off") as live:
        yield live


@pytest.fixture
def dashboard(browser: Any, server: Live) -> Iterator[Dashboard]:
    dashboard = Dashboard(browser, server.url)
    yield dashboard
    dashboard.page.context.close()


def test_values_are_shown_on_their_ranges_in_the_place_of_gestures(dashboard: Dashboard) -> None:
    dashboard.open().live().until("dashboard.frame && dashboard.frame.frame > 30")
    dashboard.until("dashboard.timings.latency.percentiles(performance.now(), [50])[0] > 0")
    page = dashboard.settings().page
    assert dashboard.text("#gesture-title") == "Output"
    said = dashboard.text("#values")
    for text in ("wrist flexion", "-90", "90", "deg", "grip", "elbow", "10", "150"):
        assert text in said
    for selector in ("#decision", "#raw", ".accuracy", ".distribution", "#option-votes", "#option-enter"):
        assert not page.locator(selector).is_visible(), selector
    for selector in ("#intensity-figure", "#latency-p50", "#waveform", "#option-preprocess"):
        assert page.locator(selector).is_visible(), selector
    figures = page.evaluate(f"{BARS}.map((one) => one.querySelector('.figure').textContent)")
    assert all(any(letter.isdigit() for letter in one) for one in figures), figures
    dashboard.keep("values")
    assert dashboard.complaints == []


def test_what_is_held_at_rest_is_told(browser: Any, server: Live) -> None:
    """By a server that says so, on a phone."""
    dashboard = Dashboard(browser, server.url, viewport=PHONE, has_touch=True).alone()
    values = {"wrist_flexion": 45.0, "grip": 1.0, "elbow": 90.0}
    rest = {"wrist_flexion": 0.0, "grip": 0.0, "elbow": 30.0}
    body = stream(*(frame(k, values, rest if k > 20 else values) for k in range(30)))
    dashboard.page.route(
        "**/infer/stream", lambda route: route.fulfill(body=body, content_type="text/event-stream")
    )
    dashboard.open().reads("#status-text", "Complete").reads(
        "#values-note", "Held at rest: too many channels"
    )
    elbow = dashboard.page.evaluate(f"{BARS}[2].querySelector('.fill').style.right")
    assert float(elbow.rstrip("%")) == pytest.approx(100 - 100 * 20 / 140, abs=0.1)
    assert dashboard.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    dashboard.keep("values-held")
    assert dashboard.complaints == []
    dashboard.page.context.close()


def test_what_was_asked_of_gestures_is_not_asked_of_values(dashboard: Dashboard) -> None:
    """As after a change of the model, with votes still in the form."""
    dashboard.alone().open().live().stop()
    dashboard.page.evaluate("dashboard.controls.fields.votes.value = 5")
    with dashboard.page.expect_request("**/infer/stream") as asked:
        dashboard.start()
    assert "votes" not in json.loads(asked.value.post_data)


def frame(k: int, values: dict[str, float], output: dict[str, float]) -> dict[str, Any]:
    """Frame k at 20 fps of a source of 200 Hz."""
    said = {"timestamp": 1.0, "truth": None, "sample_index": 10 * (k + 1), "age_ms": 1.0, "cpu_percent": 1.0}
    model = {"latency_ms": 0.1, "intensity": 0.5, "shape": [1, 3], "backend": "onnxruntime"}
    signal = [[1.0, -1.0] * 5] * 4
    return {**said, **model, "values": values, "output": output, "frame": k, "dropped": 0, "signal": signal}
