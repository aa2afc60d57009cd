"""Every block of README.md and the documents named below that says `sh`, `python` or `js` runs, against a real server.

`console` is for what starts servers, trains, or needs files of the reader's own; `text` and `json` show output. A
block marked `js browser` runs in node with a small EventSource.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from app.config import ROOT

pytestmark = pytest.mark.server

URL = "http://127.0.0.1:8000"
START_S = 60.0
BLOCK_S = 60.0
DOCUMENTS: dict[str, dict[str, str]] = {  # and the settings of the server that its blocks are for
    "README.md": {},
    "docs/api.md": {},
    "docs/push.md": {"EMG_MODE": "push"},
}
RUNS, SHOWN = ("sh", "python", "js", "js browser"), ("console", "json", "text")

EVENT_SOURCE = """
class EventSource {
  constructor(url) { this.read(url); }
  async read(url) {
    let text = "";
    for await (const piece of (await fetch(url)).body.pipeThrough(new TextDecoderStream())) {
      const events = (text + piece).split("\\n\\n");
      text = events.pop();
      for (const event of events) {
        const line = event.split("\\n").find((line) => line.startsWith("data: "));
        if (line) this.onmessage({ data: line.slice(6) });
      }
    }
  }
  close() { console.log("closed"); }
}
"""


def blocks(name: str) -> list[tuple[int, str, str]]:
    """(line, language, content) of each fenced block."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, found.start()) + 1, found[1], found[2])
        for found in re.finditer(r"^```(.*)\n([\s\S]*?)^```$", text, re.MULTILINE)
    ]


def running(*languages: str) -> list[Any]:
    return [
        pytest.param(name, language, content, id=f"{name}:{line}")
        for name in DOCUMENTS
        for line, language, content in blocks(name)
        if language in languages
    ]


@pytest.fixture(scope="module")
def url(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server as `make serve` runs it, on a free port; one for each document."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    log = tmp_path_factory.mktemp("server") / "log"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EMG_", "WEB_CONCURRENCY"))}
    env = {**kept, "EMG_BIND": address, **DOCUMENTS[name]}
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output)
    try:
        _await_ready(f"http://{address}", server, log)
        yield f"http://{address}"
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where blocks run and leave their files; in the order of the page, since one may need another's files."""
    return tmp_path_factory.mktemp("blocks")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_block_says_what_it_is(name: str) -> None:
    unknown = [(line, language) for line, language, _ in blocks(name) if language not in RUNS + SHOWN]
    assert unknown == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_blocks_shown_as_json_are_json(name: str) -> None:
    for _, language, content in blocks(name):
        if language == "json":
            json.loads(content)


@pytest.mark.parametrize(("name", "language", "content"), running("sh"), scope="module")
def test_shell_blocks_run(name: str, language: str, content: str, url: str, folder: Path) -> None:
    """curl answers 0 to an HTTP error, so each answer that is a problem must be one the page announces."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    script = content.replace(URL, url).replace("python3 ", f"{sys.executable} ").replace("curl ", "curl -sS ")
    done = run(["bash", "-euo", "pipefail", "-c", f"{script}\necho WORKED"], folder)
    assert done.stdout.endswith("WORKED\n")
    refused = re.findall(r'"status":(\d{3})', done.stdout)
    expected = ["503"] if "/infer/tensorrt" in content and not has_tensorrt(url) else []
    assert refused == (["422"] if '"foo"' in content else expected), done.stdout


@pytest.mark.parametrize(("name", "language", "content"), running("python"), scope="module")
def test_python_blocks_run(name: str, language: str, content: str, url: str, folder: Path) -> None:
    done = run([sys.executable, "-c", content.replace(URL, url)], folder, PYTHONPATH=str(ROOT / "examples"))
    *labels, last = done.stdout.splitlines()
    assert len(labels) >= 10
    assert "'status': 'completed'" in last


@pytest.mark.parametrize(("name", "language", "content"), running("js", "js browser"), scope="module")
def test_javascript_blocks_run(name: str, language: str, content: str, url: str, folder: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    script = content.replace(URL, url).replace("duration_seconds=10", "duration_seconds=2")
    before = EVENT_SOURCE if language == "js browser" else ""
    done = run(["node", "--input-type=module", "-e", before + script], ROOT)
    lines = done.stdout.splitlines()
    assert len(lines) >= 10
    assert lines[-1] == ("closed" if before else "undefined")  # the last event has no label


def has_tensorrt(url: str) -> bool:
    with urlopen(f"{url}/health", timeout=10) as answer:
        return bool(json.load(answer)["tensorrt_available"])


def run(command: list[str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **more}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=BLOCK_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def _await_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends and server.poll() is None:
        try:
            with urlopen(f"{url}/health/ready", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the server did not become ready:\n{log.read_text(errors='replace')}")
