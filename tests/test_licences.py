"""docs/licences.md names everything that we require."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement

from app.config import ROOT

REQUIRED = sorted(
    {
        Requirement(line.partition("#")[0]).name
        for path in ROOT.glob("requirements*.txt")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.partition("#")[0].strip() and not line.startswith("-")
    }
)


@pytest.fixture(scope="module")
def rows() -> dict[str, str]:
    """Package -> licence."""
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    return dict(
        re.findall(r"^\| (\S+) \| [^|]+ \| ([^|]+) \| requirements[\w-]*\.txt \|$", page, re.MULTILINE)
    )


@pytest.mark.parametrize("name", REQUIRED)
def test_every_direct_requirement_has_its_licence_in_the_list(name: str, rows: dict[str, str]) -> None:
    assert name in rows, "run `python .ci/licences.py`"
    assert rows[name].strip() not in ("", "UNKNOWN")


def test_the_list_names_nothing_else(rows: dict[str, str]) -> None:
    assert sorted(rows) == REQUIRED
