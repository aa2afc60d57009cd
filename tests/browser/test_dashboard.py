"""The dashboard as a person uses it: a real gunicorn, a real Chromium."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.dashboards import MARKS, PHONE, Dashboard
from tests.server.live import Live, gunicorn

pytestmark = MARKS


@pytest.fixture
def dashboard(browser: Any, server: Live) -> Iterator[Dashboard]:
    dashboard = Dashboard(browser, server.url)
    yield dashboard
    dashboard.page.context.close()


@pytest.mark.smoke
def test_started_it_shows_predictions_that_change_and_a_signal_that_moves(dashboard: Dashboard) -> None:
    dashboard.open().live()
    dashboard.until(
        "dashboard.frame && dashboard.frame.frame > 30 && dashboard.signal.waveform.amplitude > 0"
    )
    before = dashboard.pixels()
    first = dashboard.text("#decision")
    dashboard.until(f"document.getElementById('decision').textContent !== {json.dumps(first)}")
    assert dashboard.pixels() != before
    assert float(dashboard.text("#age-p50")) > 0
    dashboard.until("dashboard.scores.labelled > 0")
    dashboard.keep("desktop")


@pytest.mark.alone
def test_it_is_as_fast_as_it_was_asked_to_be(dashboard: Dashboard) -> None:
    dashboard.open().live().until("dashboard.frame && dashboard.frame.frame > 60")
    assert float(dashboard.text("#fps-got")) == pytest.approx(30, abs=3)


def test_it_is_quiet_and_asks_nobody_else(dashboard: Dashboard, server: Live) -> None:
    dashboard.open().live().until("dashboard.frame && dashboard.frame.frame > 60")
    dashboard.until("dashboard.monitor.poll && document.getElementById('streams').textContent === '1'")
    assert dashboard.complaints == []
    assert dashboard.hosts == {f"127.0.0.1:{server.port}"}


def test_its_policy_lets_no_inline_script_run(dashboard: Dashboard) -> None:
    dashboard.open()
    policy = dashboard.page.request.get(dashboard.url).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    dashboard.page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
    }""")
    assert dashboard.page.evaluate("window.ran === undefined")
    assert any("Content Security Policy" in said for said in dashboard.complaints)


def test_stopped_it_closes_the_stream(dashboard: Dashboard, server: Live) -> None:
    dashboard.open().live().until("dashboard.frame")
    dashboard.stop().reads("#streams", "0")


def test_stopped_it_stays_so_until_somebody_starts_it(dashboard: Dashboard) -> None:
    """Also when the server answers again and again meanwhile, which is what starts it when it is opened."""
    dashboard.open().live().stop()
    asked = (
        "performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/emg/sources')).length"
    )
    seen = dashboard.page.evaluate(asked)
    dashboard.until(f"{asked} > {seen} + 1")
    assert dashboard.text("#status-text") == "Stopped"
    dashboard.start()


def test_a_channel_is_shown_alone_and_hidden_by_click_and_by_keyboard(dashboard: Dashboard) -> None:
    dashboard.open().live().until("dashboard.signal.waveform.amplitude > 0")
    page = dashboard.page
    shown = "dashboard.signal.waveform.lanes"
    page.get_by_role("button", name="3", exact=True).click()
    assert page.evaluate(shown) == [2]
    assert page.locator("#lane-names li:visible").all_inner_texts() == ["3"]
    page.get_by_role("button", name="3", exact=True).click()
    assert len(page.evaluate(shown)) == 16
    page.locator("#lane-names li").nth(4).hover()
    page.get_by_role("button", name="Hide 5").click()
    assert page.evaluate(f"{shown}.includes(4)") is False
    page.get_by_role("button", name="1", exact=True).focus()
    for key in ("ArrowDown", "Delete"):
        page.keyboard.press(key)
    assert page.evaluate(shown) == [0, 2, 3, *range(5, 16)]
    assert page.evaluate("document.activeElement.textContent") == "3"  # not lost with what was hidden
    page.keyboard.press("Enter")
    assert page.evaluate(shown) == [2]
    page.locator("#waveform").click()
    page.get_by_role("button", name="Show 2 hidden").click()
    assert len(page.evaluate(shown)) == 16
    assert dashboard.complaints == []


