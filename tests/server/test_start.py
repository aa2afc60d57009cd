"""An operator's mistake stops the start with one line; a sound start keeps the master light."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.live import ROOT, START_S, Live

pytestmark = pytest.mark.server

MISTAKES = {
    "unknown mode": ({"EMG_MODE": "magic"}, ["EMG_MODE", "magic", "ninapro"]),
    "no recording": ({"EMG_MODE": "ninapro"}, ["EMG_RECORDING", "EMG_MODE=ninapro"]),
    "recording without its mode": ({"EMG_RECORDING": "/x.npz"}, ["EMG_RECORDING=/x.npz", "ninapro"]),
    "open door": ({"EMG_BIND": "0.0.0.0:0"}, ["EMG_BIND=0.0.0.0:0", "EMG_ALLOW_ANONYMOUS"]),
    "a proxy and no key": (
        {"EMG_TRUSTED_PROXIES": "127.0.0.1"},
        ["EMG_TRUSTED_PROXIES=127.0.0.1", "keys new"],
    ),
    "no worker": ({"WEB_CONCURRENCY": "0"}, ["WEB_CONCURRENCY", "0", "above 0"]),
    "a body larger than all": (
        {"EMG_MAX_BODY": "2000000", "EMG_BODY_BUDGET": "1"},
        ["EMG_MAX_BODY=2000000", "EMG_BODY_BUDGET=1"],
    ),
    "no address of a fleet": (
        {"EMG_BACKENDS": "remote,onnxruntime", "EMG_OIP_URL": "triton"},
        ["EMG_OIP_URL='triton' is not allowed", "such as http://triton:8000"],
    ),
    "a fleet without an address": (
        {"EMG_BACKENDS": "remote,onnxruntime"},
        ["EMG_BACKENDS names remote", "EMG_OIP_URL is empty"],
    ),
    "window no number": ({"EMG_WIN": "big"}, ["EMG_WIN", "big", "whole number"]),
    "window of another model": ({"EMG_WIN": "40"}, ["EMG_WIN=40", "200", "EMG_MODEL"]),
    "rate of another model": ({"EMG_FS": "200"}, ["EMG_FS=200", "2000", "EMG_MODEL"]),
    "no such model": ({"EMG_MODEL": "nothing"}, ["nothing"]),
    "no such file": ({"EMG_MODE": "ninapro", "EMG_RECORDING": "/no/such.npz"}, ["/no/such.npz"]),
}


def start(command: list[str], settings: dict[str, str]) -> tuple[int, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EMG_", "WEB_CONCURRENCY"))}
    env = {**kept, "EMG_BIND": "127.0.0.1:0", "EMG_BACKENDS": "onnxruntime", **settings}
    run = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


def expect_one_line(code: int, output: str, words: list[str]) -> None:
    assert code != 0
    assert "Traceback" not in output
    lines = [line for line in output.splitlines() if "error: " in line]
    assert len(lines) == 1, output
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_stops_gunicorn_with_one_line(name: str) -> None:
    settings, words = MISTAKES[name]
    expect_one_line(*start(["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"], settings), words)


@pytest.mark.parametrize("name", ["unknown mode", "no recording", "open door", "window no number"])
def test_a_mistake_stops_flask_with_one_line(name: str) -> None:
    settings, words = MISTAKES[name]
    expect_one_line(*start(["flask", "--app", "wsgi", "run", "--port", "0"], settings), words)


def test_a_damaged_recording_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 no zip")
    code, output = start(
        ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
        {"EMG_MODE": "ninapro", "EMG_RECORDING": str(broken)},
    )
    expect_one_line(code, output, ["broken.npz"])


def test_a_recording_that_the_named_model_cannot_read_says_which_would_fit(recordings: Path) -> None:
    code, output = start(
        ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
        {
            "EMG_MODE": "ninapro",
            "EMG_RECORDING": str(recordings / "S01.npz"),
            "EMG_MODEL": "synthetic-16ch-2khz",
        },
    )
    expect_one_line(code, output, ["8 channels", "reads 16", "EMG_MODEL=myo-8ch-200hz"])


def test_the_master_holds_nothing_heavy(server: Live) -> None:
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    for library in ("torch", "onnxruntime", "numpy", "scipy"):
        assert f"/{library}/" not in maps
