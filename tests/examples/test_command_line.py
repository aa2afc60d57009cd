"""Every documented line of streaming_client.py, as a process of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from app.config import ROOT
from tests.server.live import LATE_S, Live, free_port, until

pytestmark = pytest.mark.server

SCRIPT = str(ROOT / "examples" / "streaming_client.py")
TITLES = [
    "1. How is the server?",
    "2. One prediction",
    "3. The same in TensorRT",
    "4. A stream with a callback",
    "5. How fast is every backend",
    "6. What a device follows",
]


def run(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **more)


def test_without_arguments_it_runs_all_six_examples(server: Live) -> None:
    done = run("--url", server.url, "--no-tensorrt")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line[:2] in {f"{n}." for n in range(1, 7)}]
    positions = [done.stdout.index(title) for title in TITLES]
    assert positions == sorted(positions)
    for fact in ("status ok", "silence:    rest", "no TensorRT here: tensorrt is not available", "0 dropped"):
        assert fact in done.stdout
    assert "onnxruntime: mean" in done.stdout
    assert "completed: " in done.stdout


@pytest.mark.parametrize("number", range(1, 7))
def test_one_example_runs_alone(server: Live, number: int) -> None:
    done = run("--url", server.url, "--example", str(number))
    assert done.returncode == 0, done.stderr
    assert TITLES[number - 1] in done.stdout
    assert sum(title in done.stdout for title in TITLES) == 1


def test_a_stream_into_a_pipe_is_a_line_for_each_event(server: Live) -> None:
    done = run("--url", server.url, "--stream", "--duration", "1", "--fps", "30")
    assert (done.returncode, done.stderr) == (0, "")
    *frames, last = done.stdout.splitlines()
    assert 28 <= len(frames) <= 30
    assert re.match(rf"completed: {len(frames)} frames in 1\.[01] s", last), last


@pytest.mark.parametrize("transport", ["auto", "websocket", "http"])
def test_json_is_one_event_per_line(server: Live, transport: str) -> None:
    options = ["--duration", "1", "--fps", "20", "--votes", "3", "--min-confidence", "0.3", "--no-preprocess"]
    done = run("--url", server.url, "--json", "--no-tensorrt", "--transport", transport, *options)
    assert (done.returncode, done.stderr) == (0, "")
    *frames, last = map(json.loads, done.stdout.splitlines())
    assert last["status"] == "completed"
    assert {"decision_label", "intensity", "probabilities"} <= set(frames[0])


def test_a_reader_of_the_pipe_that_has_had_enough_is_no_error(server: Live) -> None:
    command = [sys.executable, SCRIPT, "--url", server.url, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        json.loads(process.stdout.readline())
        process.stdout.close()
        assert process.wait(LATE_S) == 0
        assert process.stderr.read() == b""


def test_ctrl_c_ends_it_with_130(server: Live) -> None:
    command = [sys.executable, SCRIPT, "--url", server.url, "--stream"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(LATE_S) == 130
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--url", "http://127.0.0.1:{port}"], 1, "error: cannot reach http://127.0.0.1:{port}"),
        (["--url", "localhost"], 1, "error: the URL must be like http://127.0.0.1:8000, got 'localhost'"),
        (
            ["--url", "{url}", "--stream", "--fps", "0"],
            1,
            "error: 422 Unprocessable Entity: fps: must be above 0",
        ),
        (
            ["--url", "{url}", "--stream", "--backend", "tensorrt"],
            1,
            "error: 503 Service Unavailable: tensorrt is",
        ),
        (["--url", "{url}", "--stream", "--source", "arm"], 1, "error: 422 Unprocessable Entity: source: "),
        (["--example", "7"], 2, "invalid choice: 7"),
        (["--example", "4", "--stream"], 2, "not allowed with argument --example"),
        (["--example", "4", "--json"], 2, "argument --json: not allowed with argument --example"),
        (["--foo"], 2, "unrecognized arguments: --foo"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    server: Live, arguments: list[str], code: int, said: str
) -> None:
    known = {"url": server.url, "port": free_port()}
    done = run(*(argument.format(**known) for argument in arguments))
    assert done.returncode == code
    assert said.format(**known) in done.stderr
    assert "Traceback" not in done.stderr


def test_the_key_may_come_from_the_environment(server: Live) -> None:
    """A server without keys takes any; that it is sent is in tests/clients/test_refusals.py."""
    done = run("--url", server.url, "--example", "1", env={**os.environ, "EMG_API_KEY": "two\nlines"})
    assert done.returncode == 1
    assert "error: an API key has only printable ASCII characters" in done.stderr


def test_it_runs_without_any_package(server: Live) -> None:
    """With -S there is no site-packages: neither numpy nor rich."""
    command = [sys.executable, "-S", SCRIPT, "--url", server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def in_a_terminal(seconds: float, *arguments: str) -> str:
    """What it writes when stdout is a terminal of 100 columns."""
    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    command = [sys.executable, SCRIPT, *arguments]
    written = bytearray()
    with subprocess.Popen(command, stdout=follower, stderr=follower, env=env) as process:
        os.close(follower)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            try:
                written += os.read(leader, 65536)
            except OSError:  # EIO: the other side is closed
                break
        assert process.wait(LATE_S) == 0
    os.close(leader)
    return written.decode()


def test_in_a_terminal_a_panel_is_drawn_over_and_over(server: Live) -> None:
    pytest.importorskip("rich")
    text = in_a_terminal(LATE_S, "--url", server.url, "--stream", "--duration", "1", "--fps", "10")
    for part in ("Myostream", "supination", "intensity", "fps", "dropped 0", "completed: "):
        assert part in text
    assert text.count("Myostream") >= 10
    assert "\x1b[" in text
    until(lambda: server.stats()["active_streams"] == 0)
