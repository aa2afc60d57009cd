"""The browser's own WebSocket, and the client written for it: samples out and frames in, with keys and without."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from app.keys import make
from tests.server.live import LATE_S, Live, gunicorn

pytestmark = [pytest.mark.browser, pytest.mark.server]

KEY, SECRET = make("page", ["read", "control"])

# 40 samples x 16 channels of int16 every 20 ms, as docs/live.md has them; the first message comes in fragments
PUSH = """async ([name, ticket]) => {
    const url = new URL(`/emg/sources/${name}/live`, location.href.replace("http", "ws"));
    const query = {channels: 16, sampling_rate_hz: 2000, send: "frames,decisions", ...(ticket ? {ticket} : {})};
    url.search = new URLSearchParams(query);
    const socket = new WebSocket(url);
    const said = [];
    const opened = await new Promise((done) => {
        socket.onopen = () => done(true);
        socket.onclose = () => done(false);
    });
    if (!opened) return {opened, said};
    socket.onmessage = (event) => said.push(JSON.parse(event.data));
    let first = 0;
    const push = (count) => {
        const message = new ArrayBuffer(16 + 32 * count), view = new DataView(message);
        view.setUint8(0, 1); view.setUint8(1, 2);
        view.setUint32(4, count, true); view.setBigUint64(8, BigInt(first), true);
        for (let k = 0; k < 16 * count; k++) view.setInt16(16 + 2 * k, Math.random() * 60 - 30, true);
        socket.send(message);
        first += count;
    };
    push(10000);  // 320 kB
    const frames = () => said.filter((one) => one.type === "frame").length;
    for (let k = 0; k < 400 && frames() < 15; k++) {
        push(40);
        await new Promise((done) => setTimeout(done, 20));
    }
    for (let k = 0; k < 100 && !said.some((one) => one.type === "ack" && one.next_sample === first); k++)
        await new Promise((done) => setTimeout(done, 20));
    const extensions = socket.extensions;
    const closed = new Promise((done) => { socket.onclose = (event) => done([event.code, event.wasClean]); });
    socket.close(1000);
    return {opened, said, first, extensions, closed: await closed};
}"""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with gunicorn(tmp_path_factory.mktemp("live"), EMG_MODE="push") as live:
        yield live
        assert "Traceback" not in live.log, live.log


def expect_whole(found: dict[str, Any]) -> None:
    """See that all was taken in, and what was made of it came back."""
    said = found["said"]
    assert said[0]["type"] == "live"
    frames = [one for one in said if one["type"] == "frame"]
    assert [frame["frame"] for frame in frames] == list(range(len(frames)))
    assert any(one["type"] == "decision" for one in said)
    acks = [one for one in said if one["type"] == "ack"]
    assert acks[-1]["next_sample"] == found["first"] == sum(ack["received"] for ack in acks)
    assert sum(ack["lost"] for ack in acks) == 0
    assert (found["extensions"], found["closed"]) == ("", [1000, True])


def test_a_page_pushes_and_hears_on_one_socket(live: Live, page: Any) -> None:
    page.goto(f"{live.url}/health/live")  # a page of the same origin
    expect_whole(page.evaluate(PUSH, ["chromium", None]))


def test_a_page_of_another_origin_gets_no_socket(live: Live, page: Any) -> None:
    page.goto("data:text/html,elsewhere")
    opened = page.evaluate(
        """(url) => new Promise((done) => {
            const socket = new WebSocket(url);
            socket.onopen = () => done(true);
            socket.onclose = () => done(false);
        })""",
        f"ws://127.0.0.1:{live.port}/infer/live",
    )
    assert opened is False


def test_a_ticket_opens_it_once(tmp_path: Path, page: Any) -> None:
    with gunicorn(tmp_path, EMG_MODE="push", EMG_API_KEYS=str(KEY)) as live:
        page.goto(f"{live.url}/health/live")
        ticket = page.evaluate(
            """async (key) => (await (await fetch("/stream/tickets", {method: "POST", headers: {"X-API-Key": key}}))
                .json()).ticket""",
            SECRET,
        )
        expect_whole(page.evaluate(PUSH, ["chromium", ticket]))
        assert page.evaluate(PUSH, ["chromium", ticket])["opened"] is False


LIVE_SOURCE = """async () => {
    const {liveSource} = await import("/static/live_source.js");
    window.states = []; window.frames_ = [];
    window.live = await liveSource({name: "page", channels: 16, samplingRateHz: 2000,
        onState: (state) => states.push(state.state)});
    window.pushing = setInterval(() => live.send(new Int16Array(640).map(() => Math.random() * 60 - 30)), 20);
    (async () => { for await (const said of live) if (said.type === "frame") frames_.push(said); })();
}"""


def test_the_client_for_javascript_goes_on_after_the_worker_was_killed(live: Live, page: Any) -> None:
    page.goto(f"{live.url}/health/live")
    page.evaluate(LIVE_SOURCE)
    page.wait_for_function("frames_.length >= 10", timeout=20e3)
    for pid in live.workers():
        os.kill(pid, signal.SIGKILL)
    before = page.evaluate("frames_.length")
    page.wait_for_function(f"frames_.length >= {before} + 15", timeout=30e3)
    with urlopen(f"{live.url}/emg/sources/page", timeout=LATE_S) as answer:
        next_sample = json.load(answer)["next_sample"]
    index = page.evaluate("frames_.map((frame) => frame.sample_index)")
    page.evaluate("(clearInterval(pushing), live.close())")
    assert index == sorted(index)
    assert next_sample >= index[0] + 15 * 66  # it went on counting
