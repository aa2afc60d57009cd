"""The page says what the server's codes mean in its reader's language, and knows them all."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

from app.config import ROOT
from tests.browser.test_client_js import needs_node

PAGE = ROOT / "app" / "static" / "teach" / "hints.js"


def codes_of(folder: Path) -> set[str]:
    """The codes of all hints and problems that a folder's code makes."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
                "Hint",
                "failure_of",
            ):
                first = node.args[0]
                found |= {one.value for one in ast.walk(first) if isinstance(one, ast.Constant)}
    return {code for code in found if isinstance(code, str)}


def test_the_page_knows_every_code_of_the_server_and_the_docs_name_it() -> None:
    told = codes_of(ROOT / "app" / "learning") | codes_of(ROOT / "app" / "serving" / "jobs")
    told |= {"mistaken", "taken_for", "disk", "too_much"}
    known = set(re.findall(r"^  (\w+): \(", PAGE.read_text(), re.MULTILINE))
    assert known == told
    docs = (ROOT / "docs" / "api.md").read_text()
    assert {code for code in known if f"`{code}`" not in docs} == set()


@needs_node
def test_in_node() -> None:
    done = subprocess.run(
        ["node", "--test", "--test-reporter=spec", "hints.test.mjs"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
