"""One version, wherever it is said."""

from __future__ import annotations

import json
import re

import pytest

from app.config import ROOT
from app.serving.runtime import VERSION


def said(path: str, pattern: str) -> str:
    found = re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, path
    return found[1]


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("pyproject.toml", r'^version = "(.+)"$'),
        ("clients/python/src/myostream_client/version.py", r'^__version__ = "(.+)"$'),
        ("CHANGELOG.md", r"^## (\d\S*) - \d{4}-\d\d-\d\d$"),
        ("docs/api.md", r'"version":"([^"]+)"'),
    ],
)
def test_the_version_is_the_same_everywhere(path: str, pattern: str) -> None:
    assert said(path, pattern) == VERSION


def test_the_javascript_client_has_it_too() -> None:
    assert json.loads((ROOT / "clients" / "js" / "package.json").read_text())["version"] == VERSION