def test_the_wall_view_has_decision_truth_and_signal_alone(dashboard: Dashboard) -> None:
    page = dashboard.page
    page.goto(f"{dashboard.url}/#wall")
    dashboard.live().until("dashboard.signal.waveform.amplitude > 0")
    for selector, there in (("#decision", True), ("#truth", True), ("#waveform", True), ("#raw", False)):
        assert page.locator(selector).is_visible() is there, selector
    for selector in (".actions", ".tiles", ".side", ".log", "#confidence"):
        assert not page.locator(selector).is_visible(), selector
    dashboard.until("dashboard.frame.decision_label !== 'rest'", seconds=60)
    high = page.evaluate(
        "parseFloat(getComputedStyle(document.getElementById('decision')).fontSize) / innerHeight"
    )
    assert high > 0.15
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    dashboard.keep("wall")
    page.keyboard.press("Escape")
    assert page.locator(".tiles").is_visible()
    assert "#wall" not in page.url
    page.keyboard.press("w")
    assert not page.locator(".tiles").is_visible()
    page.get_by_role("button", name="Leave the wall view").click()
    assert page.locator(".tiles").is_visible()
    dashboard.settings().page.get_by_label("Frames a second").focus()
    page.keyboard.press("w")  # what is typed into a field is none of its business
    assert page.locator(".tiles").is_visible()


def test_the_scale_bar_stands_beside_the_traces_and_is_as_high_as_it_says(dashboard: Dashboard) -> None:
    """It lay over the first trace, 4 px too high. A trace has all of its lane but a margin of 4 % above and below."""
    dashboard.open().live().until("!document.getElementById('scale-bar').hidden")
    bar, trace = (dashboard.page.locator(which).bounding_box() for which in ("#scale-bar", "#waveform"))
    assert bar["x"] >= trace["x"] + trace["width"]
    assert bar["y"] == pytest.approx(trace["y"], abs=1)
    fits = """() => {
        const bar = document.getElementById("scale-bar");
        const line = getComputedStyle(bar, "::before");
        const borders = parseFloat(line.borderTopWidth) + parseFloat(line.borderBottomWidth);
        const tall = parseFloat(line.height) + (line.boxSizing === "border-box" ? 0 : borders);
        const lane = 0.92 * document.getElementById("waveform").clientHeight / 16;
        const half = Number(document.getElementById("signal-note").textContent.match(/±([\\d.]+)/)[1]);
        return [tall / lane, parseFloat(bar.textContent) / (2 * half)];
    }"""
    drawn, said = dashboard.page.evaluate(fits)
    assert drawn == pytest.approx(said, rel=0.05)


def test_what_one_looks_at_is_above_the_fold_of_a_small_screen(browser: Any, server: Live) -> None:
    dashboard = Dashboard(browser, server.url, viewport={"width": 1280, "height": 720})
    dashboard.open().live().until("dashboard.signal.waveform.amplitude > 0")
    for selector in (
        "#decision",
        "#truth",
        "#confidence",
        "#waveform",
        "#ribbon",
        "#axis",
        "#age-p50",
        "#dropped",
    ):
        box = dashboard.page.locator(selector).bounding_box()
        assert box is not None, selector
        assert box["y"] >= 0, selector
        assert box["y"] + box["height"] <= 720, selector
    dashboard.keep("small-screen")
    dashboard.page.context.close()


def test_a_duration_ends_the_stream_and_says_so(dashboard: Dashboard) -> None:
    dashboard.open().live()
    dashboard.option("Duration, s", "1")
    dashboard.reads("#notice-title", "The stream is complete.")
    frames = int(dashboard.text("#notice-text").split()[0])  # one that the page was too slow for is dropped
    assert frames + dashboard.page.evaluate("dashboard.frame.dropped") == pytest.approx(30, abs=1)


