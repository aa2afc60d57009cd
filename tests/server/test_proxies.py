"""What a client sees through a real nginx and a real Caddy: the same as without one."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
import trustme

from app.api.sse.handover import KEEP_ALIVE_S
from tests.server.live import LATE_S, Client, Json, Live, connecting, free_port, gunicorn, until
from tests.server.live_socket import BINARY, LiveSocket
from tests.server.proxies import PROXIES, caddy, nginx

pytestmark = pytest.mark.server

Connect = Callable[..., Client]
RAW = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def live(server: Live) -> Live:
    return server


@pytest.fixture(scope="module", params=PROXIES)
def port(
    request: pytest.FixtureRequest, live: Live, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """Of the proxy."""
    with PROXIES[request.param](tmp_path_factory.mktemp("proxy"), live.port) as port:
        yield port


@pytest.fixture
def connect(port: int) -> Iterator[Connect]:
    with connecting(port) as connect:
        yield connect


def test_frames_arrive_one_by_one(connect: Connect) -> None:
    """A frame that waited for others in a buffer would be older than one period when it is read."""
    ages, arrived = [], []
    for event in connect(fps=10, duration_seconds=3).events():
        arrived.append(time.time())
        if "timestamp" in event:
            ages.append(arrived[-1] - event["timestamp"])
    assert len(ages) >= 28
    assert float(np.median(ages)) < 0.05
    intervals = np.diff(arrived[: len(ages)])
    assert np.median(intervals) == pytest.approx(0.1, abs=0.03)


def test_a_binary_body_is_answered_as_without_a_proxy(live: Live, port: int) -> None:
    windows = np.random.default_rng(0).normal(0, 20, (64, 200, 16)).astype("<f4").tobytes()  # 800 KiB

    def asked(at: int) -> Json:
        url = f"http://127.0.0.1:{at}/infer/onnx?batch=64&length=200&channels=16"
        with urlopen(Request(url, windows, RAW), timeout=LATE_S) as answer:
            found: Json = json.load(answer)
        return {key: found[key] for key in ("prediction", "probabilities", "shape", "backend")}

    assert asked(port) == asked(live.port)


def test_a_stream_goes_on_after_the_last_event_id(connect: Connect) -> None:
    first = connect(method="GET", fps=20)
    before = first.frames(5)[-1]
    first.close()
    second = connect(method="GET", fps=20, last_event_id=first.last_id)
    after = second.frames(1)[0]
    assert after["frame"] == before["frame"] + 1
    assert after["sample_index"] > before["sample_index"]


def test_a_503_passes_through_with_its_reason(port: int) -> None:
    request = Request(f"http://127.0.0.1:{port}/infer/tensorrt", method="POST")
    with pytest.raises(HTTPError) as caught:
        urlopen(request, timeout=LATE_S)
    with caught.value as answer:
        assert answer.code == 503
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "tensorrt" in json.load(answer)["detail"].lower()


def test_the_stream_behind_it_ends_when_the_client_leaves(live: Live, connect: Connect) -> None:
    until(lambda: live.stats()["active_streams"] == 0)  # a proxy takes a moment to pass a close on
    client = connect(fps=30)
    client.frames(3)
    assert live.stats()["active_streams"] == 1
    client.close()
    until(lambda: live.stats()["active_streams"] == 0)


def test_a_live_socket_passes_through(live: Live, port: int) -> None:
    reader = LiveSocket(port, "/infer/live", send="frames")
    frames = [reader.until("frame") for _ in range(5)]
    assert [frame["frame"] for frame in frames] == list(range(5))
    reader.close()
    until(lambda: live.stats()["active_streams"] == 0)
    windows = LiveSocket(port, "/infer/live", length=200)
    windows.until("live")
    windows.send(BINARY, struct.pack("<BBBBIQ", 1, 1, 0, 0, 1, 7) + bytes(4 * 200 * 16))
    assert windows.until("prediction")["id"] == 7
    windows.close()


def status(request: Request) -> int:
    try:
        with urlopen(request, timeout=LATE_S) as answer:
            answer.read()
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("proxy", PROXIES)
def test_no_query_stands_in_a_log_whether_the_server_answers_or_not(
    live: Live, proxy: str, tmp_path: Path
) -> None:
    """A ticket for a stream did."""
    for name, upstream in (("up", live.port), ("down", free_port())):
        folder = tmp_path / name
        folder.mkdir()
        with PROXIES[proxy](folder, upstream) as port:
            for number in range(3):
                url = f"http://127.0.0.1:{port}/infer/stream?duration_seconds=0.1&ticket=secret{number}"
                assert status(Request(url, headers={"Referer": url})) == (200 if name == "up" else 502)
        logs = {path: path.read_text() for path in folder.rglob("*") if path.suffix in (".log", ".out")}
        assert not [path for path, text in logs.items() if "secret" in text]
        if proxy == "nginx" or name == "down":  # Caddy itself logs only what has failed
            assert any("/infer/stream" in text for text in logs.values()), logs


@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_over_tls_they_speak_http_2_so_that_a_browser_may_have_many_streams(
    live: Live, proxy: Callable[..., AbstractContextManager[int]], tmp_path: Path
) -> None:
    """nginx had no `http2` in the line about TLS: six streams took all that a browser connects to a server."""
    authority, certificate = trustme.CA(), tmp_path / "both.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        proxy(tmp_path, live.port, certificate=certificate) as port,
        socket.create_connection(("127.0.0.1", port), timeout=LATE_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"


@pytest.mark.slow
def test_a_silent_stream_is_not_cut(tmp_path: Path) -> None:
    """The source stalls for longer than the proxy waits for a byte; comments keep the connection."""
    wait_s = 7
    assert KEEP_ALIVE_S + 1 < wait_s < 12
    with ExitStack() as stack:
        live = stack.enter_context(gunicorn(tmp_path, EMG_FAULTS="stall@8000:12"))
        ports = [stack.enter_context(nginx(tmp_path, live.port, wait_s))]
        ports.append(stack.enter_context(caddy(tmp_path, live.port)))
        clients = [Client(port, method="GET", fps=30) for port in ports]
        try:
            for client in clients:
                statuses = []
                for event in client.events():
                    statuses += [event["status"]] if "status" in event else []
                    if statuses[-1:] == ["recovered"]:
                        break
                assert statuses == ["stalled", "recovered"]
        finally:
            for client in clients:
                client.close()
