"""Without the packages of requirements-devices.txt: one line, and only for who asked for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCKED = """
import sys
sys.modules["pylsl"] = sys.modules["brainflow"] = None  # importing them raises ImportError
from app.errors import ConfigError
try:
    {code}
except ConfigError as error:
    print("refused:", error)
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(code=code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "import app.emg.lsl.source as m; "
            "m.LslSource(m.Query('type', 'EMG'), m.SourceDescription(channels=1, sampling_rate=1))",
            "LSL",
        ),
        ("import app.emg.lsl.outlet as m; m.LslOutlets('a', 'b', ['rest'], 'rest')", "LSL"),
        ("import app.emg.brainflow.boards as m; m.find_board('synthetic')", "EMG_MODE=brainflow"),
    ],
    ids=["lsl", "outlet", "brainflow"],
)
def test_an_absent_extra_is_one_line_that_says_what_to_install(code: str, told: str) -> None:
    out = run(code)
    assert out.startswith(f"refused: {told} needs ")
    assert out.endswith("install requirements-devices.txt\n")
    assert out.count("\n") == 1


def test_pylsl_without_its_library_says_the_same() -> None:
    """As on a machine for which there is no wheel with liblsl: pylsl itself raises RuntimeError then."""
    code = """
import builtins, types
real = builtins.__import__
def without_library(name, *rest):
    if name == "pylsl":
        raise RuntimeError("LSL binary library file was not found. Please make sure that the binary is there")
    return real(name, *rest)
builtins.__import__ = without_library
from app.emg.lsl.library import load_pylsl
from app.errors import ConfigError
try:
    load_pylsl()
except ConfigError as error:
    print(error)
"""
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert (
        out == "LSL needs pylsl (LSL binary library file was not found): install requirements-devices.txt\n"
    )


def test_nothing_else_needs_them() -> None:
    assert run("import app.serving.runtime; print('imported')") == "imported\n"
