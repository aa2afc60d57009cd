"""The package as Unity takes it: what an immutable one must have, and what its halves may know of each other."""

from __future__ import annotations

import json
import re
from pathlib import Path

from app.config import ROOT
from app.serving.runtime import VERSION
from tests.clients.unity.built import PACKAGE

FILES = [path for path in sorted(PACKAGE.rglob("*")) if path.suffix != ".meta"]
SEEN = [path for path in FILES if "Samples~" not in path.parts]  # Unity looks at nothing that ends with ~


def meta(path: Path) -> Path:
    return path.with_name(f"{path.name}.meta")


def test_everything_that_unity_imports_has_a_number_of_its_own() -> None:
    """In a package that comes from git or a tarball, what has no .meta is left out."""
    numbers = []
    for path in SEEN:
        found = re.match(r"fileFormatVersion: 2\nguid: ([0-9a-f]{32})\n", meta(path).read_text())
        assert found, path
        numbers.append(found[1])
    assert len(set(numbers)) == len(SEEN)
    assert set(PACKAGE.rglob("*.meta")) == {meta(path) for path in SEEN}


def test_the_core_knows_nothing_of_unity() -> None:
    core = PACKAGE / "Runtime" / "Core"
    assembly = json.loads((core / "Myostream.Core.asmdef").read_text())
    assert (assembly["noEngineReferences"], assembly["references"]) == (True, [])
    assert [path.name for path in core.glob("*.cs") if "UnityEngine" in path.read_text()] == []


def test_the_package_names_what_it_has() -> None:
    package = json.loads((PACKAGE / "package.json").read_text())
    assert package["version"] == VERSION
    assert all((PACKAGE / sample["path"]).is_dir() for sample in package["samples"])
    engine = json.loads((PACKAGE / "Runtime" / "Engine" / "Myostream.asmdef").read_text())
    assert engine["references"] == ["Myostream.Core"]
    assert (ROOT / "LICENSE").read_text() == (PACKAGE / "LICENSE.md").read_text()
