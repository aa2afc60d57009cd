"""The same on gevent, as the server has it; in a process of its own, which must be patched before all else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PATCHED = """
import sys
from gevent import monkey
monkey.patch_all()
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *sys.argv[1:]]))
"""
HERE = Path(__file__).parent


@pytest.mark.slow
def test_what_holds_on_threads_holds_on_greenlets() -> None:
    kinds = ("answers", "contract", "local_bus", "redis_bus", "redis_sender", "redis_troubles")
    names = [str(HERE / f"test_{kind}.py") for kind in kinds]
    done = subprocess.run(
        [sys.executable, "-c", PATCHED, *names], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
