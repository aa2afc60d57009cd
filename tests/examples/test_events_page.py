"""Every block of docs/events.md runs, and hears of gestures."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from app.config import ROOT
from app.inference.gestures.events import GestureRuleSet, Reason
from tests.examples.test_docs import run
from tests.server.live import Live, gunicorn

URL = "http://127.0.0.1:8000"
TEXT = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
BLOCKS = [(found[1], found[2]) for found in re.finditer(r"^```(.*)\n([\s\S]*?)^```$", TEXT, re.MULTILINE)]


def blocks(language: str) -> Any:
    found = [content for said, content in BLOCKS if said == language]
    return pytest.mark.parametrize("content", found, ids=[str(k) for k in range(len(found))])


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with gunicorn(tmp_path_factory.mktemp("events")) as live:
        yield live


@pytest.mark.server
@blocks("sh")
def test_shell_blocks_run(content: str, live: Live, tmp_path: Path) -> None:
    script = content.replace(URL, live.url).replace("curl ", "curl -sS ")
    said = run(["bash", "-euo", "pipefail", "-c", script], tmp_path)
    if "grep" in content:  # of 8 s, in which somebody at the simulator does something
        assert {json.loads(line[6:])["phase"] for line in said.splitlines()} >= {"onset", "release"}
    else:
        assert said.count('"status":"completed"') == content.count("curl ")


@pytest.mark.server
@blocks("python")
def test_python_blocks_run(content: str, live: Live) -> None:
    said = run([sys.executable, "-c", content.replace(URL, live.url)], ROOT)
    assert "began" in said
    assert "ended: " in said


@pytest.mark.server
@blocks("js")
def test_javascript_blocks_run(content: str, live: Live) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    said = run(["node", "--input-type=module", "-e", content.replace(URL, live.url)], ROOT)
    assert "began" in said
    assert "ended: " in said


def test_the_page_has_the_rules_and_reasons_that_there_are() -> None:
    usual = GestureRuleSet().fields
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d.]*) \|", TEXT, re.MULTILINE))
    assert {name: float(rows[name]) for name in usual} == usual
    for reason in get_args(Reason):
        assert f"| `{reason}` |" in TEXT
