"""The browser's own EventSource, which reconnects by itself."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from tests.server.live import Live

pytestmark = [pytest.mark.browser, pytest.mark.server]

FPS, SECONDS = 10, 15  # within which another worker must be there, for which Chromium looks every 3 s
LISTEN = """([fps, seconds]) => {
    window.frames_ = []; window.said = []; window.opened = 0; window.unread = 0;
    window.source = new EventSource(`/infer/stream?fps=${fps}&duration_seconds=${seconds}`);
    source.onopen = () => { opened += 1; };
    source.onmessage = (event) => {
        let data; try { data = JSON.parse(event.data); } catch { unread += 1; return; }
        (data.prediction === undefined ? said : frames_).push(data);
    };
}"""


def until(page: Any, expression: str, seconds: float = 20.0) -> None:
    page.wait_for_function(expression, timeout=seconds * 1e3)


def test_it_goes_on_after_the_worker_was_killed_and_stops_when_all_is_said(server: Live, page: Any) -> None:
    page.goto(f"{server.url}/health/live")  # a page of the same origin
    page.evaluate(LISTEN, [FPS, SECONDS])
    until(page, "frames_.length >= 15")
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)
    until(page, "opened == 2 && said.length == 2")
    until(page, "source.readyState == EventSource.CLOSED")  # after one more try, which was answered 204
    time.sleep(0.1)
    frames, said = page.evaluate("[frames_, said]")
    assert [frame["frame"] for frame in frames] == list(range(len(frames)))
    dropped = [frame["dropped"] for frame in frames]
    assert dropped == sorted(dropped)
    assert dropped[0] == 0 < dropped[-1]
    assert said[0]["status"] == "model"  # who comes back is told it again
    assert (said[1]["status"], said[1]["total_frames"]) == ("completed", len(frames))
    assert len(frames) + dropped[-1] == pytest.approx(FPS * SECONDS, abs=2)
    assert page.evaluate("[opened, unread]") == [2, 0]
