"""The client for Unity compiled with mono's compiler, beside a stand-in for the engine, and what asks it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.config import ROOT
from tests.server.live import LATE_S

PACKAGE = ROOT / "clients" / "unity"
JSON_LIBRARY = Path("/usr/lib/cli/Newtonsoft.Json-5.0/Newtonsoft.Json.dll")  # of libnewtonsoft-json5.0-cil
MISSING = [name for name in ("mcs", "mono") if shutil.which(name) is None]
MISSING += [] if JSON_LIBRARY.exists() else [JSON_LIBRARY.name]
NEEDS_MONO = pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} not installed: apt, see .ci/run")

Ask = Callable[..., list[Any]]


def build(folder: Path) -> Path:
    """Compile all of it, with warnings as errors."""
    sources = [*PACKAGE.rglob("*.cs"), *Path(__file__).parent.glob("*.cs")]
    program = folder / "Harness.exe"
    command = ["mcs", "-langversion:7", "-warn:4", "-warnaserror", f"-out:{program}"]
    references = ["-r:System.Net.Http.dll", f"-r:{JSON_LIBRARY}"]
    run = subprocess.run(
        [*command, *references, *map(str, sources)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return program


def starting(program: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["mono", str(program), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "MONO_PATH": str(JSON_LIBRARY.parent)},
    )


@contextmanager
def answering(program: Path) -> Iterator[Ask]:
    """Gives the answers to any number of questions."""
    with starting(program) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(what: str, questions: Iterable[str]) -> list[Any]:
            found = []
            for question in questions:
                process.stdin.write(f"{what} {question}\n")
                process.stdin.flush()
                found.append(json.loads(process.stdout.readline()))
            return found

        yield ask
        process.stdin.close()
        assert process.wait(LATE_S) == 0, process.stdout.read()
