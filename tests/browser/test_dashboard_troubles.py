"""What the dashboard says when something is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from app import keys
from tests.browser.dashboards import MARKS, Dashboard
from tests.server.live import Live, free_port, gunicorn

pytestmark = MARKS

Opens = Callable[..., AbstractContextManager[Live]]


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, str, str]]:
    """A server that asks for keys, a key for everything, and one that may only read and infer."""
    (all_of_it, whole), (some, reader) = (
        keys.make("whole", keys.SCOPES),
        keys.make("reader", ("read", "infer")),
    )
    with gunicorn(tmp_path_factory.mktemp("keyed"), EMG_API_KEYS=f"{all_of_it},{some}") as live:
        yield live, whole, reader


def enter(dashboard: Dashboard, key: str) -> None:
    dashboard.page.get_by_role("button", name="API key").click()
    dashboard.page.get_by_label("Key", exact=True).fill(key)
    dashboard.page.get_by_role("button", name="Use it").click()


def test_without_a_key_it_asks_for_one_and_a_wrong_one_is_said(
    browser: Any, keyed: tuple[Live, str, str]
) -> None:
    live, key, _ = keyed
    dashboard = Dashboard(browser, live.url)
    dashboard.open().reads("#notice-title", "This server wants an API key.")
    dashboard.reads("#recordings-plain", "Waiting for the server.")
    dashboard.keep("no-key")
    enter(dashboard, "emg_wrong")
    dashboard.reads("#notice-title", "The server does not accept this API key.")
    dashboard.page.get_by_role("button", name="Start", exact=True).click()
    dashboard.reads("#status-text", "Refused")
    dashboard.keep("wrong-key")
    enter(dashboard, key)  # the stream that was refused starts
    dashboard.live().settings().until("document.getElementById('notice').hidden")
    assert key not in dashboard.text("#curl")
    assert "$EMG_API_KEY" in dashboard.text("#curl")
    stored = dashboard.page.evaluate("JSON.stringify({ ...localStorage }) + document.cookie + location.href")
    assert key not in stored
    dashboard.page.context.close()


def test_what_a_key_may_not_do_is_off_and_says_why_and_all_else_goes_on(
    browser: Any, keyed: tuple[Live, str, str]
) -> None:
    live, whole, reader = keyed
    dashboard = Dashboard(browser, live.url)
    made = {"name": "made", "state": "complete", "seconds": 1.0, "gaps": 0, "error": None}
    headers = {"X-API-Key-Scopes": "read, infer"}
    listed = {"status": 200, "json": {"recordings": [made]}, "headers": headers}
    dashboard.page.route("**/emg/recordings", lambda route: route.fulfill(**listed))
    dashboard.open()
    enter(dashboard, reader)
    dashboard.live()
    dashboard.reads("#recordings-needs", "This key may read and infer.").reads("#recordings-needs", "control")
    dashboard.keep("reader-key")
    for name in (
        "Record",
        "Import a file",
        "Download as xdf made",
        "Download as npz made",
        "Download as bdf made",
        "Delete made",
    ):
        button = dashboard.page.get_by_role("button", name=name, exact=True)
        assert button.is_disabled(), name
        assert button.get_attribute("aria-describedby") == "recordings-needs"
    assert dashboard.page.get_by_role("button", name="Source", exact=True).is_disabled()
    dashboard.until("document.getElementById('notice').hidden")
    dashboard.page.unroute_all()
    enter(dashboard, whole)
    dashboard.until("document.getElementById('recordings-needs').hidden")
    assert dashboard.page.get_by_role("button", name="Record", exact=True).is_enabled()
    dashboard.page.context.close()


def test_a_key_that_may_not_even_read_is_told_from_a_wrong_one(browser: Any, server: Live) -> None:
    dashboard = Dashboard(browser, server.url)
    problem = {"title": "Forbidden", "status": 403, "detail": "the key game may infer; this needs read"}
    answer = {"status": 403, "json": problem, "headers": {"X-API-Key-Scopes": "infer"}}
    dashboard.page.route("**/health", lambda route: route.fulfill(**answer))
    dashboard.open().reads("#notice-title", "This API key is for something else.")
    dashboard.reads("#notice-text", "The key game may infer; this needs read.")
    start = dashboard.page.get_by_role("button", name="Start", exact=True)
    assert start.is_disabled()
    assert "read" in (start.get_attribute("title") or "")
    dashboard.page.context.close()


def test_a_server_of_another_opinion_is_quoted(browser: Any, keyed: tuple[Live, str, str]) -> None:
    live, key, _ = keyed
    dashboard = Dashboard(browser, live.url)
    body = json.dumps({"title": "Too Many Requests", "status": 429, "detail": "at most 5 streams a minute"})
    answer = {
        "status": 429,
        "content_type": "application/problem+json",
        "body": body,
        "headers": {"Retry-After": "2"},
    }
    dashboard.alone().open()
    dashboard.page.route("**/infer/stream", lambda route: route.fulfill(**answer))
    enter(dashboard, key)
    dashboard.reads("#notice-text", "At most 5 streams a minute. Trying again in 2 s.")
    dashboard.page.context.close()


def test_a_stalled_source_is_seen_and_its_return_too(browser: Any, tmp_path: Path) -> None:
    with gunicorn(tmp_path, EMG_FAULTS="stall@40000:8,flat@8000:ch3,hum@8000-20000:50=400") as live:
        dashboard = Dashboard(browser, live.url)
        dashboard.open().live()
        dashboard.reads("#lane-names li:nth-child(4)", "flat")
        dashboard.reads("#status-text", "Source stalled").reads(
            "#notice-title", "The source simulator is stalled."
        )
        dashboard.reads("#decision", "Rest")
        dashboard.keep("stalled")
        dashboard.reads("#status-text", "Live").until("document.getElementById('notice').hidden")
        dashboard.reads("#log-entries", "stalled")
        dashboard.page.context.close()


def test_a_bad_channel_keeps_its_colour_when_another_rate_is_asked_for(browser: Any, tmp_path: Path) -> None:
    """The new rate made the lanes anew, all of them well: the quality had not changed, and was not said again."""
    reddish = """() => {
        const canvas = document.getElementById("waveform");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let i = 0; i < data.length; i += 4) count += data[i] > data[i + 2] + 60;
        return count;
    }"""
    with gunicorn(tmp_path, EMG_FAULTS="flat@4000:ch3") as live:
        dashboard = Dashboard(browser, live.url, color_scheme="light")
        dashboard.open().live().reads("#lane-names li:nth-child(4)", "flat")
        dashboard.until(f"({reddish})() > 100")
        dashboard.option("Frames a second", "20")
        dashboard.reads("#fps-asked", "20").until("dashboard.frame && dashboard.frame.frame > 40")
        assert dashboard.page.evaluate(reddish) > 100
        dashboard.page.context.close()


def test_without_a_source_it_says_how_to_send_one(browser: Any, tmp_path: Path) -> None:
    with gunicorn(tmp_path, EMG_MODE="push") as live:
        dashboard = Dashboard(browser, live.url)
        dashboard.open().reads("#notice-title", "There is no source.").reads("#notice-text", "/emg/sources")
        dashboard.keep("no-source")
        dashboard.page.context.close()


def test_a_server_that_goes_while_nothing_streams_is_looked_for(browser: Any, tmp_path: Path) -> None:
    with gunicorn(tmp_path) as live:
        dashboard = Dashboard(browser, live.url)
        dashboard.open().live().stop()
    dashboard.reads("#notice-title", "The server cannot be reached.").reads("#notice-text", live.url)
    dashboard.keep("gone")
    dashboard.page.context.close()


def test_a_fleet_is_offered_where_the_server_has_one_and_said_to_be_gone(
    browser: Any, tmp_path: Path
) -> None:
    gone = {"EMG_BACKENDS": "remote,onnxruntime", "EMG_OIP_URL": f"http://127.0.0.1:{free_port()}"}
    with gunicorn(tmp_path, **gone) as live:
        dashboard = Dashboard(browser, live.url)
        dashboard.open().live().settings()
        dashboard.until("document.body.textContent.includes('Fleet (not available)')")
        dashboard.page.context.close()
