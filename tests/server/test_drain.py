"""EMG_DRAIN: between SIGTERM and the end, all is served, and whoever asks is told to ask elsewhere."""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.live import LATE_S, Client, Live, gunicorn, until

pytestmark = pytest.mark.server

LONG = "600"  # no test waits for it


@pytest.fixture(params=["1", "2"], ids=["one worker", "two workers"])
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Live]:
    with gunicorn(tmp_path, EMG_DRAIN=LONG, WEB_CONCURRENCY=request.param) as live:
        yield live
        live.process.send_signal(signal.SIGTERM)  # a second time, where it drains: it waits no longer


def asked(live: Live, method: str, path: str) -> tuple[int, str | None, bytes]:
    """Status, `Connection` and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=LATE_S)
    try:
        connection.request(method, path, b"{}", {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Connection"), answer.read()
    finally:
        connection.close()


def test_all_is_served_and_nobody_is_to_come_again(live: Live) -> None:
    """All workers say so: a proxy that asked one that did not know would send it more."""
    assert asked(live, "POST", "/infer")[:2] == (200, "keep-alive")
    before = Client(live.port, fps=10)
    before.frames(1)
    live.process.send_signal(signal.SIGTERM)
    until(lambda: not live.ready())
    for _ in range(20):
        status, connection, body = asked(live, "GET", "/health/ready")
        assert (status, connection) == (503, "close")
        assert "about to stop" in json.loads(body)["detail"]
        assert asked(live, "POST", "/infer")[:2] == (200, "close")
        assert asked(live, "GET", "/health/live")[:2] == (200, "close")
    after = Client(live.port, fps=10)
    after.frames(2)
    before.frames(2)
    live.process.send_signal(signal.SIGTERM)
    for client in (before, after):
        *_, last = client.events()
        assert (last["status"], last["reason"]) == ("completed", "shutdown")
        client.close()
    assert live.process.wait(LATE_S) == 0
    assert "Traceback" not in live.log


def test_it_ends_by_itself(tmp_path: Path) -> None:
    with gunicorn(tmp_path, EMG_DRAIN="0.5") as live:
        live.process.send_signal(signal.SIGTERM)
        assert live.process.wait(LATE_S) == 0
        assert "new requests are served for 0.5 s more" in live.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_another_order_to_end_is_not_kept_waiting(tmp_path: Path, number: signal.Signals) -> None:
    with gunicorn(tmp_path, EMG_DRAIN=LONG) as live:
        live.process.send_signal(signal.SIGTERM)
        until(lambda: not live.ready())
        live.process.send_signal(number)
        assert live.process.wait(LATE_S) == 0