def test_options_go_to_the_server_as_they_are_shown(dashboard: Dashboard) -> None:
    dashboard.alone().open().live().stop()
    dashboard.option("Votes", "7")
    dashboard.option("Frames a second", "50")
    dashboard.option("Min. confidence", "0.5")
    with dashboard.page.expect_request("**/infer/stream") as asked:
        dashboard.start()
    expected = {"fps": 50, "votes": 7, "min_confidence": 0.5, "include_signal": True}
    assert json.loads(asked.value.post_data) == expected
    words = shlex.split(dashboard.text("#curl").replace("\\\n", ""))
    assert json.loads(words[words.index("-d") + 1]) == expected


def test_the_curl_line_works_as_it_stands(dashboard: Dashboard) -> None:
    dashboard.open()
    dashboard.option("Duration, s", "0.5")
    run = subprocess.run(dashboard.text("#curl"), shell=True, capture_output=True, timeout=20, check=True)
    assert run.stdout.count(b'"prediction"') == 15
    assert b'"status":"completed"' in run.stdout


def test_a_changed_option_counts_at_once(dashboard: Dashboard) -> None:
    dashboard.open().live().until("dashboard.frame")
    dashboard.option("Frames a second", "10")
    dashboard.reads("#fps-asked", "10").until(
        "Math.abs(dashboard.timings.age.rate(performance.now()) - 10) < 1"
    )


def test_a_wrong_option_is_said_beside_its_field(dashboard: Dashboard) -> None:
    dashboard.open()
    dashboard.option("Frames a second", "9999")
    dashboard.reads("#option-fps-error", "at most EMG_MAX_FPS").reads("#status-text", "Refused")
    dashboard.keep("refused")


def test_a_missing_engine_is_said_with_the_reason_and_the_cure(dashboard: Dashboard) -> None:
    dashboard.open()
    dashboard.settings().page.get_by_label("Backend").select_option("tensorrt")
    dashboard.reads("#notice-title", "tensorrt is not available here.")
    assert len(dashboard.text("#notice-text")) > 20


def test_hidden_it_draws_nothing_and_shown_it_is_at_the_newest_at_once(dashboard: Dashboard) -> None:
    dashboard.open().live().until("dashboard.frame && dashboard.frame.frame > 30")
    dashboard.hide(True)
    drawn, frame = dashboard.page.evaluate("[dashboard.screen.drawn, dashboard.frame.frame]")
    dashboard.until(f"dashboard.frame.frame > {frame + 90}")
    assert dashboard.page.evaluate("dashboard.screen.drawn") == drawn
    dashboard.hide(False)
    dashboard.until(f"dashboard.screen.drawn > {drawn + 2}", seconds=5)
    # s between the newest event and what is at the right edge: no fast-forward through what was missed
    behind = dashboard.page.evaluate(
        "(dashboard.frame.sample_index - dashboard.signal.clock.at(performance.now())) / 2000"
    )
    assert behind < 0.5
    before = dashboard.pixels()
    dashboard.until(f"dashboard.screen.drawn > {drawn + 30}")
    assert dashboard.pixels() != before


def test_frozen_by_the_browser_it_goes_on_with_the_newest(dashboard: Dashboard) -> None:
    dashboard.open().live().until("dashboard.frame && dashboard.frame.frame > 30")
    session = dashboard.page.context.new_cdp_session(dashboard.page)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    dashboard.page.wait_for_timeout(3000)
    session.send("Page.setWebLifecycleState", {"state": "active"})
    dashboard.until("Date.now() / 1000 - dashboard.frame.timestamp < 0.5", seconds=10)


