"""The JavaScript client: its own tests under Node, its parser beside Python's, and both forms in Chromium."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from app.keys import hash_of
from tests.clients.event_streams import cut_streams, parsed
from tests.server.live import LATE_S, START_S, Live, gunicorn, until

HERE = Path(__file__).parent
NODE = shutil.which("node")
FPS, SECONDS = 20, 15  # within which another worker must be there, for which Chromium looks every 3 s
KEY = "a-key-for-these-tests-and-no-others-0123456789"

needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")

IN_NODE = """
import {{ streamInference }} from {module};
const options = {{ fps: {fps}, duration_seconds: {seconds} }};
const onState = ({{ state, reason }}) => console.log(JSON.stringify({{ state, reason }}));
for await (const event of streamInference({{ url: {url}, options, onState }})) console.log(JSON.stringify(event));
"""

# the page's own scripts: a module is imported by its path, as a dashboard does
BY_FETCH = """async ([fps, seconds, apiKey]) => {
    window.events = []; window.states = [];
    const { streamInference } = await import("/static/client.js");
    const options = { fps, duration_seconds: seconds };
    (async () => {
        for await (const event of streamInference({ apiKey, options, onState: ({ state }) => states.push(state) }))
            events.push(event);
    })();
}"""
BY_EVENT_SOURCE = """async ([fps, seconds, apiKey]) => {
    window.events = []; window.states = [];
    const { eventSource } = await import("/static/client.js");
    const options = { fps, duration_seconds: seconds };
    const onEvent = (event) => events.push(event);
    eventSource({ apiKey, options, onEvent, onState: ({ state }) => states.push(state) });
}"""


@needs_node
@pytest.mark.parametrize(
    "name", ["sse.test.mjs", "client.test.mjs", "shared_stream.test.mjs", "teaching.test.mjs"]
)
def test_its_own_tests_pass(name: str) -> None:
    command = ["node", "--test", "--test-reporter=spec", name]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "fail 0" in done.stdout


@needs_node
def test_its_own_tests_of_the_live_socket_pass() -> None:
    probe = ["node", "--experimental-websocket", "--eval", "new WebSocket('ws://[::1]:9').onerror = () => {}"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this node has no WebSocket; 20.10 and newer have one")
    command = ["node", "--experimental-websocket", "--test", "--test-reporter=spec", "live.test.mjs"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "fail 0" in done.stdout


@pytest.fixture(scope="module")
def parse_in_node() -> Iterator[Callable[[list[bytes]], dict[str, Any]]]:
    command = ["node", "parse_streams.mjs"]
    with subprocess.Popen(
        command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def parse(pieces: list[bytes]) -> dict[str, Any]:
            process.stdin.write(json.dumps({"pieces": [piece.hex() for piece in pieces]}) + "\n")
            process.stdin.flush()
            found: dict[str, Any] = json.loads(process.stdout.readline())
            return found

        yield parse
        process.stdin.close()
        assert process.wait(LATE_S) == 0


@needs_node
@given(cut_streams())
@settings(max_examples=300, deadline=None)
def test_its_parser_and_pythons_say_the_same_of_any_stream(
    parse_in_node: Callable[[list[bytes]], dict[str, Any]], pieces: list[bytes]
) -> None:
    events, last_id, retry = parsed(*pieces)
    theirs = [
        {"id": event.id, "event": event.event, "data": event.data, "retry": event.retry_ms}
        for event in events
    ]
    assert parse_in_node(pieces) == {"events": theirs, "lastEventId": last_id, "retry": retry}


@pytest.fixture
def live(server: Live) -> Live:
    server.at_rest()
    return server


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    keys = f"tests:read:{hash_of(KEY)}"
    with gunicorn(tmp_path_factory.mktemp("keyed"), EMG_API_KEYS=keys) as live:
        yield live


def expect_whole(frames: list[dict[str, Any]], last: dict[str, Any]) -> None:
    """Frames are numbered without a hole or a repetition, and those missed are counted."""
    assert [frame["frame"] for frame in frames] == list(range(len(frames)))
    assert (last["status"], last["total_frames"]) == ("completed", len(frames))
    assert len(frames) + frames[-1]["dropped"] == pytest.approx(FPS * SECONDS, abs=3)


@pytest.mark.server
@needs_node
def test_in_node_it_goes_on_after_a_worker_was_killed(live: Live) -> None:
    module = (HERE.parents[1] / "app" / "static" / "client.js").as_uri()
    script = IN_NODE.format(module=json.dumps(module), url=json.dumps(live.url), fps=FPS, seconds=SECONDS)
    command = ["node", "--input-type=module", "-e", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [json.loads(process.stdout.readline()) for _ in range(15)]
        for pid in live.workers():
            os.kill(pid, signal.SIGKILL)
        said += [json.loads(line) for line in process.stdout]
        assert process.wait(LATE_S) == 0
    states = [event["state"] for event in said if "state" in event]
    assert states[:3] == ["connecting", "open", "waiting"]
    assert states[-2:] == ["open", "completed"]
    *_, last = (event for event in said if "status" in event)
    expect_whole([event for event in said if "prediction" in event], last)


@pytest.mark.server
@pytest.mark.browser
@pytest.mark.parametrize("key", [None, KEY], ids=["no key", "a key"])
@pytest.mark.parametrize("script", [BY_FETCH, BY_EVENT_SOURCE], ids=["fetch", "EventSource"])
def test_in_chromium_it_goes_on_after_a_worker_was_killed(
    request: pytest.FixtureRequest, page: Any, script: str, key: str | None
) -> None:
    live: Live = request.getfixturevalue("keyed" if key else "live")
    until(live.ready, START_S)
    page.goto(f"{live.url}/health/live")  # a page of the same origin
    page.evaluate(script, [FPS, SECONDS, key])
    page.wait_for_function("events.length >= 15", timeout=LATE_S * 1e3)
    for pid in live.workers():
        os.kill(pid, signal.SIGKILL)
    page.wait_for_function("states.at(-1) === 'completed'", timeout=LATE_S * 1e3)
    events, states = page.evaluate("[events, states]")
    assert states[:3] == ["connecting", "open", "waiting"]
    *others, last = [event for event in events if "prediction" not in event]
    assert [event["status"] for event in others] == ["model"]  # who comes back is told it again
    expect_whole([event for event in events if "prediction" in event], last)


@pytest.mark.server
@pytest.mark.browser
def test_in_chromium_a_stream_ends_when_it_is_aborted(live: Live, page: Any) -> None:
    page.goto(f"{live.url}/health/live")
    states = page.evaluate("""async () => {
        const { streamInference } = await import("/static/client.js");
        const [abort, states] = [new AbortController(), []];
        const onState = ({ state }) => states.push(state);
        for await (const event of streamInference({ signal: abort.signal, onState })) abort.abort();
        return states;
    }""")
    assert states == ["connecting", "open", "closed"]
    until(lambda: live.stats()["active_streams"] == 0)
