"""The clients' live sockets and a real server: keys, TLS, killed workers, an upload, a browser, a microcontroller."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.config import ROOT
from app.keys import hash_of
from myostream_client import (
    Decision,
    Frame,
    Interrupted,
    KeyRefusedError,
    Quality,
    Receipt,
    Record,
    RefusedError,
    StreamingInferenceClient,
)
from tests.clients.conftest import ClientOf
from tests.clients.cutting_proxy import CuttingProxy
from tests.server import proxies
from tests.server.live import LATE_S, Live, gunicorn, until
from tests.server.test_tls import secure

pytestmark = pytest.mark.server

CHANNELS, RATE = 16, 2000
KEY, READER = "a-key-for-these-tests-and-no-others-0123456789", "another-key-for-these-tests-0123456789"
SAMPLES = np.random.default_rng(0).normal(0, 30, (10 * RATE, CHANNELS)).astype("<f4")
ARM: dict[str, Any] = {"channels": CHANNELS, "sampling_rate_hz": RATE}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with gunicorn(tmp_path_factory.mktemp("live"), EMG_MODE="push") as live:
        yield live
        assert "Traceback" not in live.log, live.log


def chunks(count: int, size: int = 40) -> Iterator[Any]:
    """So many chunks of 20 ms, when a device would have them."""
    began = time.monotonic()
    for k in range(count):
        time.sleep(max(0.0, began + (k + 1) * size / RATE - time.monotonic()))
        first = k * size % (len(SAMPLES) - size + 1)
        yield SAMPLES[first : first + size]


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_frames_and_decisions_are_those_of_the_samples_whichever_way_they_go(
    live: Live, client_of: ClientOf, transport: str
) -> None:
    client: StreamingInferenceClient = client_of(live.url, transport=transport)
    with client.live(f"by-{transport}", send=["frames", "decisions"], fps=25, votes=3, **ARM) as source:
        assert source.transport == transport
        events = [*source.through(chunks(60)), *source.received(1.0)]
        assert source.flush().next_sample == 2400
    frames = [event for event in events if isinstance(event, Frame)]
    assert len(frames) >= 10
    assert {frame.sample_index % (RATE // 25) for frame in frames} == {0}
    decisions = [event.decision for event in events if isinstance(event, Decision)]
    assert decisions[0] == frames[0].decision
    assert all(before != after for before, after in pairwise(decisions))


def test_counts_of_24_bits_and_records_mean_what_floats_and_json_do(live: Live, client_of: ClientOf) -> None:
    client: StreamingInferenceClient = client_of(live.url)
    counts = np.round(SAMPLES[:2400] * 1000).astype(np.int32)
    found = []
    for name, samples, more in (
        ("floats", counts.astype("<f4") * np.float32(1e-3), {}),
        ("counts", counts, {"format": "binary", "sample_format": "int24", "scale": 1e-3}),
    ):
        with client.live(name, send=["frames"], fps=10, **ARM, **more) as source:
            source.send(samples)
            source.flush()
            events: list[Any] = []
            until(lambda found=events, source=source: found.extend(source.received()) or found)
            found.append(next(event for event in events if event.sample_index == events[0].sample_index))
    floats, record = found
    assert isinstance(floats, Frame)
    assert isinstance(record, Record)
    assert record.sample_index % (RATE // 10) == floats.sample_index % (RATE // 10) == 0
    if record.sample_index == floats.sample_index:
        assert (record.prediction, record.decision) == (floats.prediction, floats.decision)
        assert record.confidence == pytest.approx(floats.confidence, abs=1e-3)


def test_electrodes_that_deliver_nothing_are_told(live: Live, client_of: ClientOf) -> None:
    dead = SAMPLES[: 3 * RATE].copy()
    dead[:, 5] = 0
    with client_of(live.url).live("dead", send=["quality"], **ARM) as source:
        events = list(source.through(dead[k : k + 40] for k in range(0, len(dead), 40)))
        until(lambda: events.extend(source.received(0.1)) or any(not event.ok for event in events))
    bad = next(event for event in events if isinstance(event, Quality) and not event.ok)
    assert bad.channels[5]["ok"] is False


def test_a_killed_worker_is_said_and_survived(tmp_path: Path, client_of: ClientOf) -> None:
    with gunicorn(tmp_path, EMG_MODE="push") as live:
        events: list[Any] = []
        with client_of(live.url).live("arm", fps=25, **ARM) as source:
            for k, chunk in enumerate(chunks(3000)):  # as long as the next worker takes to begin
                source.send(chunk)
                events += source.received()
                if k == 50:
                    for pid in live.workers():
                        os.kill(pid, signal.SIGKILL)
                kinds = [type(event) for event in events]
                if Interrupted in kinds and Frame in kinds[kinds.index(Interrupted) :]:
                    break
            receipt = source.flush()
        assert Interrupted in kinds
        assert Frame in kinds[kinds.index(Interrupted) :]
        assert receipt.next_sample == 40 * (k + 1)


def test_a_long_upload_goes_on_after_a_cut(live: Live, client_of: ClientOf) -> None:
    with CuttingProxy(live.port) as proxy:
        client: StreamingInferenceClient = client_of(proxy.url, transport="http")
        with client.push("upload", **ARM) as source:

            def cut_in_the_middle() -> Iterator[Any]:
                for k, chunk in enumerate(chunks(100)):
                    if k in (30, 60):
                        proxy.cut()
                    yield chunk

            receipt = source.send_all(cut_in_the_middle())
            assert receipt == Receipt(
                accepted=4000, duplicates=receipt.duplicates, lost_samples=0, next_sample=4000
            )
            assert source.send(SAMPLES[:40]).next_sample == 4040
        assert 4 <= proxy.connections <= 10


def test_an_upload_is_refused_in_the_servers_words(live: Live, client_of: ClientOf) -> None:
    with client_of(live.url, transport="http").push("refused", scale=0.5, **ARM) as source:
        assert source.send_all(iter([])).next_sample == 0
        with pytest.raises(RefusedError, match="NaN or infinite"):
            source.send_all([SAMPLES[:40], np.full((40, CHANNELS), np.nan)])
        with pytest.raises(ValueError, match=r"a chunk must be \(n, 16\)"):
            source.send_all([SAMPLES[:40, :3]])


def test_by_websocket_all_chunks_are_the_same_to_look_at(live: Live, client_of: ClientOf) -> None:
    with client_of(live.url).push("chunks", **ARM) as source:
        assert source.send_all(SAMPLES[k : k + 40] for k in range(0, 4000, 40)).accepted == 4000
        assert source.next_sample == 4000


def test_a_key_opens_what_it_may(tmp_path: Path, client_of: ClientOf) -> None:
    keys = f"both:read+control:{hash_of(KEY)},reader:read:{hash_of(READER)}"
    with gunicorn(tmp_path, EMG_MODE="push", EMG_API_KEYS=keys) as live:
        with client_of(live.url, api_key=KEY).live("arm", **ARM) as source:
            assert source.transport == "websocket"
            source.send(SAMPLES[:4000])
            assert source.flush().accepted == 4000
            assert isinstance(next(iter(client_of(live.url, api_key=READER).stream(source="arm"))), Frame)
        for key in (None, "wrong", READER):
            with pytest.raises(KeyRefusedError):
                client_of(live.url, api_key=key).push("leg", **ARM)
        assert KEY not in live.log


def test_the_same_over_tls(tmp_path: Path) -> None:
    with secure(tmp_path, ("read", "control"), EMG_MODE="push") as server:
        url = f"https://localhost:{server.live.port}"
        with (
            StreamingInferenceClient(url, server.secret, tls=server.trust) as client,
            client.live("arm", fps=10, **ARM) as source,
        ):
            assert source.transport == "websocket"
            frames = [event for event in source.through(chunks(100)) if isinstance(event, Frame)]
            assert len(frames) > 10
            assert source.flush().next_sample == 4000


def test_windows_get_the_predictions_of_a_request(tmp_path: Path, client_of: ClientOf) -> None:
    windows = SAMPLES[:6400].reshape(32, 200, CHANNELS)
    with gunicorn(tmp_path) as live, CuttingProxy(live.port) as proxy:
        client: StreamingInferenceClient = client_of(proxy.url)
        told = [found.prediction for found in client.infer_batch(windows)]
        with client.windows(200) as socket:
            assert (socket.greeting["length"], socket.greeting["channels"]) == (200, CHANNELS)
            for start in range(0, 32, 4):
                assert socket.send(windows[start : start + 4]) == start // 4
            found = socket.predictions()
            proxy.cut()
            socket.send(windows[0])
            assert socket.pending == 8
            for _ in range(7):
                found += socket.predictions()
            assert [one.prediction for one in found] == told
            assert [one.prediction for one in socket.predictions()] == told[:1]
            with pytest.raises(ValueError, match="have been answered"):
                socket.predictions()
            with pytest.raises(
                ValueError, match=r"windows are \(n, 200, 16\), got an array of \(1, 200, 3\)"
            ):
                socket.send(windows[0][:, :3])
            socket.send(np.full((200, CHANNELS), np.nan))
            socket.send(windows[1])
            with pytest.raises(RefusedError, match="422"):
                socket.predictions()
            assert [one.prediction for one in socket.predictions()] == told[1:2]  # the others go on
        with pytest.raises(RefusedError, match="the model takes 200 to 1500, got 150"):
            client.windows(150)


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.parametrize("upgrades", [True, False], ids=["as deployed", "without the lines for WebSocket"])
def test_through_nginx_it_is_a_websocket_where_that_lets_one_through(
    tmp_path: Path, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, upgrades: bool
) -> None:
    if not upgrades:

        def without(name: str, changes: dict[str, str]) -> str:
            lines = replaced(name, changes).splitlines()
            return "\n".join(line for line in lines if "proxy_set_header Upgrade" not in line)

        replaced = proxies.replaced
        monkeypatch.setattr(proxies, "replaced", without)
    settings = {"EMG_MODE": "push", "EMG_TRUSTED_PROXIES": "127.0.0.1", "EMG_ALLOW_ANONYMOUS": "1"}
    with gunicorn(tmp_path, **settings) as live, proxies.nginx(tmp_path, live.port) as port:
        client: StreamingInferenceClient = client_of(f"http://127.0.0.1:{port}")
        with client.live("arm", fps=10, **ARM) as source:
            assert source.transport == ("websocket" if upgrades else "http")
            source.send(SAMPLES[:4000])
            assert source.flush().accepted == 4000
            assert isinstance(next(iter(source)), Frame)


IN_CHROMIUM = """async ([apiKey, transport]) => {
    const { liveSource } = await import("/static/live_source.js");
    const states = [];
    const call = { apiKey, name: "browser", channels: 16, samplingRateHz: 2000, send: ["frames", "decisions"] };
    const onState = ({ state, reason }) => states.push(reason ? `${state}: ${reason}` : state);
    const live = await liveSource({ ...call, transport, options: { fps: 25 }, onState });
    const feeding = setInterval(() => live.send(Int16Array.from({ length: 640 }, () => 60 * Math.random() - 30)), 20);
    const types = [];
    for await (const { type } of live) if (types.push(type) >= 30) break;
    clearInterval(feeding);
    const receipt = await live.flush();
    await live.close();
    return { transport: live.transport, types, receipt, sent: live.nextSample, states };
}"""


@pytest.mark.browser
@pytest.mark.parametrize("transport", ["auto", "http"])
@pytest.mark.parametrize("key", ["", KEY], ids=["no key", "a key"])
def test_in_chromium(tmp_path: Path, browser: Any, transport: str, key: str) -> None:
    """Under the page's own policy, and by tickets."""
    keys = {"EMG_API_KEYS": f"both:read+control:{hash_of(KEY)}"} if key else {}
    page = browser.new_page()
    with gunicorn(tmp_path, EMG_MODE="push", **keys) as live:
        page.goto(f"{live.url}/")
        found = page.evaluate(IN_CHROMIUM, [key, transport])
        assert found["transport"] == ("websocket" if transport == "auto" else "http")
        assert found["types"][0] == "decision"
        assert found["types"].count("frame") > 20
        assert found["receipt"]["next_sample"] == found["sent"]
        assert found["receipt"]["lost_samples"] == 0
        assert not [state for state in found["states"] if "waiting" in state]
        page.close()
        assert KEY not in live.log


