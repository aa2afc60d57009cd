"""Backends in a real worker, and the development server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from tests.server.live import LATE_S, ROOT, START_S, free_port, gunicorn, until

pytestmark = pytest.mark.server


def post(url: str, body: object) -> bytes:
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=START_S) as answer:
        found: bytes = answer.read()
        return found


def test_pytorch_opens_in_a_running_worker_when_it_is_first_asked_for(tmp_path: Path) -> None:
    """gevent's subprocess, which torch's import may use, works on the hub's thread only; see gunicorn.conf.py."""
    with gunicorn(tmp_path, EMG_BACKENDS="onnxruntime,pytorch") as live:
        stream = post(f"{live.url}/infer/stream", {"backend": "pytorch", "duration_seconds": 0.2})
        assert b'"backend":"pytorch"' in stream
        found = json.loads(post(f"{live.url}/benchmark", {"num_iterations": 20}))
        assert found["pytorch"]["mean_latency_ms"] > 0
        assert found["onnxruntime"]["mean_latency_ms"] > 0
        assert found["tensorrt"] is None


def test_a_benchmark_opens_pytorch_only_where_it_is_asked_to(tmp_path: Path) -> None:
    with gunicorn(tmp_path, EMG_BACKENDS="onnxruntime,pytorch") as live:
        skipped = json.loads(post(f"{live.url}/benchmark", {"num_iterations": 20}))
        assert (skipped["pytorch"], skipped["onnxruntime"] is None) == (None, False)
        with ThreadPoolExecutor(1) as pool:
            stream = pool.submit(
                post, f"{live.url}/infer/stream", {"backend": "onnxruntime", "duration_seconds": 4.0}
            )
            found = json.loads(post(f"{live.url}/benchmark", {"num_iterations": 20, "backends": "pytorch"}))
            text = stream.result().decode()
        assert found["pytorch"]["mean_latency_ms"] > 0
        assert found["onnxruntime"] is None  # nobody asked for it
        assert '"status":"completed"' in text.replace(": ", ":")
        assert "error" not in text


def test_flask_run_serves_on_ordinary_threads() -> None:
    port = free_port()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EMG_", "WEB_CONCURRENCY"))}
    code = (
        "import sys, threading, flask.cli, atexit;"
        "atexit.register(lambda: print('gevent' in sys.modules, flush=True));"
        f"sys.argv = ['flask', '--app', 'wsgi', 'run', '-p', '{port}']; flask.cli.main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**kept, "EMG_BACKENDS": "onnxruntime"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with urlopen(f"{url}/health", timeout=LATE_S) as answer:
                return bool(json.load(answer)["source"]["samples"] > 1000)
        except URLError:  # not there yet
            return False

    try:
        until(answers, START_S)
        assert json.loads(post(f"{url}/infer", {}))["backend"] == "onnxruntime"
        assert b'"status":"completed"' in post(f"{url}/infer/stream", {"duration_seconds": 0.2})
    finally:
        process.send_signal(2)
        said, _ = process.communicate(timeout=LATE_S)
    assert said.split()[-1] == "False"  # gevent was never imported
