"""The commands where requirements-edge.txt has been installed: without PyTorch they work, or say that it is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.learning.own.makers import own

ROOT = Path(__file__).parents[2]

# as where it is not installed
WITHOUT = """
import runpy, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "onnxscript", "rich"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
sys.argv[0] = "app"
runpy.run_module("app", run_name="__main__")
"""


def run(instance: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *words],
        cwd=ROOT,
        env={**os.environ, "EMG_INSTANCE": str(instance)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("person") / "me.npz"
    own(file, channels=8, rate=200.0, repetitions=3, names=("rest", "flexion", "extension", "fist"))
    return file


def test_a_covariance_model_is_calibrated_without_pytorch(recording: Path, tmp_path: Path) -> None:
    """The command imported networks before it looked which kind of model it is: a traceback on a Jetson."""
    words = ("model", "calibrate", "--model", "myo-8ch-200hz", "--recording", str(recording), "--out", "mine")
    made = run(tmp_path, *words, "--even-if-worse")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "models" / "mine" / "model.onnx").is_file()


def test_what_needs_it_says_so_in_one_line(recording: Path, tmp_path: Path) -> None:
    words = ("model", "train", "--model", "myo-8ch-200hz", "--data", str(recording), "--out", "ours")
    refused = run(tmp_path, *words)
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "error: this needs PyTorch, which requirements-edge.txt leaves out: pip install -r requirements.txt"
    ]