def test_the_log_can_be_paused_filtered_and_saved(dashboard: Dashboard, tmp_path: Path) -> None:
    dashboard.open().live()
    rows = "document.querySelectorAll('#log-entries li').length"
    dashboard.page.get_by_label("frame", exact=True).check()
    dashboard.until(f"{rows} > 20")
    dashboard.page.get_by_role("button", name="Pause").click()
    shown, added = dashboard.page.evaluate(f"[{rows}, dashboard.log.added]")
    dashboard.until(f"dashboard.log.added > {added + 15}")
    assert dashboard.page.evaluate(rows) == shown
    newest = dashboard.text("#log-entries li:first-child")
    dashboard.page.get_by_label("Search").fill(" ")  # the list is made anew, from what was there at the pause
    assert dashboard.text("#log-entries li:first-child") == newest
    dashboard.page.get_by_label("Search").fill("stream asked")
    dashboard.until(f"{rows} === 1")
    with dashboard.page.expect_download() as saved:
        dashboard.page.get_by_role("button", name="Save").click()
    saved.value.save_as(tmp_path / "events.jsonl")
    (entry,) = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert (entry["kind"], entry["options"]) == ("connection", {"include_signal": True})


def test_it_is_usable_by_keyboard_alone(dashboard: Dashboard) -> None:
    dashboard.open().live()
    dashboard.page.keyboard.press("Tab")
    assert dashboard.page.evaluate("document.activeElement.className") == "skip"
    for _ in range(10):
        dashboard.page.keyboard.press("Tab")
        if dashboard.page.evaluate("document.activeElement.id") == "toggle":
            break
    dashboard.page.keyboard.press("Enter")
    dashboard.reads("#status-text", "Stopped")
    dashboard.page.keyboard.press("Enter")
    dashboard.reads("#status-text", "Live")


def test_it_is_readable_on_a_phone(browser: Any, server: Live) -> None:
    dashboard = Dashboard(browser, server.url, viewport=PHONE, device_scale_factor=2, has_touch=True)
    dashboard.open().live().until("dashboard.frame && dashboard.frame.frame > 60")
    assert dashboard.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    small = dashboard.page.evaluate("""() => [...document.querySelectorAll("button, select, input")]
        .filter((e) => e.offsetParent && e.offsetHeight < 24 && e.type !== "checkbox").map((e) => e.id)""")
    assert small == []
    dashboard.keep("phone")
    dashboard.keep("phone-whole", full_page=True)
    dashboard.page.context.close()


def test_the_theme_follows_the_system_and_can_be_chosen(browser: Any, server: Live) -> None:
    dashboard = Dashboard(browser, server.url, color_scheme="dark")
    dashboard.open().live().until("dashboard.frame && dashboard.frame.frame > 90")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = dashboard.page.evaluate(colour)
    dashboard.keep("dark")
    dashboard.page.get_by_role("button", name="Theme").click()
    assert dashboard.page.evaluate(colour) != dark
    assert dashboard.page.evaluate("dashboard.palette.panel") == "rgb(255, 255, 255)"
    dashboard.page.context.close()


def test_with_less_motion_the_trace_stands_still_and_is_overwritten(browser: Any, server: Live) -> None:
    dashboard = Dashboard(browser, server.url, reduced_motion="reduce")
    dashboard.open().live().until("dashboard.frame && dashboard.frame.frame > 60")
    assert dashboard.page.evaluate("dashboard.signal.waveform.sweeps")
    before = dashboard.pixels()
    dashboard.until("dashboard.frame.frame > 90")
    assert dashboard.pixels() != before
    dashboard.page.context.close()


def test_a_killed_server_is_seen_and_a_new_one_found(browser: Any, tmp_path: Path) -> None:
    with gunicorn(tmp_path) as live:
        dashboard = Dashboard(browser, live.url)
        dashboard.open().live().until("dashboard.frame && dashboard.frame.frame > 20")
        live.process.send_signal(signal.SIGSTOP)  # the master starts no other yet
        for pid in live.workers():
            os.kill(pid, signal.SIGKILL)
        dashboard.reads("#status-text", "Reconnecting").reads(
            "#notice-title", "The connection to the server is lost."
        )
        assert dashboard.text("#gesture-title") == "Last decision"
        dashboard.keep("reconnecting")
        live.process.send_signal(signal.SIGCONT)
        dashboard.reads("#status-text", "Live")
        assert dashboard.text("#gesture-title") == "Decision"
        dashboard.until("document.getElementById('notice').hidden")
        dashboard.until("dashboard.signal.waveform.ring.newest > 0 && dashboard.frame.sample_index < 60000")
        dashboard.page.context.close()
