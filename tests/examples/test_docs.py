"""Every block of docs/clients.md runs, against a real server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.config import ROOT
from tests.server.live import Live, gunicorn

pytestmark = pytest.mark.server

URL = "http://127.0.0.1:8000"
TEXT = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
BLOCKS = [
    (TEXT.count("\n", 0, found.start()) + 1, found[1], found[2])
    for found in re.finditer(r"^```(.*)\n([\s\S]*?)^```$", TEXT, re.MULTILINE)
]


def blocks(language: str) -> Any:
    return pytest.mark.parametrize(
        "content",
        [pytest.param(content, id=f"line {line}") for line, said, content in BLOCKS if said == language],
    )


def run(command: list[str], folder: Path) -> str:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "examples")}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_block_is_of_a_kind_that_is_run() -> None:
    """`csharp` is compiled by tests/clients/unity/test_docs.py; `console` is what needs the reader's own browser."""
    assert {language for _, language, _ in BLOCKS} - {"csharp", "console"} == {
        "sh",
        "python",
        "python push",
        "js",
        "js push",
        "js browser",
    }


@blocks("sh")
def test_command_lines_run(server: Live, tmp_path: Path, content: str) -> None:
    def full(line: re.Match[str]) -> str:
        return f"{sys.executable} {ROOT / line[1]} --url {server.url}"

    script = re.sub(r"^python (\S+)", full, content, flags=re.MULTILINE)
    assert script.count(server.url) == content.count("python ")
    run(["bash", "-euo", "pipefail", "-c", script], tmp_path)


@blocks("python")
def test_python_blocks_run(server: Live, tmp_path: Path, content: str) -> None:
    assert run([sys.executable, "-c", content.replace(URL, server.url)], tmp_path).strip()


@blocks("python push")
def test_pushing_blocks_run(tmp_path: Path, content: str) -> None:
    with gunicorn(tmp_path, EMG_MODE="push") as live:
        assert run([sys.executable, "-c", content.replace(URL, live.url)], tmp_path) == "2000 samples\n"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@blocks("js")
def test_node_blocks_run(server: Live, content: str) -> None:
    said = run(["node", "--input-type=module", "-e", content.replace(URL, server.url)], ROOT).split()
    assert said == ["connecting", "open", "closed"]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@blocks("js push")
def test_pushing_node_blocks_run(tmp_path: Path, content: str) -> None:
    with gunicorn(tmp_path, EMG_MODE="push") as live:
        command = [
            "node",
            "--experimental-websocket",
            "--input-type=module",
            "-e",
            content.replace(URL, live.url),
        ]
        if subprocess.run([*command[:2], "-e", "0"], capture_output=True, check=False).returncode:
            del command[1]  # before 20.10 it has no WebSocket, and goes by POST
        assert run(command, ROOT) == "2000 samples\n"


@pytest.mark.browser
@blocks("js browser")
def test_browser_blocks_run(server: Live, page: Any, content: str) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "log" else None)
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.goto(f"{server.url}/health/live")
    with page.expect_event("console", lambda message: message.text == "completed", timeout=20_000):
        page.add_script_tag(type="module", content=content)
    *frames, last = said
    assert last == "completed"
    assert 18 <= len(frames) <= 20
    assert not any("error" in frame for frame in frames)
