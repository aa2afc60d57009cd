"""Labelled replay and recording with prompts, in the dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.dashboards import MARKS, Dashboard
from tests.server.live import ROOT, Live, gunicorn

RECORDING = ROOT.parent / "shared" / "data" / "emg" / "myo-readings" / "S06.npz"

pytestmark = MARKS


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    settings = {"EMG_MODE": "ninapro", "EMG_RECORDING": str(RECORDING), "EMG_MODEL": "myo-8ch-200hz"}
    with gunicorn(tmp_path_factory.mktemp("replay"), **settings, EMG_SPEED="4") as live:
        yield live


@pytest.mark.data
@pytest.mark.skipif(not RECORDING.exists(), reason="the shared recordings are absent")
def test_a_replay_is_paused_and_sent_elsewhere_by_its_bar(browser: Any, replayed: Live) -> None:
    dashboard = Dashboard(browser, replayed.url)
    dashboard.open().live().reads("#replay-file", "S06")
    page = dashboard.page
    whole = page.evaluate("dashboard.replay.position.duration_seconds")
    page.get_by_label("Position in the recording").evaluate(
        f"(bar) => {{ bar.value = {whole / 2}; bar.dispatchEvent(new Event('change')); }}"
    )
    dashboard.until(f"dashboard.replay.position.position_seconds >= {whole / 2}")
    page.get_by_role("button", name="Pause the recording").click()
    dashboard.reads("#status-text", "Paused").reads("#decision", "Rest")
    assert page.locator("#notice").is_hidden()
    newest = page.evaluate("dashboard.frame.sample_index")
    before = dashboard.text("#replay-time")
    page.get_by_label("Position in the recording").focus()
    page.keyboard.press("Home")
    dashboard.reads("#replay-time", "0:00 /")
    assert before != dashboard.text("#replay-time")
    page.get_by_role("button", name="Play the recording").click()
    dashboard.live().until(f"dashboard.frame.sample_index > {newest}")
    dashboard.until("dashboard.replay.position.position_seconds > 1")
    dashboard.keep("replay-bar")
    assert dashboard.complaints == []
    page.context.close()


@pytest.mark.data
@pytest.mark.skipif(not RECORDING.exists(), reason="the shared recordings are absent")
def test_a_labelled_replay_reaches_an_accuracy_number_and_a_matrix(browser: Any, replayed: Live) -> None:
    dashboard = Dashboard(browser, replayed.url)
    dashboard.open().live()
    dashboard.option("Votes", "5")
    # of rest alone, with which the recording begins, there is no figure
    dashboard.until("dashboard.scores.labelled > 900 && dashboard.scores.seen > 2", seconds=180)
    figures = "[dashboard.scores.accuracy, dashboard.scores.rawAccuracy, dashboard.scores.labelled]"
    accuracy, raw, labelled = dashboard.page.evaluate(figures)
    assert 0.5 < raw <= 1  # a person the model has seen; chance is 1 in 8
    assert 0.5 < accuracy <= 1
    assert dashboard.page.evaluate("dashboard.scores.matrix.reduce((a, b) => a + b)") >= labelled
    assert dashboard.text("#accuracy").endswith("%")
    dashboard.reads("#fps-speed", "× 4")
    cells = dashboard.page.locator("#matrix tbody td:not(.count)").all_inner_texts()
    assert len(cells) == 64
    assert any(int(cell) > 50 for cell in cells if cell)
    assert dashboard.complaints == []
    dashboard.keep("replay")
    dashboard.page.context.close()


def test_a_recording_with_prompts_is_made_and_taken_home(browser: Any, server: Live, tmp_path: Path) -> None:
    dashboard = Dashboard(browser, server.url)
    dashboard.open()
    name = f"test-{server.port}"
    for label, value in [("Name", name), ("Subject", "S99"), ("Gestures, in order", "fist, rest")]:
        dashboard.page.get_by_label(label, exact=True).fill(value)
    dashboard.page.get_by_label("Repetitions").fill("1")
    dashboard.page.get_by_label("Seconds each").fill("1")
    dashboard.page.get_by_role("button", name="Record", exact=True).click()
    try:
        dashboard.reads("#prompt-now", "Get ready")
        dashboard.keep("recording")
        dashboard.reads("#prompt-now", "Fist")
        dashboard.reads("#files", name)
        with dashboard.page.expect_download() as saved:
            dashboard.page.get_by_role("button", name=f"Download as npz {name}").click()
        saved.value.save_as(tmp_path / "made.npz")
        with np.load(tmp_path / "made.npz") as made:
            assert made["emg"].shape[1] == 16
            assert {"fist", "rest"} <= set(made["gesture_names"].tolist())
    finally:
        dashboard.page.on("dialog", lambda dialog: dialog.accept())
        dashboard.page.get_by_role("button", name=f"Delete {name}").click()
        dashboard.until(f"!document.getElementById('files').textContent.includes({name!r})")
    dashboard.page.context.close()


def test_a_file_is_imported_and_what_was_found_is_shown(browser: Any, server: Live, tmp_path: Path) -> None:
    """The line above is there also when it fails, and the next file is none the worse."""
    name = f"file-{server.port}"
    emg = np.arange(400, dtype=np.float32).reshape(-1, 2)
    np.savez(tmp_path / f"{name}.npz", emg=emg, fs=200.0, units="mV", sample_index=np.arange(200))
    (tmp_path / "other.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    dashboard = Dashboard(browser, server.url)
    dashboard.open()
    chooser = dashboard.page.get_by_label("Files to import")
    chooser.set_input_files(tmp_path / "other.png")
    dashboard.reads(".import .error", "other.png: is of no format that is read here")
    chooser.set_input_files(tmp_path / f"{name}.npz")
    dashboard.reads("#import-lines", f"{name}: Myostream recording (.npz), 2 channels at 200 Hz, mV")
    dashboard.reads("#files", name).keep("import")
    assert dashboard.text(".import .error") == ""
    dashboard.page.on("dialog", lambda dialog: dialog.accept())
    dashboard.page.get_by_role("button", name=f"Delete {name}").click()
    dashboard.until(f"!document.getElementById('files').textContent.includes({name!r})")
    assert [line for line in dashboard.complaints if "422" not in line] == []
    dashboard.page.context.close()


def test_a_server_that_does_not_record_or_judge_is_quoted_and_all_else_goes_on(
    browser: Any, server: Live
) -> None:
    dashboard = Dashboard(browser, server.url)
    answer = {"status": 404, "json": {"detail": "this proxy lets none through"}}
    for path in ("recordings", "quality*"):
        dashboard.page.route(f"**/emg/{path}", lambda route: route.fulfill(**answer))
    dashboard.open().reads("#recordings-plain", "this proxy lets none through")
    dashboard.reads("#quality-plain", "this proxy lets none through")
    dashboard.live().until("dashboard.frame && document.getElementById('notice').hidden")
    dashboard.page.context.close()


def test_the_list_shows_the_newest_six_and_all_on_request(browser: Any, server: Live, tmp_path: Path) -> None:
    """The seventh could be reached by no means, and nothing said that it was there."""
    names = [f"many-{server.port}-{k}" for k in range(7)]
    emg = np.arange(400, dtype=np.float32).reshape(-1, 2)
    dashboard = Dashboard(browser, server.url)
    dashboard.open()
    chooser = dashboard.page.get_by_label("Files to import")
    for name in names:
        file = tmp_path / f"{name}.npz"
        np.savez(file, emg=emg, fs=200.0, units="mV", sample_index=np.arange(200))
        chooser.set_input_files(file)
        dashboard.reads("#import-lines", f"{name}: Myostream recording")
        dashboard.reads("#files", name)
    oldest = f"document.getElementById('files').textContent.includes({names[0]!r})"
    dashboard.until(f"!{oldest}")
    dashboard.page.get_by_role("button", name="Show all").click()
    dashboard.until(oldest)
    dashboard.page.on("dialog", lambda dialog: dialog.accept())
    for name in names:
        dashboard.page.get_by_role("button", name=f"Delete {name}").click()
        dashboard.until(f"!document.getElementById('files').textContent.includes({name!r})")
    dashboard.page.context.close()