@pytest.mark.browser
def test_in_chromium_a_killed_worker_is_survived(tmp_path: Path, page: Any) -> None:
    with gunicorn(tmp_path, EMG_MODE="push") as live:
        page.goto(f"{live.url}/")
        page.evaluate("""async () => {
            const { liveSource } = await import("/static/live_source.js");
            window.events = []; window.states = [];
            const onState = ({ state }) => states.push(state);
            const call = { name: "browser", channels: 16, samplingRateHz: 2000, onState };
            window.live = await liveSource(call);
            setInterval(() => live.send(Int16Array.from({ length: 640 }, () => 60 * Math.random() - 30)), 20);
            (async () => { for await (const event of live) events.push(event); })();
        }""")
        page.wait_for_function("events.length > 10", timeout=LATE_S * 1e3)
        for pid in live.workers():
            os.kill(pid, signal.SIGKILL)
        page.wait_for_function("states.includes('waiting')", timeout=LATE_S * 1e3)
        before = page.evaluate("events.length")
        page.wait_for_function(f"events.length > {before} + 10", timeout=LATE_S * 1e3)
        page.evaluate("live.close()")


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_the_sketch_of_the_microcontroller(tmp_path: Path, client_of: ClientOf) -> None:
    from tests.clients.test_esp32 import board

    keys = f"both:read+control:{hash_of(KEY)}"
    settings = {"EMG_MODE": "push", "EMG_MODEL": "none", "EMG_API_KEYS": keys}
    with gunicorn(tmp_path, **settings) as live, board(tmp_path, live.port, KEY) as printed:
        client: StreamingInferenceClient = client_of(live.url, api_key=KEY)

        def state() -> dict[str, Any]:
            found = [one for one in client.sources()["sources"] if one["name"] == "esp32"]
            return found[0] if found else {"samples": 0}

        until(lambda: state()["samples"] > 500)
        for pid in live.workers():
            os.kill(pid, signal.SIGKILL)
        until(lambda: "no decision: stop" in printed.read_text())
        until(lambda: live.ready() and state()["samples"] > 2000)
        found = state()
        assert (found["channels"], found["sampling_rate_hz"], found["units"]) == (4, 1000.0, "mV")
        assert found["lost_samples"] == 0


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_in_node_without_a_websocket_it_is_post_and_a_stream(live: Live) -> None:
    module = (ROOT / "app" / "static" / "live_source.js").as_uri()
    script = f"""
        import {{ liveSource }} from {json.dumps(module)};
        const call = {{ url: {json.dumps(live.url)}, name: "node", channels: 16, samplingRateHz: 2000 }};
        const live = await liveSource({{ ...call, WebSocket: undefined }});
        for (let k = 0; k < 50; k += 1) live.send(new Float32Array(640).fill(k % 7));
        const {{ next_sample }} = await live.flush();
        for await (const {{ type }} of live) {{ console.log(live.transport, next_sample, type); break; }}
        await live.close();
    """
    command = ["node", "--input-type=module", "-e", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["http", "2000", "frame"], done.stderr
