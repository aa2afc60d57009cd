"""Streams end well: with the client, and with the server."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.server.live import LATE_S, Client, Live, gunicorn, until

pytestmark = pytest.mark.server


def test_at_sigterm_every_stream_gets_its_last_word_and_the_exit_code_is_0(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as live:
        clients = [Client(live.port, fps=30) for _ in range(5)]
        for client in clients:
            client.frames(1)
        live.process.send_signal(signal.SIGTERM)
        for client in clients:
            *_, last = client.events()
            assert (last["status"], last["reason"]) == ("completed", "shutdown")
            client.close()
        assert live.process.wait(LATE_S) == 0
        assert "Traceback" not in live.log


def test_connections_on_which_nobody_asks_do_not_hold_a_stop_up(tmp_path: Path) -> None:
    """Such as those that a browser keeps: one was asked on, one never."""
    with gunicorn(tmp_path, GUNICORN_CMD_ARGS="--keep-alive 60") as live:  # graceful_timeout is 10 s
        with (
            socket.create_connection(("127.0.0.1", live.port), LATE_S) as asked,
            socket.create_connection(("127.0.0.1", live.port), LATE_S) as silent,
        ):
            asked.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert asked.recv(65536).startswith(b"HTTP/1.1 200 ")
            live.process.send_signal(signal.SIGTERM)
            assert live.process.wait(LATE_S) == 0
            for idle in (asked, silent):
                while idle.recv(65536):  # what is left of an answer; a connection that is kept times out
                    pass
        assert "graceful timeout" not in live.log
        assert "Traceback" not in live.log, live.log


def test_a_client_that_leaves_frees_its_slot(server: Live) -> None:
    client = Client(server.port, fps=30)
    client.frames(2)
    assert server.stats()["active_streams"] == 1
    client.close()
    until(lambda: server.stats()["active_streams"] == 0)


def test_a_stream_goes_on_while_a_benchmark_runs(server: Live) -> None:
    client = Client(server.port, fps=20)
    before = client.frames(1)[0]
    asked = Request(f"{server.url}/benchmark?num_iterations=300", method="POST")
    with urlopen(asked, timeout=60) as answer:
        assert json.load(answer)["onnxruntime"]["throughput_qps"] > 0
    after = client.frames(3)[-1]
    assert after["sample_index"] > before["sample_index"]
    client.close()
