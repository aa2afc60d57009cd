"""Every block of README.md and the documents named below that says `sh`, `python` or `js` runs, against a real server.

`console` is for what starts servers, trains, or needs files of the reader's own; `text` and `json` show output. A
block marked `js browser` runs in node with a small EventSource.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from app.config import ROOT
from tests.server.own_project import project, serving

pytestmark = pytest.mark.server

URL, HOST = "http://127.0.0.1:8000", "127.0.0.1:8000"
BLOCK_S = 60.0
DOCUMENTS: dict[str, dict[str, str]] = {  # and the settings of the server that its blocks are for
    "README.md": {},
    "docs/first-steps.md": {},
    "docs/api.md": {},
    "docs/push.md": {"EMG_MODE": "push"},
    "docs/recordings.md": {},
}
ELSEWHERE = {  # and where their blocks run
    "docs/clients.md": "tests/examples/test_docs.py",
    "docs/outputs.md": "tests/cli/test_emg_actions.py",
    "docs/teach.md": "tests/clients/test_teach.py",
    "docs/events.md": "tests/examples/test_events_page.py",
    "docs/scale.md": "tests/test_scale.py",
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
    """A server as `make serve` runs it, one for each document; its recordings are not those of this project."""
    made = project(tmp_path_factory.mktemp("server"))
    with serving(made, **{"EMG_BACKENDS": "tensorrt,onnxruntime,pytorch", **DOCUMENTS[name]}) as live:
        yield live.url


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where blocks run and leave their files; in the order of the page, since one may need another's files."""
    return tmp_path_factory.mktemp("blocks")


@pytest.fixture(scope="module")
def followed() -> set[tuple[str, str]]:
    """Which blocks, by page and content, have been run."""
    return set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_block_says_what_it_is(name: str) -> None:
    unknown = [(line, language) for line, language, _ in blocks(name) if language not in RUNS + SHOWN]
    assert unknown == []


def test_every_document_with_something_to_run_is_run() -> None:
    """`console` is for what starts a server or needs the reader's own files; `curl` needs neither."""
    for path in sorted((ROOT / "docs").rglob("*.md")):
        name = str(path.relative_to(ROOT))
        found = [
            (name, line)
            for line, language, content in blocks(name)
            if language not in (*SHOWN, "cpp") or (language != "text" and "curl " in content)
        ]
        assert not found or name in DOCUMENTS or name in ELSEWHERE, found
    assert all((ROOT / test).is_file() for test in ELSEWHERE.values())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_blocks_shown_as_json_are_json(name: str) -> None:
    for _, language, content in blocks(name):
        if language == "json":
            json.loads(content)


@pytest.mark.parametrize(("name", "language", "content"), running("sh"), scope="module")
def test_shell_blocks_run(
    name: str, language: str, content: str, url: str, folder: Path, followed: set[tuple[str, str]]
) -> None:
    """curl answers 0 to an HTTP error, so each answer that is a problem must be one the page announces."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    for _, kind, before in blocks(name):  # whose files it may need, where it is run alone
        if before == content:
            break
        if kind == language and (name, before) not in followed:
            shell(before, url, folder)
            followed.add((name, before))
    followed.add((name, content))
    done = shell(content, url, folder)
    assert done.stdout.endswith("WORKED\n")
    refused = re.findall(r'"status":(\d{3})', done.stdout)
    expected = ["503"] if "/infer/tensorrt" in content and not has_tensorrt(url) else []
    assert refused == (["422"] if '"foo"' in content else expected), done.stdout


def shell(content: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Do what a block says at the server. What is not downloaded is no file, but an error."""
    script = content.replace(URL, url).replace("python3 ", f"{sys.executable} ").replace("curl ", "curl -sS ")
    script = script.replace("curl -sS -OJ ", "curl -sS --fail -OJ ")
    return run(["bash", "-euo", "pipefail", "-c", f"{script}\necho WORKED"], folder)


@pytest.mark.parametrize(("name", "language", "content"), running("python"), scope="module")
def test_python_blocks_run(name: str, language: str, content: str, url: str) -> None:
    """From the project's root, as the page says, and with nothing else on the path."""
    here = content.replace(URL, url).replace(HOST, url.removeprefix("http://"))
    done = run([sys.executable, "-c", here], ROOT)
    if "tritonclient" in content:  # one window of silence
        assert done.stdout.strip() == "[b'rest']"
        return
    *labels, last = done.stdout.splitlines()
    assert len(labels) >= 10
    assert "'status': 'completed'" in last


@pytest.mark.parametrize(("name", "language", "content"), running("js", "js browser"), scope="module")
def test_javascript_blocks_run(name: str, language: str, content: str, url: str) -> None:
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
